"""``/sessions`` and ``/logout``: where somebody is signed in, and the way out of one browser or of all."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from receiver.context import Adapters
from receiver.domain.refusal import N_
from receiver.domain.routing import DEFAULT_ROUTE
from receiver.store import sessions as store
from receiver.web import sessions
from receiver.web.action_pages import when
from receiver.web.pages import HEADERS, message, page, preferred_locale, words_of
from receiver.web.sessions import Session

PAGE = "sessions"
EVERYWHERE = "all"


def session_routes(adapters: Adapters) -> list[Route]:
    pages = SessionPages(adapters)
    return [
        Route("/sessions", pages.answer, methods=["GET", "POST"]),
        Route("/logout", pages.leave, methods=["POST"]),
    ]


class SessionPages:
    """A person sees and ends their own sessions only."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    async def answer(self, request: Request) -> Response:
        session = await sessions.session_of(self._adapters, request)
        if session is None:
            return sessions.to_login(request)
        if request.method == "POST":
            return await self._end(request, session)
        return await self._list(request, session)

    async def leave(self, request: Request) -> Response:
        """End the session of this browser. A form of another site brings no cookie, and ends nothing."""
        response = RedirectResponse("/login", 303, headers=HEADERS)
        session = await sessions.session_of(self._adapters, request)
        if session is not None:
            await self._adapters.database.write(store.end, session.person.email, session.id)
            sessions.delete_cookie(self._adapters, response)
        return response

    async def _list(self, request: Request, session: Session) -> Response:
        adapters, locale = self._adapters, preferred_locale(request)
        timezone = next(iter(adapters.rules.routes), DEFAULT_ROUTE).timezone
        rows = [
            {
                "id": row.id,
                "since": when(row.created_at, timezone, locale),
                "until": when(row.expires_at, timezone, locale),
                "is_this": row.id == session.id,
            }
            for row in await adapters.database.read(store.of_person, session.person.email, adapters.now())
        ]
        words, nonce = words_of(adapters.translator, locale), sessions.make_nonce(adapters, session, PAGE)
        return page(
            "sessions.html",
            words=words,
            locale=locale,
            session=session,
            here=request.url.path,
            rows=rows,
            nonce=nonce,
            everywhere=EVERYWHERE,
        )

    async def _end(self, request: Request, session: Session) -> Response:
        fields = await sessions.fields_of(self._adapters, request, session, PAGE)
        chosen = fields.get("end", [""])[0] if fields else ""
        if not chosen:
            locale = preferred_locale(request)
            text = N_("This page was open for more than an hour, or is not yours. Please look again, then choose.")
            words = words_of(self._adapters.translator, locale)
            return message(403, N_("Nothing was done"), text, words=words, locale=locale)
        id_ = None if chosen == EVERYWHERE else chosen
        await self._adapters.database.write(store.end, session.person.email, id_)
        response = RedirectResponse("/sessions", 303, headers=HEADERS)
        if id_ in {None, session.id}:
            sessions.delete_cookie(self._adapters, response)
        return response
