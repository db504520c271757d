"""A mail server that answers as a test wants it to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from notifiers.email.client import SmtpClient

SENDER = "Casebell <casebell@creditor.example>"


PASSWORD = "correct horse"


HANG, HANG_UP = "hang", "hang up"


@dataclass
class Mailbox:
    """A server that takes everything, but for what ``answers`` says: command -> answer, or HANG, or HANG_UP."""

    answers: dict[str, str] = field(default_factory=dict)
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's own name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return await self._answer("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802 - the same
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = await self._answer("RCPT", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        assert isinstance(envelope.content, bytes)
        answer = await self._answer("DATA", "250 OK")
        if answer == HANG_UP:
            assert server.transport is not None
            server.transport.close()
            return "250 OK"
        if answer.startswith("250"):
            self.taken.append(message_from_bytes(envelope.content, policy=default))
            self.recipients.append(list(envelope.rcpt_tos))
            self.was_encrypted.append(session.ssl is not None)
        return answer

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - the same
        return await self._answer("QUIT", "221 Bye")

    def log_in(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    async def _answer(self, command: str, usual: str) -> str:
        answer = self.answers.get(command, usual)
        if answer == HANG:
            await asyncio.Event().wait()
        return answer


@asynccontextmanager
async def mail_server(mailbox: Mailbox, *, tls: ssl.SSLContext | None = None, **more: Any) -> AsyncIterator[Mailbox]:
    """``mailbox`` listens on a port of its own; ``tls``: from the first byte; ``more``: aiosmtpd's own options."""
    loop = asyncio.get_running_loop()
    talks: list[SMTP] = []

    def talk() -> SMTP:
        talks.append(SMTP(mailbox, hostname="mail.test", loop=loop, **more))
        return talks[-1]

    server = await loop.create_server(talk, "127.0.0.1", 0, ssl=tls)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        for one in talks:
            if one.transport is not None:
                one.transport.close()
            if one._handler_coroutine is not None:
                one._handler_coroutine.cancel()
        await asyncio.gather(
            *(one._handler_coroutine for one in talks if one._handler_coroutine), return_exceptions=True
        )


def client(mailbox: Mailbox, **more: Any) -> SmtpClient:
    return SmtpClient(f"smtp://127.0.0.1:{mailbox.port}", None, **{"total_s": 5, **more})
