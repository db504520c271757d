"""Sessions of the web pages: the cookie carries a secret, the store finds its session, [people] decides on access.

Scripts and other sites cannot use the cookie; each form carries a nonce that is bound to its session. The process keeps
nothing, so every replica knows every session and a session that ended is invalid everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.context import Adapters
from receiver.domain.people import Person
from receiver.domain.token import Purpose, Tokens
from receiver.errors import RefusedError, RejectedError
from receiver.store import sessions
from receiver.web.pages import HEADERS
from receiver.web.request_body import read_body

COOKIE: Final = "casebell_session"
MAX_TOKEN: Final = 1_000
MAX_PATH: Final = 500
MAX_FORM_BYTES: Final = 4_096
FORM_TIMEOUT_S: Final = 10.0
NONCE_LIFETIME_S: Final = 3600
BROWSER_ID_LENGTH: Final = 32  # as ``action_form.py`` requires


@dataclass(frozen=True, slots=True)
class Session:
    """The session of a person. ``id`` is no secret: the cookie cannot be derived from it."""

    id: str
    person: Person
    is_admin: bool

    @property
    def browser_id(self) -> str:
        """What the nonces of this session's pages are bound to."""
        return self.id[:BROWSER_ID_LENGTH]


async def session_of(adapters: Adapters, request: Request) -> Session | None:
    """The session of this request, read from the store once. None without one, or if [people] gives no access."""
    if not hasattr(request.state, "session"):
        request.state.session = await _find(adapters, secret_of(request))
    session: Session | None = request.state.session
    return session


def secret_of(request: Request) -> str:
    """The secret in the session's cookie, or an empty string."""
    cookie = request.cookies.get(COOKIE, "")
    return cookie if len(cookie) <= MAX_TOKEN else ""


async def _find(adapters: Adapters, secret: str) -> Session | None:
    row = await adapters.database.read(sessions.find, secret, adapters.now()) if secret else None
    person = Person(email=row.address) if row else None
    if row is None or person is None or not adapters.rules.people.may_resolve(person):
        return None
    return Session(row.id, person, adapters.rules.people.is_admin(person))


def set_cookie(adapters: Adapters, response: Response, secret: str) -> None:
    max_age_s = round(sessions.LASTS.total_seconds())
    is_secure = adapters.rules.public_url.startswith("https:")
    response.set_cookie(COOKIE, secret, max_age=max_age_s, path="/", secure=is_secure, httponly=True, samesite="lax")


def delete_cookie(adapters: Adapters, response: Response) -> None:
    is_secure = adapters.rules.public_url.startswith("https:")
    response.delete_cookie(COOKIE, path="/", secure=is_secure, httponly=True, samesite="lax")


def make_nonce(adapters: Adapters, session: Session, page: str) -> str:
    """A nonce for a form on this page, for this session."""
    return adapters.rules.tokens.make("nonce.v1", [page, session.browser_id])


async def read_form(
    adapters: Adapters, request: Request, session: Session, page: str
) -> Mapping[str, list[str]] | None:
    """The fields of a form on this page. None if its nonce is missing, older than an hour or of another session."""
    try:
        fields = parse_qs((await read_body(request, MAX_FORM_BYTES, FORM_TIMEOUT_S)).decode("ascii", "replace"))
        payload = adapters.rules.tokens.open("nonce.v1", fields.get("nonce", [""])[0], NONCE_LIFETIME_S)
    except (RefusedError, RejectedError, ValueError):
        return None
    return fields if payload == [page, session.browser_id] else None


def open_token(tokens: Tokens, purpose: Purpose, token: str, lifetime_s: int) -> Any:
    """The content of a signed token; None if it is invalid or older than ``lifetime_s`` seconds."""
    if len(token) > MAX_TOKEN:
        return None
    try:
        return tokens.open(purpose, token, lifetime_s)
    except RefusedError:
        return None


def redirect_to_login(request: Request) -> Response:
    """To ``/login``, which returns to this page afterwards."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?{urlencode({'next': target})}", 303, headers=HEADERS)


def local_path(path: str) -> str:
    """``path`` if it is a path of this site, else ``/``: a link must not redirect to another site."""
    is_local = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if is_local and "\\" not in path and len(path) <= MAX_PATH else "/"
