"""Renders the pages for people: one layout, one set of headers, four languages.

Templates escape every value. No page repeats what an unauthenticated client sent.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jinja2
from babel.dates import format_date, format_time
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from receiver.domain.refusal import N_
from receiver.errors import RetryLaterError
from receiver.ports import Translator

_HERE = Path(__file__).parent
STATIC: Final = _HERE / "static"
LOCALES: Final = ("en", "fr", "da", "de")

# The address of a page may carry a token: keep it out of caches, other sites and search engines
# (docs/vendors/mail.md#links-that-decide).
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}

# The same page for an invalid link and for one whose address was removed from [people]: it must not reveal which.
NO_SUCH_LINK: Final = (
    N_("This link leads nowhere"),
    N_(
        "It may be incomplete: please open it from the message again. If it still leads nowhere, your address may not "
        "decide here any more: please ask whoever looks after Casebell."
    ),
)

Handler = Callable[[Request, Any], Awaitable[Response]]

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


@dataclass(frozen=True, slots=True)
class Language:
    """The language of a page."""

    translator: Translator
    locale: str

    def translate(self, message: str, **values: object) -> str:
        return self.translator.say(self.locale, message, **values)


def preferred_language(translator: Translator, request: Request) -> Language:
    """The first of LOCALES in the browser's list, else English; for pages that belong to no route."""
    for entry in request.headers.get("accept-language", "")[:200].split(","):
        language = entry.split(";")[0].split("-")[0].strip().lower()
        if language in LOCALES:
            return Language(translator, language)
    return Language(translator, "en")


def render_page(
    template: str, language: Language, status: int = 200, headers: Mapping[str, str] | None = None, **context: object
) -> HTMLResponse:
    """Render a template; in it ``_`` translates."""
    html = _TEMPLATES.get_template(template).render(context, _=language.translate, locale=language.locale)
    return HTMLResponse(html, status, headers={**HEADERS, **(headers or {})})


def render_message(
    language: Language, status: int, title: str, text: str, headers: Mapping[str, str] | None = None, **context: object
) -> HTMLResponse:
    """A page with a title and one paragraph; both are translated here."""
    translated = {"title": language.translate(title), "text": language.translate(text)}
    return render_page("message.html", language, status, headers, **translated, **context)


def format_datetime(at: datetime, timezone: str, locale: str) -> str:
    """Date and time in that time zone and language, on a 24-hour clock. An unknown time zone counts as UTC."""
    try:
        local = at.astimezone(ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError):
        local = at
    babel_locale = locale if locale in LOCALES and locale != "en" else "en_GB"
    return f"{format_date(local, 'long', locale=babel_locale)}, {format_time(local, 'short', locale=babel_locale)}"


def error_handlers(translator: Translator) -> dict[Any, Handler]:
    """Starlette's exception handlers: pages for the statuses 404, 405 and 500, and for an unavailable store."""

    def render(request: Request, status: int, title: str, text: str, headers: Mapping[str, str] | None) -> Response:
        return render_message(preferred_language(translator, request), status, title, text, headers)

    async def not_found(request: Request, _error: Exception) -> Response:
        text = N_("This page does not exist, or it does not exist any more.")
        return render(request, 404, N_("Nothing is here"), text, None)

    async def method_not_allowed(request: Request, error: HTTPException) -> Response:
        text = N_("This page does not take that kind of request.")
        return render(request, 405, N_("Not like this"), text, error.headers)

    async def internal_error(request: Request, _error: Exception) -> Response:
        text = N_("It was written down. Please try again in a minute.")
        return render(request, 500, N_("Something broke here"), text, None)

    async def unavailable(request: Request, error: RetryLaterError) -> Response:
        after_s = max(1, round(error.after_s or 5))
        text = N_("Nothing was lost or changed. Please try again in a moment.")
        return render(request, 503, N_("Temporarily unavailable"), text, {"Retry-After": str(after_s)})

    return {404: not_found, 405: method_not_allowed, 500: internal_error, RetryLaterError: unavailable}
