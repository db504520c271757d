"""Who is in front of a page: the cookie carries a secret, the store knows whose session it is, [people] who may.

The cookie is sent to nobody else and read by no script; a page's form carries a nonce that belongs to its session.
Nothing is kept in this process: any replica knows every session, and a session that was ended is over everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.context import Adapters
from receiver.domain.people import Person
from receiver.errors import RefusedError, RejectedError
from receiver.store import sessions
from receiver.web.pages import HEADERS
from receiver.web.request_body import raw_body

COOKIE: Final = "casebell_session"
MOST_TOKEN: Final = 1_000
MOST_PATH: Final = 500
MOST_BYTES: Final = 4_096
SLOWEST_S: Final = 10.0
NONCE_LIVES_S: Final = 3600
NONCE_BROWSER: Final = 32  # letters of a session's id, as many as ``press_form`` takes


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in. ``id`` is no secret: the cookie cannot be derived from it."""

    id: str
    person: Person
    is_admin: bool

    @property
    def browser(self) -> str:
        """What the nonces of this session's pages belong to."""
        return self.id[:NONCE_BROWSER]


async def session_of(adapters: Adapters, request: Request) -> Session | None:
    """The session of this request, read once; None for strangers, and for whoever may not decide any more."""
    if not hasattr(request.state, "session"):
        request.state.session = await _find(adapters, secret_of(request))
    found: Session | None = request.state.session
    return found


def secret_of(request: Request) -> str:
    """What the browser proves its session with; empty when it has none."""
    cookie = request.cookies.get(COOKIE, "")
    return cookie if len(cookie) <= MOST_TOKEN else ""


async def _find(adapters: Adapters, secret: str) -> Session | None:
    row = await adapters.database.read(sessions.find, secret, adapters.now()) if secret else None
    person = Person(email=row.address) if row else None
    if row is None or person is None or not adapters.rules.people.may_resolve(person):
        return None
    return Session(row.id, person, adapters.rules.people.is_admin(person))


def set_cookie(adapters: Adapters, response: Response, secret: str) -> None:
    """Let this browser in."""
    lasts_s = round(sessions.LASTS.total_seconds())
    is_secure = adapters.rules.public_url.startswith("https:")
    response.set_cookie(COOKIE, secret, max_age=lasts_s, path="/", secure=is_secure, httponly=True, samesite="lax")


def delete_cookie(adapters: Adapters, response: Response) -> None:
    response.delete_cookie(
        COOKIE, path="/", secure=adapters.rules.public_url.startswith("https:"), httponly=True, samesite="lax"
    )


def make_nonce(adapters: Adapters, session: Session, page: str) -> str:
    """For the form of a page that is shown to this session."""
    return adapters.rules.tokens.make("nonce.v1", [page, session.browser])


async def fields_of(
    adapters: Adapters, request: Request, session: Session, page: str
) -> Mapping[str, list[str]] | None:
    """What the form of this page sent; None when it is not from this session, or was open for more than an hour."""
    try:
        fields = parse_qs((await raw_body(request, MOST_BYTES, SLOWEST_S)).decode("ascii", "replace"))
        said = adapters.rules.tokens.open("nonce.v1", fields.get("nonce", [""])[0], NONCE_LIVES_S)
    except (RefusedError, RejectedError, ValueError):
        return None
    return fields if said == [page, session.browser] else None


def to_login(request: Request) -> Response:
    """To the way in, and from there back to where somebody wanted to go."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?{urlencode({'next': wanted})}", 303, headers=HEADERS)


def local(path: str) -> str:
    """``path`` if it leads to a page of ours, else the list: nobody is sent elsewhere."""
    is_ours = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if is_ours and "\\" not in path and len(path) <= MOST_PATH else "/"
