"""``/login``: a person enters an address and gets a link by mail that signs them in.

The answer is the same for every address and takes as long, so that nobody learns who may decide here. Opening the link
changes nothing, because mail scanners open links (docs/decisions/0006); the button on its page signs in, once.
"""

import re
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

from sqlalchemy import Connection
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.people import Person
from receiver.domain.refusal import N_
from receiver.errors import PermanentError, RejectedError
from receiver.store import logins, outbox
from receiver.store import sessions as store
from receiver.store.payloads import AdminAlert
from receiver.web import sessions
from receiver.web.pages import HEADERS, Language, preferred_language, render_message, render_page
from receiver.web.request_body import read_body

MAX_FORM_BYTES: Final = 4_096
FORM_TIMEOUT_S: Final = 10.0
MAX_ADDRESS: Final = 320
_ADDRESS: Final = re.compile(r"[^\s@,;<>\"]{1,64}@[^\s@,;<>\"]{1,250}")
SIGNATURE_LIFETIME_S: Final = 86_400  # the store knows when a link expires; this only bounds the signature


async def send_link(adapters: Adapters, address: str, next_path: str) -> None:
    """Mail a link to the address if it may decide here and has not requested several links just now."""
    address = address.strip().lower()
    is_valid = len(address) <= MAX_ADDRESS and _ADDRESS.fullmatch(address) is not None
    if not is_valid or not adapters.rules.people.may_resolve(Person(email=address)):
        return
    if await adapters.database.write(_mail_link, adapters.rules, address, next_path, adapters.now()):
        adapters.wakeups.notify(OUTBOX_WAKEUP)


async def make_link(adapters: Adapters, address: str) -> str:
    """A link for ``casebell login``. Raises PermanentError if the address may not decide here."""
    address = address.strip().lower()
    if not adapters.rules.people.may_resolve(Person(email=address)):
        what = f"{address} may not decide here: name it in [people], among resolvers or admins"
        raise PermanentError("not_allowed", what)
    return _url(adapters.rules, await adapters.database.write(_create_login, address, adapters.now()), "/")


def _create_login(connection: Connection, address: str, now: datetime) -> str:
    return logins.create(connection, address, now, is_unlimited=True) or ""


def _mail_link(connection: Connection, rules: Rules, address: str, next_path: str, now: datetime) -> bool:
    login_id = logins.create(connection, address, now)
    if login_id is None or "mail" not in rules.channels:
        return False
    values = {"url": _url(rules, login_id, next_path)}
    payload = AdminAlert("login", values, f"login {login_id}")
    outbox.enqueue(connection, None, f"mail:{address}", payload, now, is_interactive=True)
    return True


def _url(rules: Rules, login_id: str, next_path: str) -> str:
    return f"{rules.public_url}/login/{rules.tokens.make('login.v1', [login_id, sessions.local_path(next_path)])}"


class LoginPages:
    """The form for the address, and the page behind the link."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    async def request_link(self, request: Request) -> Response:
        language = preferred_language(self._adapters.translator, request)
        if request.method == "GET":
            next_path = sessions.local_path(request.query_params.get("next", "/"))
            if await sessions.session_of(self._adapters, request):
                return RedirectResponse(next_path, 303, headers=HEADERS)
            has_mail = "mail" in self._adapters.notifiers
            return render_page("login.html", language, next_path=next_path, has_mail=has_mail)
        try:
            fields = await _read_fields(request)
        except RejectedError:
            return render_message(language, 400, N_("That did not arrive whole"), N_("Please try again."))
        text = N_("If this address may decide here, a link is on its way to it. It works once, within fifteen minutes.")
        response = render_message(language, 202, N_("Check your email"), text)
        # after the response, so that it takes as long for an unknown address
        address, next_path = fields.get("address", ""), fields.get("next", "/")
        response.background = BackgroundTask(send_link, self._adapters, address, next_path)
        return response

    async def sign_in(self, request: Request) -> Response:
        adapters, language = self._adapters, preferred_language(self._adapters.translator, request)
        login_id, next_path = self._open_token(request.path_params["token"]) or ("", "/")
        address = await adapters.database.read(logins.find_address, login_id, adapters.now()) if login_id else None
        if address is None or not adapters.rules.people.may_resolve(Person(email=address)):
            return _render_expired(language)
        if request.method != "POST":
            return render_page("enter.html", language, address=address)
        old_secret = sessions.secret_of(request)
        secret = await adapters.database.write(store.sign_in, login_id, old_secret, adapters.now())
        if secret is None:
            return _render_expired(language)
        response = RedirectResponse(next_path, 303, headers=HEADERS)
        sessions.set_cookie(adapters, response, secret)
        return response

    def _open_token(self, token: str) -> tuple[str, str] | None:
        """Id of the login and the path to go to afterwards."""
        match sessions.open_token(self._adapters.rules.tokens, "login.v1", token, SIGNATURE_LIFETIME_S):
            case [str(login_id), str(next_path)]:
                return login_id, sessions.local_path(next_path)
            case _:
                return None


async def _read_fields(request: Request) -> dict[str, str]:
    body = await read_body(request, MAX_FORM_BYTES, FORM_TIMEOUT_S)
    try:
        fields = parse_qs(body.decode("ascii", "replace"), errors="replace", max_num_fields=5)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def _render_expired(language: Language) -> Response:
    text = N_("It was used already, or it is more than fifteen minutes old.")
    label = language.translate(N_("Sign in"))
    return render_message(language, 410, N_("This link is over"), text, link="/login", label=label)
