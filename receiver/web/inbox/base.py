"""What the pages for people who are signed in have in common: language, time zone, navigation."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from receiver.context import Adapters
from receiver.domain.refusal import N_
from receiver.domain.routing import DEFAULT_ROUTE
from receiver.web.pages import format_datetime, preferred_language, render_message, render_page
from receiver.web.sessions import Session, redirect_to_login, session_of


class SignedInPages:
    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    def signed_in(self, handle: Callable[[Request, Session], Awaitable[Response]]) -> Callable[[Request], Any]:
        """A handler for signed-in people; others are sent to ``/login``."""

        async def check(request: Request) -> Response:
            session = await session_of(self._adapters, request)
            return await handle(request, session) if session else redirect_to_login(request)

        return check

    def _render(self, template: str, request: Request, session: Session, **context: Any) -> Response:
        language = preferred_language(self._adapters.translator, request)
        return render_page(template, language, session=session, here=request.url.path, **context)

    def _render_message(self, request: Request, status: int, title: str, text: str) -> Response:
        return render_message(preferred_language(self._adapters.translator, request), status, title, text)

    def _render_invalid_form(self, request: Request) -> Response:
        text = N_("This page was open for more than an hour, or is not yours. Please look again, then choose.")
        return self._render_message(request, 403, N_("Nothing was done"), text)

    def _format_time(self, at: datetime | None, request: Request) -> str:
        """A time that belongs to no single item, in the time zone of the first route; None is empty."""
        timezone = next(iter(self._adapters.rules.routes), DEFAULT_ROUTE).timezone
        locale = preferred_language(self._adapters.translator, request).locale
        return format_datetime(at, timezone, locale) if at else ""
