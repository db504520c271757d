"""``/sources`` and ``/deliveries``: how the sources stand, and what could not be delivered."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from receiver.context import Adapters
from receiver.domain.refusal import N_
from receiver.domain.routing import DEFAULT_ROUTE
from receiver.operations.replay import retry
from receiver.store import accounts, alerts, breakers, outbox
from receiver.web import sessions
from receiver.web.action_pages import when
from receiver.web.pages import HEADERS, message, page, preferred_locale, words_of
from receiver.web.sessions import Session

MOST: Final = 100
MOST_OF_AN_ID: Final = 18  # digits
STATES: Final = ("dead", "due", "done")


def running_routes(adapters: Adapters) -> list[Route]:
    pages = AdminPages(adapters)
    return [
        Route("/sources", pages.sources, methods=["GET"]),
        Route("/deliveries", pages.deliveries, methods=["GET", "POST"]),
    ]


class AdminPages:
    """What an operator looks at first."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    async def sources(self, request: Request) -> Response:
        session = await sessions.session_of(self._adapters, request)
        if session is None:
            return sessions.to_login(request)
        heard, failing, standing, opened = await self._adapters.database.read(_standing)
        locale = preferred_locale(request)

        def told(at: datetime | None) -> str:
            return when(at, next(iter(self._adapters.rules.routes), DEFAULT_ROUTE).timezone, locale) if at else ""

        rows = [
            {
                "name": f"{source.capitalize()} {account}",
                "heard": told(heard.get((source, account))),
                "reason": failing.get((source, account), ("", None))[0],
                "since": told(failing.get((source, account), ("", None))[1]),
            }
            for source, account in self._adapters.upstreams
        ]
        alarms_now = [(alarm.about, alarm.code, told(alarm.since), alarm.reason) for alarm in standing.values()]
        left_alone = [(one.name, told(one.open_until), one.reason or "") for one in opened]
        return self._page("sources.html", request, session, rows=rows, alarms=alarms_now, breakers=left_alone)

    async def deliveries(self, request: Request) -> Response:
        session = await sessions.session_of(self._adapters, request)
        if session is None:
            return sessions.to_login(request)
        if not session.is_admin:
            text = N_("Deliveries are shown to the admins that [people] names.")
            return self._message(403, N_("This is for admins"), text, request)
        if request.method == "POST":
            return await self._retry(request, session)
        state = request.query_params.get("state", "dead")
        state = state if state in STATES else "dead"
        rows = await self._adapters.database.read(outbox.list_deliveries, state, MOST)
        locale = preferred_locale(request)
        shown = [
            {
                **row._asdict(),
                "created": when(
                    row.created_at, next(iter(self._adapters.rules.routes), DEFAULT_ROUTE).timezone, locale
                ),
            }
            for row in rows
        ]
        nonce = sessions.make_nonce(self._adapters, session, "deliveries")
        return self._page("deliveries.html", request, session, rows=shown, state=state, states=STATES, nonce=nonce)

    async def _retry(self, request: Request, session: Session) -> Response:
        """Retry dead deliveries under the ids they have."""
        fields = await sessions.fields_of(self._adapters, request, session, "deliveries") or {}
        ids = [int(id_) for id_ in fields.get("id", []) if id_.isdecimal() and len(id_) <= MOST_OF_AN_ID]
        if not ids:
            text = N_("This page was open for more than an hour, or is not yours. Please look again, then choose.")
            return self._message(403, N_("Nothing was done"), text, request)
        await retry(self._adapters, ids)
        return RedirectResponse("/deliveries", 303, headers=HEADERS)

    def _page(self, template: str, request: Request, session: Session, **context: Any) -> Response:
        locale = preferred_locale(request)
        words = words_of(self._adapters.translator, locale)
        here = request.url.path
        return page(template, words=words, locale=locale, session=session, here=here, **context)

    def _message(self, status: int, title: str, text: str, request: Request) -> Response:
        locale = preferred_locale(request)
        return message(status, title, text, words=words_of(self._adapters.translator, locale), locale=locale)


def _standing(connection: Connection) -> tuple[Any, Any, Any, Any]:
    return (
        accounts.last_syncs(connection),
        accounts.failures(connection),
        alerts.standing(connection),
        breakers.opened(connection),
    )
