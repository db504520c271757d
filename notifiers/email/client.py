"""Step 7 for mail: one message to one recipient over SMTP, and what each answer of the server makes us do.

The classes follow contract B4. Before DATA nothing can have been sent; after it, silence may mean either.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from notifiers.email import smtp_errors
from notifiers.email.headers import POLICY
from notifiers.email.smtp_errors import AUTH_CODES, NEEDS_HANDS_S, words
from receiver.errors import ConfigError, DeliveryError, RetryLaterError, UncertainError

PORTS: Final = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
GOODBYE_S: Final = 2.0
OnStop = Callable[[DeliveryError | None], None]


class SmtpClient:
    """A mail server. Each message has a connection of its own: what breaks one breaks no other."""

    def __init__(
        self,
        url: str,
        password: str | None,
        *,
        total_s: float = 30,
        trust: ssl.SSLContext | None = None,
        on_stop: OnStop = lambda _error: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``url``: smtps://, smtp+starttls:// or smtp:// (in clear). ``trust``: not the system's certificates.

        ``on_stop`` hears once when the server refuses the login, and None once when it takes it again.
        """
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ConfigError("email.smtp_url: write smtps://, smtp+starttls:// or smtp://, then user@host:port")
        self._scheme = parts.scheme
        self._host = parts.hostname
        self._port = parts.port or PORTS[parts.scheme]
        self._user = unquote(parts.username) if parts.username else None
        self._password = password or ""
        self._total_s = total_s
        self._trust = trust or ssl.create_default_context()
        self._on_stop = on_stop
        self._now_s = now_s
        self._refused: RetryLaterError | None = None  # the login, until it is taken again
        self._refused_until = 0.0  # by now_s

    @property
    def server(self) -> str:
        return f"{self._host}:{self._port}"

    async def send(self, message: EmailMessage, sender: str, recipient: str) -> None:
        """Hand the message over, within ``total_s`` seconds altogether. Raises DeliveryError."""
        self._hold_back()
        try:
            async with self._errors_by_code():
                await self._send(message.as_bytes(policy=POLICY), sender, recipient)
        except RetryLaterError as error:
            if error.code == "smtp_auth":
                self._stop(error)
            raise
        except DeliveryError:
            self._go_on()  # it spoke to us about this message
            raise
        self._go_on()

    def _hold_back(self) -> None:
        """While the login is refused one message tries it now and then; all at once would lock the account."""
        left_s = self._refused_until - self._now_s()
        if self._refused is not None and left_s > 0:
            raise RetryLaterError(self._refused.code, self._refused.message, left_s)
        if self._refused is not None:
            self._refused_until = self._now_s() + self._total_s  # the others wait for what comes of this one

    def _stop(self, error: RetryLaterError) -> None:
        is_news = self._refused is None
        self._refused, self._refused_until = error, self._now_s() + NEEDS_HANDS_S
        if is_news:
            self._on_stop(error)

    def _go_on(self) -> None:
        if self._refused is not None:
            self._refused = None
            self._on_stop(None)

    async def look(self) -> str:
        """Connect, log in, do nothing; how that went, in a few words. Raises DeliveryError."""
        async with self._errors_by_code(), asyncio.timeout(self._total_s), self._session() as session:
            await session.noop()
            return self._how()

    async def _send(self, raw: bytes, sender: str, recipient: str) -> None:
        is_on_its_way = is_taken = False
        try:
            async with asyncio.timeout(self._total_s), self._session() as session:
                await self._address(session, sender, recipient)
                is_on_its_way = True
                await session.data(raw)
                is_taken = True
        except aiosmtplib.SMTPDataError as error:
            raise smtp_errors.of_message(error) from error
        except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
            if is_taken:
                return  # it was the goodbye that took too long
            if is_on_its_way:
                raise UncertainError("smtp_no_answer", f"{self.server} did not say whether it took it") from error
            raise

    async def _address(self, session: aiosmtplib.SMTP, sender: str, recipient: str) -> None:
        try:
            await session.mail(sender)
        except aiosmtplib.SMTPSenderRefused as error:
            if error.code in AUTH_CODES or error.code < smtp_errors.FOR_GOOD:
                raise
            # true of every message until the configuration changes, so it must not cost this one its life
            raise RetryLaterError("sender_refused", words(error), NEEDS_HANDS_S) from error
        try:
            await session.rcpt(recipient)
        except aiosmtplib.SMTPRecipientRefused as error:
            if error.code in AUTH_CODES:
                raise
            raise smtp_errors.of_recipient(error) from error

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Connected, encrypted as asked, logged in. start_tls=True: a server without it gets nothing (contract B4)."""
        session = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=self._total_s,
            use_tls=self._scheme == "smtps",
            start_tls=self._scheme == "smtp+starttls",
            tls_context=self._trust,
        )
        try:
            await session.connect()
            if self._user is not None:
                await self._log_in(session, self._user)
            yield session
            await _say_goodbye(session)
        finally:
            session.close()

    async def _log_in(self, session: aiosmtplib.SMTP, user: str) -> None:
        await session.ehlo()
        if not session.supports_extension("auth"):
            raise RetryLaterError("smtp_auth", f"{self.server} offers no login on this connection", NEEDS_HANDS_S)
        try:
            await session.login(user, self._password)
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError):
            raise
        except aiosmtplib.SMTPException as error:  # refused, or no way of logging in that both know
            raise smtp_errors.of_login(error) from error

    @asynccontextmanager
    async def _errors_by_code(self) -> AsyncIterator[None]:
        """What is left when nothing was sent yet: everything but a refused login is worth another try."""
        try:
            yield
        except DeliveryError:
            raise
        except aiosmtplib.SMTPResponseException as error:
            if error.code in AUTH_CODES:
                raise RetryLaterError("smtp_auth", words(error), NEEDS_HANDS_S) from error
            raise RetryLaterError("smtp_later", words(error)) from error
        except ssl.SSLError as error:
            raise RetryLaterError("smtp_tls", f"{self.server}: {error.reason or error}", NEEDS_HANDS_S) from error
        except (TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        except aiosmtplib.SMTPException as error:
            raise RetryLaterError("smtp_tls", f"{self.server}: {smtp_errors.cut(str(error))}", NEEDS_HANDS_S) from error

    def _unreachable(self, error: Exception) -> RetryLaterError:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError):
            return RetryLaterError("smtp_tls", f"{self.server}: {cause.reason or cause}", NEEDS_HANDS_S)
        what = "did not answer in time" if isinstance(error, TimeoutError) else "could not be reached"
        return RetryLaterError("smtp_unreachable", f"{self.server} {what}")

    def _how(self) -> str:
        safety = {"smtps": "TLS", "smtp+starttls": "STARTTLS", "smtp": "in clear"}[self._scheme]
        return f"{self.server}, {safety}, {'as ' + self._user if self._user else 'without a login'}"


async def _say_goodbye(session: aiosmtplib.SMTP) -> None:
    """The message is theirs by now; a server that hangs up without a word changes nothing."""
    try:
        await session.quit(timeout=GOODBYE_S)
    except (aiosmtplib.SMTPException, TimeoutError, OSError):
        return
