"""Pages for people: one look, one set of headers, and nothing of what a stranger sent is ever echoed."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from receiver.errors import RetryLaterError
from receiver.ports import Teller

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

Words = Callable[..., str]  # ``Teller.say`` in one language
Handler = Callable[[Request, Any], Awaitable[Response]]

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


def english(message: str, **values: object) -> str:
    """For pages that belong to no route."""
    return message.format(**values)


def words_of(teller: Teller, locale: str) -> Words:
    return partial(teller.say, locale)


def page(
    template: str,
    status: int = 200,
    *,
    words: Words = english,
    locale: str = "en",
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
    words: Words = english,
    locale: str = "en",
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


async def _not_found(_request: Request, _error: Exception) -> Response:
    return message(404, "Nothing is here", "This page does not exist, or it does not exist any more.")


async def _not_allowed(_request: Request, error: HTTPException) -> Response:
    return message(405, "Not like this", "This page does not take that kind of request.", headers=error.headers)


async def _broken(_request: Request, _error: Exception) -> Response:
    return message(500, "Something broke here", "It was written down. Please try again in a minute.")


async def _busy(_request: Request, error: RetryLaterError) -> Response:
    after_s = max(1, round(error.after_s or 5))
    text = "Nothing was lost or changed. Please try again in a moment."
    return message(503, "Not just now", text, headers={"Retry-After": str(after_s)})


def error_handlers() -> dict[Any, Handler]:
    """What Starlette shows for errors: by status, and by class for what the store cannot do now."""
    return {404: _not_found, 405: _not_allowed, 500: _broken, RetryLaterError: _busy}
