"""Tolerant types for the JSON of a source: a value that cannot be parsed becomes None.

Nothing here raises for what a vendor may send, and nothing here does I/O.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

from receiver.domain.money import is_too_fine
from receiver.domain.words import fold, trim

MAX_TEXT = 20_000
MAX_WORD = 200
MAX_LINK = 2_000
MAX_DIGITS = 40
MAX_NUMBER = Decimal(10) ** 15

# Dates outside this range are placeholders: .NET's year 1, SQL Server's 1 January 1900, an open end in year 9999.
FIRST_DAY, LAST_DAY = date(1900, 1, 2), date(2999, 12, 31)
EPOCH_DAY = date(1970, 1, 1)  # Unix time zero

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL stores neither
_CURRENCY = re.compile(r"(?!XXX)[A-Z]{3}", re.ASCII)  # ISO 4217: XXX stands for no currency
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

T = TypeVar("T")


def or_none(convert: Callable[[Any], T | None]) -> BeforeValidator:
    """Return a validator that yields None where ``convert`` raises."""

    def lenient(value: Any) -> T | None:
        try:
            return convert(value)
        except (ValueError, TypeError, ArithmeticError, AttributeError):
            return None

    return BeforeValidator(lenient)


def text(value: Any) -> str | None:
    """Text or a number as text, trimmed, with normalized line ends; None when empty."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    return trim(_UNSTORABLE.sub("", str(value)[:MAX_TEXT].replace("\r\n", "\n"))) or None


def word(value: Any) -> str | None:
    """``text`` on one line, cut to MAX_WORD characters."""
    lines = text(value)
    return " ".join(lines.split())[:MAX_WORD] if lines else None


def code(value: Any) -> str | None:
    """A case-folded code for comparisons; never shown to a person."""
    return fold(word(value)) or None


def one_of(known: Iterable[str]) -> Callable[[Any], str | None]:
    """Return a parser that maps a name of ``known`` to its canonical spelling and keeps any other text."""
    canonical = {fold(name): name for name in known}

    def read(value: Any) -> str | None:
        line = word(value)
        return None if line is None else canonical.get(fold(line), line)

    return read


def number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    digits = trim(str(value))
    if len(digits) > MAX_DIGITS:
        return None  # a truncated number would be a different one
    parsed = Decimal(digits) or Decimal()  # no negative zero
    return parsed if parsed.is_finite() and abs(parsed) < MAX_NUMBER and not is_too_fine(parsed) else None


def integer(value: Any) -> int | None:
    parsed = number(value)
    return None if parsed is None else round(parsed)


def flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else _FLAGS.get(code(value) or "")


def instant(value: Any) -> datetime | None:
    """An aware time in UTC. A time without a zone is UTC.

    docs/vendors/getbill.md#times-and-numbers, docs/vendors/debitura.md#times-and-numbers
    """
    return _in_utc(_parse_date(value))


def day(value: Any) -> date | None:
    """The calendar day in the source's own zone."""
    return _parse_date(value).date()


def currency(value: Any) -> str | None:
    letters = (code(value) or "").upper()
    return letters if _CURRENCY.fullmatch(letters) else None


def link(value: Any) -> str | None:
    url = text(value) if isinstance(value, str) else None
    return url if url and len(url) <= MAX_LINK else None


def json_object(value: Any) -> dict[Any, Any] | None:
    return value if isinstance(value, dict) else None


def json_objects(value: Any, limit: int) -> list[dict[Any, Any]]:
    """The objects in a list, at most ``limit`` of them.

    A member that is not an object, and the rest of a longer list, count as an empty object: "every instalment is paid"
    must not become true by dropping some.
    """
    if not isinstance(value, list):
        return []
    rows = [row if isinstance(row, dict) else {} for row in value[:limit]]
    return [*rows, {}] if len(value) > limit else rows


def _parse_date(value: Any) -> datetime:
    """Parse an ISO 8601 date or time. Raises ValueError for a placeholder date, in its own zone or in UTC."""
    at = datetime.fromisoformat(trim(value).upper())
    for on in (at.date(), _in_utc(at).date()):
        if on == EPOCH_DAY or not FIRST_DAY <= on <= LAST_DAY:
            raise ValueError("placeholder date")
    return at


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


Text = Annotated[str | None, or_none(text)]
Word = Annotated[str | None, or_none(word)]
Code = Annotated[str | None, or_none(code)]
Number = Annotated[Decimal | None, or_none(number)]
Integer = Annotated[int | None, or_none(integer)]
Flag = Annotated[bool | None, or_none(flag)]
Instant = Annotated[datetime | None, or_none(instant)]
Day = Annotated[date | None, or_none(day)]
CurrencyCode = Annotated[str | None, or_none(currency)]
Link = Annotated[str | None, or_none(link)]
