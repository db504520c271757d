"""A mail server that keeps every mail for tests and people to read, and refuses on demand. It delivers nothing.

It speaks SMTP (aiosmtpd) in the running loop. Another thread may read it: mails are only appended.
"""

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from casebell_sandbox.faults import Clock, utc_now

LARGEST_MAIL = 10 * 1024 * 1024
OK = "250 OK"


@dataclass(frozen=True, slots=True)
class Mail:
    """One accepted mail. ``sender`` and ``recipients`` are those of the envelope, not of the headers."""

    message: EmailMessage
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    at: datetime


class MailStand:
    """A mailbox for every address.

    refuse: the answer to RCPT by address instead of 250, such as ``(550, "5.1.1 no such person")``.
    refuse_data: the answer to DATA instead of 250. auth: required user and password; None: no login.
    """

    def __init__(
        self,
        *,
        refuse: dict[str, tuple[int, str]] | None = None,
        auth: tuple[str, str] | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.refuse = dict(refuse or {})
        self.refuse_data: tuple[int, str] | None = None
        self.auth = auth
        self.messages: list[Mail] = []
        self.port = 0
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on ``port``; 0: any free one, see ``self.port``. Raises OSError if it is taken."""
        self._server = await asyncio.get_running_loop().create_server(self._session, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close the open connections."""
        if self._server is None:
            return
        self._server.close()
        for session in list(self._sessions):
            session.hang_up()
        await self._server.wait_closed()
        self._server = None

    def to(self, address: str) -> list[Mail]:
        """The mails with this address as a recipient of the envelope."""
        return [mail for mail in list(self.messages) if address.lower() in {one.lower() for one in mail.recipients}]

    def _session(self) -> "_Session":
        return _Session(self._sessions, _Hooks(self), self.auth)

    def accept(self, envelope: Envelope) -> None:
        raw = cast(bytes, envelope.content)
        message = message_from_bytes(raw, policy=policy.default)
        mail = Mail(message, envelope.mail_from or "", tuple(envelope.rcpt_tos), raw, self._clock())
        self.messages.append(mail)


class _Session(SMTP):
    """One connection, registered so that it can be closed."""

    def __init__(self, sessions: set["_Session"], hooks: "_Hooks", auth: tuple[str, str] | None) -> None:
        super().__init__(
            hooks,
            hostname="mail.sandbox",
            ident="Casebell sandbox",
            data_size_limit=LARGEST_MAIL,
            enable_SMTPUTF8=True,
            authenticator=_make_authenticator(auth) if auth else None,
            auth_required=False,  # the handler requires it; aiosmtpd would warn about a login without TLS
            auth_require_tls=False,
        )
        self._sessions = sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sessions.discard(self)
        super().connection_lost(error)

    def hang_up(self) -> None:
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()


class _Hooks:
    """aiosmtpd's handler: the answers to the commands."""

    def __init__(self, stand: MailStand) -> None:
        self._stand = stand

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._stand.auth and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return OK

    async def handle_RCPT(  # noqa: N802 - the same
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refused := self._stand.refuse.get(address):
            return f"{refused[0]} {refused[1]}"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return OK

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        if refused := self._stand.refuse_data:
            return f"{refused[0]} {refused[1]}"
        self._stand.accept(envelope)
        return f"250 2.0.0 kept as number {len(self._stand.messages)}"


def _make_authenticator(auth: tuple[str, str]) -> Callable[[SMTP, Session, Envelope, str, object], AuthResult]:
    """An authenticator for aiosmtpd that accepts one login."""
    user, password = (one.encode() for one in auth)

    def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object) -> AuthResult:
        if not isinstance(given, LoginPassword):
            return AuthResult(success=False, handled=False)
        is_right = hmac.compare_digest(given.login, user) & hmac.compare_digest(given.password, password)
        return AuthResult(success=is_right, handled=False)

    return authenticate
