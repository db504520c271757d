"""Turns SMTP answers into errors by what they refuse: docs/vendors/mail.md#smtp-answers. Pure.

An answer is about this message, the recipient's address, or Casebell's configuration; only the second suppresses an
address.
"""

import re
from typing import Final

import aiosmtplib

from receiver.errors import DeliveryError, PermanentError, RetryLaterError

MIN_PERMANENT: Final = 500
CONFIG_RETRY_S: Final = 900.0  # seconds between tries while only a change of the configuration can help
AUTH_CODES: Final = frozenset({530, 534, 535, 538})
MAX_TEXT: Final = 200
_MAILBOX_FULL: Final = 552  # RFC 5321, 4.5.3.1.10: in answer to a recipient, the same as 452
_ENHANCED: Final = re.compile(r"(?<![\d.])5\.(\d{1,3})\.(\d{1,3})(?![\d.])")  # RFC 3463
_ADDRESS_CODES: Final = frozenset({550, 551, 553, 556})  # RFC 5321 and 7504, in an answer without an enhanced code
_SENDER_DETAILS: Final = frozenset({7, 8})  # 5.1.7 and 5.1.8 are about the sender's address
_MAILBOX_DETAILS: Final = frozenset({0, 1, 6})  # 5.2.x: disabled or moved; others are a full mailbox or this message
_ROUTING_DETAILS: Final = frozenset({1, 4})  # 5.4.1: Exchange's unknown mailbox; 5.4.4: a domain without a host


def login_error(error: aiosmtplib.SMTPException) -> DeliveryError:
    """A temporary refusal, or one that lasts until the credentials change."""
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code < MIN_PERMANENT:
        return RetryLaterError("smtp_later", describe(error))
    return RetryLaterError("smtp_auth", describe(error), CONFIG_RETRY_S)


def recipient_error(error: aiosmtplib.SMTPRecipientRefused) -> DeliveryError:
    """``recipient_refused`` suppresses the address; ``not_by_policy`` (policy, relaying, the sender) does not."""
    is_full = error.code == _MAILBOX_FULL or _enhanced_code(error) == (2, 2)
    if error.code < MIN_PERMANENT or is_full:
        return RetryLaterError("smtp_later", describe(error), scope="item")  # such as greylisting
    return PermanentError("recipient_refused" if _is_about_address(error) else "not_by_policy", describe(error))


def message_error(error: aiosmtplib.SMTPDataError) -> DeliveryError:
    """The server refused the message after DATA, so it was not delivered."""
    if error.code in AUTH_CODES:
        return RetryLaterError("smtp_auth", describe(error), CONFIG_RETRY_S)
    if error.code < MIN_PERMANENT:
        return RetryLaterError("smtp_later", describe(error), scope="item")
    if _enhanced_code(error) and _is_about_address(error):  # some servers check the recipient only now
        return PermanentError("recipient_refused", describe(error))
    return PermanentError("message_refused", describe(error))


def describe(error: aiosmtplib.SMTPException) -> str:
    """The server's answer on one line, at most 200 characters and the code."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {shorten(error.message)}"
    return shorten(str(error))


def shorten(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_TEXT]


def _is_about_address(error: aiosmtplib.SMTPResponseException) -> bool:
    """Whether the server would refuse any mail to this recipient, from any sender."""
    match _enhanced_code(error):
        case (1, detail):
            return detail not in _SENDER_DETAILS
        case (2, detail):
            return detail in _MAILBOX_DETAILS
        case (4, detail):
            return detail in _ROUTING_DETAILS
        case None:
            return error.code in _ADDRESS_CODES and "relay" not in error.message.lower()
        case _:
            return False


def _enhanced_code(error: aiosmtplib.SMTPResponseException) -> tuple[int, int] | None:
    """Subject and detail of a permanent enhanced status code; None without one."""
    match = _ENHANCED.search(error.message)
    return (int(match[1]), int(match[2])) if match else None
