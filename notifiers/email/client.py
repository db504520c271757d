"""Sends one message to one recipient over SMTP, and turns every failure into a DeliveryError.

Before the server accepts DATA a failure means that nothing was sent; after it, no answer means that the outcome is
unknown: docs/vendors/mail.md#smtp
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
from notifiers.email.smtp_errors import AUTH_CODES, CONFIG_RETRY_S, describe
from receiver.errors import ConfigError, DeliveryError, RetryLaterError, UncertainError

PORTS: Final = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
QUIT_S: Final = 2.0
OnStop = Callable[[DeliveryError | None], None]


class SmtpClient:
    """A mail server. Each message has a connection of its own, so one failure affects one message."""

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
        """``url``: smtps://, smtp+starttls:// or smtp:// (no TLS). ``total_s``: seconds for one message.

        ``trust`` replaces the system's certificates. ``on_stop`` is called with the error when the server first refuses
        the login, and with None when it accepts it again. Raises ConfigError for another ``url``.
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
        self._login_error: RetryLaterError | None = None  # until the server accepts the login again
        self._paused_until = 0.0  # by now_s

    @property
    def server(self) -> str:
        """host:port."""
        return f"{self._host}:{self._port}"

    async def send(self, message: EmailMessage, sender: str, recipient: str) -> None:
        """Send the message within ``total_s`` seconds. Raises DeliveryError."""
        self._check_pause()
        try:
            async with self._errors_by_code():
                await self._send(message.as_bytes(policy=POLICY), sender, recipient)
        except RetryLaterError as error:
            if error.code == "smtp_auth":
                self._pause(error)
            raise
        except DeliveryError:
            self._resume()  # the refusal concerns this message, so the login worked
            raise
        self._resume()

    def _check_pause(self) -> None:
        """Let one message at a time try a refused login, because many tries could lock the account.

        Raises RetryLaterError for the other messages.
        """
        left_s = self._paused_until - self._now_s()
        if self._login_error is not None and left_s > 0:
            raise RetryLaterError(self._login_error.code, self._login_error.message, left_s)
        if self._login_error is not None:
            self._paused_until = self._now_s() + self._total_s  # one message tries now, the others wait for its result

    def _pause(self, error: RetryLaterError) -> None:
        is_first = self._login_error is None
        self._login_error, self._paused_until = error, self._now_s() + CONFIG_RETRY_S
        if is_first:
            self._on_stop(error)

    def _resume(self) -> None:
        if self._login_error is not None:
            self._login_error = None
            self._on_stop(None)

    async def check(self) -> str:
        """Connect, log in and send NOOP; returns server, encryption and user in words. Raises DeliveryError."""
        async with self._errors_by_code(), asyncio.timeout(self._total_s), self._session() as session:
            await session.noop()
            return self._describe()

    async def _send(self, raw: bytes, sender: str, recipient: str) -> None:
        is_sending = is_accepted = False
        try:
            async with asyncio.timeout(self._total_s), self._session() as session:
                await self._set_envelope(session, sender, recipient)
                is_sending = True
                await session.data(raw)
                is_accepted = True
        except aiosmtplib.SMTPDataError as error:
            raise smtp_errors.message_error(error) from error
        except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
            if is_accepted:
                return  # only QUIT failed
            if is_sending:
                raise UncertainError("smtp_no_answer", f"{self.server} did not confirm the message") from error
            raise

    async def _set_envelope(self, session: aiosmtplib.SMTP, sender: str, recipient: str) -> None:
        try:
            await session.mail(sender)
        except aiosmtplib.SMTPSenderRefused as error:
            if error.code in AUTH_CODES or error.code < smtp_errors.MIN_PERMANENT:
                raise
            # every message fails until the configuration changes, so no message may become dead because of it
            raise RetryLaterError("sender_refused", describe(error), CONFIG_RETRY_S) from error
        try:
            await session.rcpt(recipient)
        except aiosmtplib.SMTPRecipientRefused as error:
            if error.code in AUTH_CODES:
                raise
            raise smtp_errors.recipient_error(error) from error

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A session that is encrypted as configured and logged in.

        With start_tls=True a server without STARTTLS gets nothing: docs/vendors/mail.md#encryption
        """
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
            await _quit(session)
        finally:
            session.close()

    async def _log_in(self, session: aiosmtplib.SMTP, user: str) -> None:
        await session.ehlo()
        if not session.supports_extension("auth"):
            raise RetryLaterError("smtp_auth", f"{self.server} offers no login on this connection", CONFIG_RETRY_S)
        try:
            await session.login(user, self._password)
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError):
            raise
        except aiosmtplib.SMTPException as error:  # refused, or no method that both support
            raise smtp_errors.login_error(error) from error

    @asynccontextmanager
    async def _errors_by_code(self) -> AsyncIterator[None]:
        """Turn the failures of a message that was not sent into errors; every one of them is retried."""
        try:
            yield
        except DeliveryError:
            raise
        except aiosmtplib.SMTPResponseException as error:
            if error.code in AUTH_CODES:
                raise RetryLaterError("smtp_auth", describe(error), CONFIG_RETRY_S) from error
            raise RetryLaterError("smtp_later", describe(error)) from error
        except ssl.SSLError as error:
            raise RetryLaterError("smtp_tls", f"{self.server}: {error.reason or error}", CONFIG_RETRY_S) from error
        except (TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        except aiosmtplib.SMTPException as error:
            raise RetryLaterError(
                "smtp_tls", f"{self.server}: {smtp_errors.shorten(str(error))}", CONFIG_RETRY_S
            ) from error

    def _unreachable(self, error: Exception) -> RetryLaterError:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError):
            return RetryLaterError("smtp_tls", f"{self.server}: {cause.reason or cause}", CONFIG_RETRY_S)
        what = "did not answer in time" if isinstance(error, TimeoutError) else "could not be reached"
        return RetryLaterError("smtp_unreachable", f"{self.server} {what}")

    def _describe(self) -> str:
        encryption = {"smtps": "TLS", "smtp+starttls": "STARTTLS", "smtp": "in clear"}[self._scheme]
        return f"{self.server}, {encryption}, {'as ' + self._user if self._user else 'without a login'}"


async def _quit(session: aiosmtplib.SMTP) -> None:
    """End the session; a failure changes nothing, because the server has the message."""
    try:
        await session.quit(timeout=QUIT_S)
    except (aiosmtplib.SMTPException, TimeoutError, OSError):
        return
