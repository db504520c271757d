"""``/login``: a person names an address, and the link that lets them in goes there by mail.

The answer is the same whoever asks, and takes as long: nobody learns from it who may decide. Opening the link changes
nothing, for scanners open links (docs/decisions/0006); its button lets in, once.
"""

import re
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

from sqlalchemy import Connection
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.people import Person
from receiver.domain.refusal import N_
from receiver.errors import PermanentError, RefusedError, RejectedError
from receiver.store import logins, outbox
from receiver.store import sessions as store
from receiver.store.payloads import AdminAlert
from receiver.web import sessions
from receiver.web.pages import HEADERS, Words, message, page, preferred_locale, words_of
from receiver.web.request_body import raw_body

MOST_BYTES: Final = 4_096
SLOWEST_S: Final = 10.0
MOST_ADDRESS: Final = 320
_ADDRESS: Final = re.compile(r"[^\s@,;<>\"]{1,64}@[^\s@,;<>\"]{1,250}")
SIGNED_FOR_S: Final = 86_400  # the store knows when a link is over


def login_routes(adapters: Adapters) -> list[Route]:
    pages = LoginPages(adapters)
    return [
        Route("/login", pages.ask, methods=["GET", "POST"], name="login"),
        Route("/login/{token}", pages.enter, methods=["GET", "POST"]),
    ]


async def send_link(adapters: Adapters, address: str, wanted: str) -> None:
    """Mail the address a link, if it belongs to somebody who may decide and has not just asked for several."""
    address = address.strip().lower()
    if (
        len(address) > MOST_ADDRESS
        or not _ADDRESS.fullmatch(address)
        or not adapters.rules.people.may_resolve(_person(address))
    ):
        return
    if await adapters.database.write(_mail_link, adapters.rules, address, wanted, adapters.now()):
        adapters.wakeups.notify(OUTBOX_WAKEUP)


async def make_link(adapters: Adapters, address: str) -> str:
    """A link for whoever has the keys, at a terminal. Raises PermanentError when it would open nothing."""
    address = address.strip().lower()
    if not adapters.rules.people.may_resolve(_person(address)):
        what = f"{address} may not decide here: name it in [people], among resolvers or admins"
        raise PermanentError("not_allowed", what)
    return _url(adapters.rules, await adapters.database.write(_begin_anyway, address, adapters.now()), "/")


def _begin_anyway(connection: Connection, address: str, now: datetime) -> str:
    return logins.begin(connection, address, now, is_unlimited=True) or ""


def _mail_link(connection: Connection, rules: Rules, address: str, wanted: str, now: datetime) -> bool:
    fresh = logins.begin(connection, address, now)
    if fresh is None or "mail" not in rules.channels:
        return False
    values = {"url": _url(rules, fresh, wanted)}
    payload = AdminAlert("login", values, f"login {fresh}")
    outbox.enqueue(connection, None, f"mail:{address}", payload, now, is_interactive=True)
    return True


def _url(rules: Rules, id_: str, wanted: str) -> str:
    return f"{rules.public_url}/login/{rules.tokens.make('login.v1', [id_, sessions.local(wanted)])}"


def _person(address: str) -> Person:
    return Person(email=address)


class LoginPages:
    """The way in."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    async def ask(self, request: Request) -> Response:
        locale, words = self._language(request)
        if request.method == "GET":
            wanted = sessions.local(request.query_params.get("next", "/"))
            if await sessions.session_of(self._adapters, request):
                return RedirectResponse(wanted, 303, headers=HEADERS)
            has_mail = "mail" in self._adapters.notifiers
            return page("login.html", words=words, locale=locale, wanted=wanted, has_mail=has_mail)
        try:
            fields = await self._fields(request)
        except RejectedError:
            return message(400, N_("That did not arrive whole"), N_("Please try again."), words=words, locale=locale)
        said = message(
            202,
            N_("Check your email"),
            N_("If this address may decide here, a link is on its way to it. It works once, within fifteen minutes."),
            words=words,
            locale=locale,
        )
        address, wanted = fields.get("address", ""), fields.get("next", "/")
        said.background = BackgroundTask(send_link, self._adapters, address, wanted)  # as quick for strangers
        return said

    async def enter(self, request: Request) -> Response:
        locale, words = self._language(request)
        login_id, wanted = self._open(request.path_params["token"]) or ("", "/")
        address = (
            await self._adapters.database.read(logins.address_of, login_id, self._adapters.now()) if login_id else None
        )
        if address is None or not self._adapters.rules.people.may_resolve(_person(address)):
            return self._over(locale, words)
        if request.method != "POST":
            return page("enter.html", words=words, locale=locale, address=address)
        replaces = sessions.secret_of(request)
        secret = await self._adapters.database.write(store.sign_in, login_id, replaces, self._adapters.now())
        if secret is None:
            return self._over(locale, words)
        response = RedirectResponse(wanted, 303, headers=HEADERS)
        sessions.set_cookie(self._adapters, response, secret)
        return response

    def _over(self, locale: str, words: Words) -> Response:
        text, label = N_("It was used already, or it is more than fifteen minutes old."), words(N_("Sign in"))
        title = N_("This link is over")
        return message(410, title, text, words=words, locale=locale, link="/login", label=label)

    def _open(self, token: str) -> tuple[str, str] | None:
        if len(token) > sessions.MOST_TOKEN:
            return None
        try:
            said = self._adapters.rules.tokens.open("login.v1", token, SIGNED_FOR_S)
        except RefusedError:
            return None
        match said:
            case [str(id_), str(wanted)]:
                return id_, sessions.local(wanted)
            case _:
                return None

    async def _fields(self, request: Request) -> dict[str, str]:
        body = await raw_body(request, MOST_BYTES, SLOWEST_S)
        try:
            fields = parse_qs(body.decode("ascii", "replace"), errors="replace", max_num_fields=5)
        except ValueError:
            return {}
        return {name: values[0] for name, values in fields.items() if len(values) == 1}

    def _language(self, request: Request) -> tuple[str, Words]:
        locale = preferred_locale(request)
        return locale, words_of(self._adapters.translator, locale)
