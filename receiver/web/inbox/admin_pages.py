"""``/sources``: each account's last full sync, and what needs attention. ``/deliveries``: deliveries by state."""

from typing import Any, Final

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.domain.refusal import N_
from receiver.operations.replay import retry
from receiver.store import accounts, alerts, breakers, outbox
from receiver.web import sessions
from receiver.web.inbox.base import SignedInPages
from receiver.web.pages import HEADERS
from receiver.web.sessions import Session

MAX_ROWS: Final = 100
MAX_ID_DIGITS: Final = 18
STATES: Final = ("dead", "due", "done")


class AdminPages(SignedInPages):
    """``/sources`` is for all who may decide, ``/deliveries`` for admins."""

    async def sources(self, request: Request, session: Session) -> Response:
        last_syncs, failures, alerts_, breakers_ = await self._adapters.database.read(_read_state)
        rows = []
        for source, account in self._adapters.upstreams:
            reason, failing_since = failures.get((source, account), ("", None))
            rows.append(
                {
                    "name": f"{source.capitalize()} {account}",
                    "last_sync": self._format_time(last_syncs.get((source, account)), request),
                    "reason": reason,
                    "failing_since": self._format_time(failing_since, request),
                }
            )
        return self._render(
            "sources.html",
            request,
            session,
            rows=rows,
            alerts=[(a.about, a.code, self._format_time(a.since, request), a.reason) for a in alerts_.values()],
            breakers=[(b.name, self._format_time(b.open_until, request), b.reason or "") for b in breakers_],
        )

    async def deliveries(self, request: Request, session: Session) -> Response:
        if not session.is_admin:
            text = N_("Deliveries are shown to the admins that [people] names.")
            return self._render_message(request, 403, N_("This is for admins"), text)
        if request.method == "POST":
            return await self._retry(request, session)
        state = request.query_params.get("state", "dead")
        state = state if state in STATES else "dead"
        deliveries = await self._adapters.database.read(outbox.list_deliveries, state, MAX_ROWS)
        rows = [{**row._asdict(), "created": self._format_time(row.created_at, request)} for row in deliveries]
        nonce = sessions.make_nonce(self._adapters, session, "deliveries")
        return self._render("deliveries.html", request, session, rows=rows, state=state, states=STATES, nonce=nonce)

    async def _retry(self, request: Request, session: Session) -> Response:
        """Retry the selected dead deliveries; each keeps its id."""
        fields = await sessions.read_form(self._adapters, request, session, "deliveries") or {}
        ids = [int(id_) for id_ in fields.get("id", []) if id_.isdecimal() and len(id_) <= MAX_ID_DIGITS]
        if not ids:
            return self._render_invalid_form(request)
        await retry(self._adapters, ids)
        return RedirectResponse("/deliveries", 303, headers=HEADERS)


def _read_state(connection: Connection) -> tuple[Any, Any, Any, Any]:
    """Last full syncs, failures, admin alerts and open breakers."""
    return (
        accounts.last_syncs(connection),
        accounts.failures(connection),
        alerts.list_active(connection),
        breakers.list_open(connection),
    )
