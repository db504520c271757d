"""What the pages for people who are signed in have in common: language, time zone, navigation."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from receiver.context import Adapters
from receiver.domain.routing import DEFAULT_ROUTE
from receiver.web.pages import format_datetime, preferred_language, render_message, render_page
from receiver.web.sessions import Session


class SignedInPages:
    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    def _render(self, template: str, request: Request, session: Session, **context: Any) -> Response:
        language = preferred_language(self._adapters.translator, request)
        return render_page(template, language, session=session, here=request.url.path, **context)

    def _render_message(self, request: Request, status: int, title: str, text: str) -> Response:
        return render_message(preferred_language(self._adapters.translator, request), status, title, text)

    def _format_time(self, at: datetime | None, request: Request) -> str:
        """A time that belongs to no single item, in the time zone of the first route; None is empty."""
        timezone = next(iter(self._adapters.rules.routes), DEFAULT_ROUTE).timezone
        locale = preferred_language(self._adapters.translator, request).locale
        return format_datetime(at, timezone, locale) if at else ""
