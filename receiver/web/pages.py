"""Pages for people: one look, one set of headers, and nothing of what a stranger sent is ever echoed."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from receiver.domain.refusal import N_
from receiver.errors import RetryLaterError
from receiver.ports import Translator

_HERE = Path(__file__).parent
STATIC: Final = _HERE / "static"
LOCALES: Final = ("en", "fr", "da", "de")

# contract B2: links carry tokens, so neither caches, other sites nor search engines may hear of them
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}

# the same for a link that never was and for one whose reader was removed from [people]: nobody learns which
NO_SUCH_LINK: Final = (
    N_("This link leads nowhere"),
    N_(
        "It may be incomplete: please open it from the message again. If it still leads nowhere, your address may not "
        "decide here any more: please ask whoever looks after Casebell."
    ),
)

Words = Callable[..., str]  # ``Translator.say`` in one language
Handler = Callable[[Request, Any], Awaitable[Response]]

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


def words_of(translator: Translator, locale: str) -> Words:
    return partial(translator.say, locale)


def page(
    template: str,
    status: int = 200,
    *,
    words: Words,
    locale: str,
    headers: Mapping[str, str] | None = None,
    **context: object,
) -> HTMLResponse:
    """A page of ours; templates get ``_`` for ``words``, and escape everything."""
    html = _PAGES.get_template(template).render(context, _=words, locale=locale)
    return HTMLResponse(html, status, headers={**HEADERS, **(headers or {})})


def message(
    status: int,
    title: str,
    text: str,
    *,
    words: Words,
    locale: str,
    headers: Mapping[str, str] | None = None,
    **context: object,
) -> HTMLResponse:
    """A page that only says something; ``title`` and ``text`` are translated here."""
    said = {"title": words(title), "text": words(text), **context}
    return page("message.html", status, words=words, locale=locale, headers=headers, **said)


def preferred_locale(request: Request) -> str:
    """The first of our languages that the browser asks for; for pages that belong to no route."""
    for entry in request.headers.get("accept-language", "")[:200].split(","):
        language = entry.split(";")[0].split("-")[0].strip().lower()
        if language in LOCALES:
            return language
    return "en"


def error_handlers(translator: Translator) -> dict[Any, Handler]:
    """What Starlette shows for errors, in the browser's language: by status, and for what the store cannot do now."""

    def say(request: Request, status: int, title: str, text: str, headers: Mapping[str, str] | None = None) -> Response:
        locale = preferred_locale(request)
        return message(status, title, text, words=words_of(translator, locale), locale=locale, headers=headers)

    async def not_found(request: Request, _error: Exception) -> Response:
        text = N_("This page does not exist, or it does not exist any more.")
        return say(request, 404, N_("Nothing is here"), text)

    async def not_allowed(request: Request, error: HTTPException) -> Response:
        text = N_("This page does not take that kind of request.")
        return say(request, 405, N_("Not like this"), text, error.headers)

    async def broken(request: Request, _error: Exception) -> Response:
        text = N_("It was written down. Please try again in a minute.")
        return say(request, 500, N_("Something broke here"), text)

    async def busy(request: Request, error: RetryLaterError) -> Response:
        after_s = max(1, round(error.after_s or 5))
        text = N_("Nothing was lost or changed. Please try again in a moment.")
        return say(request, 503, N_("Temporarily unavailable"), text, {"Retry-After": str(after_s)})

    return {404: not_found, 405: not_allowed, 500: broken, RetryLaterError: busy}
