"""Step 7 for mail: what an answer of the server says of the message, of the address, of us (contract B4). Pure."""

import re
from typing import Final

import aiosmtplib

from receiver.errors import DeliveryError, PermanentError, RetryLaterError

FOR_GOOD: Final = 500  # SMTP's own border
NEEDS_HANDS_S: Final = 900.0  # nothing gets better until somebody changes the configuration
AUTH_CODES: Final = frozenset({530, 534, 535, 538})
FULL: Final = 552  # a full mailbox; of a recipient no more than 452 (RFC 5321, 4.5.3.1.10)
_ENHANCED: Final = re.compile(r"(?<![\d.])5\.(\d{1,3})\.(\d{1,3})(?![\d.])")  # RFC 3463
_OF_AN_ADDRESS: Final = frozenset({550, 551, 553, 556})  # RFC 5321 and 7504, where no enhanced code says more
_SENDERS_OWN: Final = frozenset({7, 8})  # 5.1.7 and 5.1.8 speak of the sender's address
_GONE: Final = frozenset({0, 1, 6})  # 5.2.x: disabled or moved; the others speak of a full mailbox or of this message
_NOWHERE: Final = frozenset({1, 4})  # 5.4.1, Exchange's word for an unknown mailbox, and 5.4.4, a domain without a host


def of_login(error: aiosmtplib.SMTPException) -> DeliveryError:
    """The login failed: for now, or until somebody sees to it."""
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code < FOR_GOOD:
        return RetryLaterError("smtp_later", words(error))
    return RetryLaterError("smtp_auth", words(error), NEEDS_HANDS_S)


def of_recipient(error: aiosmtplib.SMTPRecipientRefused) -> DeliveryError:
    """``recipient_refused`` is held against the address; what speaks of policy or of us is not."""
    is_full = error.code == FULL or _subject(error) == (2, 2)
    if error.code < FOR_GOOD or is_full:
        return RetryLaterError("smtp_later", words(error), reach="item")  # such as greylisting
    return PermanentError("recipient_refused" if _is_about_address(error) else "not_by_policy", words(error))


def of_message(error: aiosmtplib.SMTPDataError) -> DeliveryError:
    """The server refused the message itself, so it surely does not have it."""
    if error.code in AUTH_CODES:
        return RetryLaterError("smtp_auth", words(error), NEEDS_HANDS_S)
    if error.code < FOR_GOOD:
        return RetryLaterError("smtp_later", words(error), reach="item")
    if _subject(error) and _is_about_address(error):  # some look at the address only now
        return PermanentError("recipient_refused", words(error))
    return PermanentError("message_refused", words(error))


def words(error: aiosmtplib.SMTPException) -> str:
    """The server's own, for people, on one line."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {cut(error.message)}"
    return cut(str(error))


def cut(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _is_about_address(error: aiosmtplib.SMTPResponseException) -> bool:
    """Whether no other mail would reach this recipient either, whoever sends it."""
    match _subject(error):
        case (1, detail):
            return detail not in _SENDERS_OWN
        case (2, detail):
            return detail in _GONE
        case (4, detail):
            return detail in _NOWHERE
        case None:
            return error.code in _OF_AN_ADDRESS and "relay" not in error.message.lower()
        case _:
            return False


def _subject(error: aiosmtplib.SMTPResponseException) -> tuple[int, int] | None:
    """Subject and detail of a permanent enhanced code."""
    found = _ENHANCED.search(error.message)
    return (int(found[1]), int(found[2])) if found else None
