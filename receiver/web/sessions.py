"""Who is in front of the inbox: a signed cookie says whom a mailed link let in, and [people] whether they still may.

The cookie is sent to nobody else and read by no script; a page's form carries a nonce that belongs to it.
"""

import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.desk import Desk
from receiver.domain.people import Person
from receiver.errors import RefusedError
from receiver.web.pages import HEADERS

COOKIE: Final = "casebell_session"
LASTS_S: Final = 12 * 3600
MOST_TOKEN: Final = 1_000
MOST_PATH: Final = 500


@dataclass(frozen=True, slots=True)
class Session:
    """``browser`` tells this session's pages from those of any other."""

    person: Person
    is_admin: bool
    browser: str


def session_of(desk: Desk, request: Request) -> Session | None:
    """The session of this request; None for strangers, and for whoever may not decide any more."""
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or len(cookie) > MOST_TOKEN:
        return None
    try:
        said = desk.tokens.open("session.v1", cookie, LASTS_S)
    except RefusedError:
        return None
    match said:
        case [str(address), str(browser)]:
            person = Person(email=address)
            return Session(person, desk.people.is_admin(person), browser) if desk.people.may_resolve(person) else None
        case _:
            return None


def begin(desk: Desk, response: Response, address: str) -> None:
    """Let this browser in as ``address``."""
    cookie = desk.tokens.make("session.v1", [address, secrets.token_urlsafe(24)])
    is_secure = desk.public_url.startswith("https:")
    response.set_cookie(COOKIE, cookie, max_age=LASTS_S, path="/", secure=is_secure, httponly=True, samesite="lax")


def end(desk: Desk, response: Response) -> None:
    response.delete_cookie(COOKIE, path="/", secure=desk.public_url.startswith("https:"), httponly=True, samesite="lax")


def to_login(request: Request) -> Response:
    """To the way in, and from there back to where somebody wanted to go."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?{urlencode({'next': wanted})}", 303, headers=HEADERS)


def local(path: str) -> str:
    """``path`` if it leads to a page of ours, else the list: nobody is sent elsewhere."""
    is_ours = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if is_ours and "\\" not in path and len(path) <= MOST_PATH else "/"
