"""``/sessions`` lists a person's sessions and ends one or all; ``/logout`` ends the session of this browser."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.store import sessions as store
from receiver.web import sessions
from receiver.web.inbox.base import SignedInPages
from receiver.web.pages import HEADERS
from receiver.web.sessions import Session

PAGE = "sessions"
ALL = "all"


class SessionPages(SignedInPages):
    """A person sees and ends their own sessions only."""

    async def log_out(self, request: Request) -> Response:
        """End the session of this browser. A form of another site sends no cookie, so it ends nothing."""
        response = RedirectResponse("/login", 303, headers=HEADERS)
        session = await sessions.session_of(self._adapters, request)
        if session is not None:
            await self._adapters.database.write(store.end, session.person.email, session.id)
            sessions.delete_cookie(self._adapters, response)
        return response

    async def handle(self, request: Request, session: Session) -> Response:
        if request.method == "POST":
            return await self._end_session(request, session)
        rows = []
        email, now = session.person.email, self._adapters.now()
        for row in await self._adapters.database.read(store.list_of_person, email, now):
            since, until = self._format_time(row.created_at, request), self._format_time(row.expires_at, request)
            rows.append({"id": row.id, "since": since, "until": until, "is_current": row.id == session.id})
        nonce = sessions.make_nonce(self._adapters, session, PAGE)
        return self._render("sessions.html", request, session, rows=rows, nonce=nonce, all_sessions=ALL)

    async def _end_session(self, request: Request, session: Session) -> Response:
        fields = await sessions.read_form(self._adapters, request, session, PAGE)
        choice = fields.get("end", [""])[0] if fields else ""
        if not choice:
            return self._render_invalid_form(request)
        id_ = None if choice == ALL else choice
        await self._adapters.database.write(store.end, session.person.email, id_)
        response = RedirectResponse("/sessions", 303, headers=HEADERS)
        if id_ in {None, session.id}:
            sessions.delete_cookie(self._adapters, response)
        return response
