"""Tolerant types for the JSON of a source: a value that cannot be read is a value that is not there.

Serves step 4 in both sources. Nothing here raises for what a vendor may send, and nothing here does I/O.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

from receiver.domain.money import is_too_fine
from receiver.domain.words import fold, trim

MOST_TEXT = 20_000
MOST_WORD = 200
MOST_LINK = 2_000
MOST_FIGURES = 40
LARGEST = Decimal(10) ** 15

# Outside of these no date is meant: .NET's "no date" is year 1, SQL Server's 1 January 1900, an open end year 9999.
FIRST_DAY, LAST_DAY = date(1900, 1, 2), date(2999, 12, 31)
EPOCH_DAY = date(1970, 1, 1)  # Unix time zero

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL takes neither
_CURRENCY = re.compile(r"(?!XXX)[A-Z]{3}", re.ASCII)  # ISO 4217: XXX stands for no currency
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

T = TypeVar("T")


def or_none(convert: Callable[[Any], T | None]) -> BeforeValidator:
    """A validator that answers None where ``convert`` raises."""

    def lenient(value: Any) -> T | None:
        try:
            return convert(value)
        except (ValueError, TypeError, ArithmeticError, AttributeError):
            return None

    return BeforeValidator(lenient)


def text(value: Any) -> str | None:
    """Text or a number as text, trimmed, with one kind of line end; None when there is nothing in it."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    return trim(_UNSTORABLE.sub("", str(value)[:MOST_TEXT].replace("\r\n", "\n"))) or None


def word(value: Any) -> str | None:
    """The same on one line."""
    words = text(value)
    return " ".join(words.split())[:MOST_WORD] if words else None


def code(value: Any) -> str | None:
    """A word that decides and is shown to nobody as it came: folded, so that it is compared with ``==``."""
    return fold(word(value)) or None


def one_of(known: Iterable[str]) -> Callable[[Any], str | None]:
    """Reads a word of ``known`` in any case as it is spelled there, and any other word as it came."""
    spelled = {fold(name): name for name in known}

    def read(value: Any) -> str | None:
        found = word(value)
        return None if found is None else spelled.get(fold(found), found)

    return read


def number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    written = trim(str(value))
    if len(written) > MOST_FIGURES:
        return None  # cut, it might be another number
    found = Decimal(written) or Decimal()  # zero has no sign
    return found if found.is_finite() and abs(found) < LARGEST and not is_too_fine(found) else None


def whole(value: Any) -> int | None:
    found = number(value)
    return None if found is None else round(found)


def flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else _FLAGS.get(code(value) or "")


def instant(value: Any) -> datetime | None:
    """An aware instant in UTC; a time without a zone is UTC already (getbill.md, debitura.md)."""
    return _in_utc(_written(value))


def day(value: Any) -> date | None:
    """The day where the source says it is."""
    return _written(value).date()


def currency(value: Any) -> str | None:
    letters = (code(value) or "").upper()
    return letters if _CURRENCY.fullmatch(letters) else None


def link(value: Any) -> str | None:
    found = text(value) if isinstance(value, str) else None
    return found if found and len(found) <= MOST_LINK else None


def json_object(value: Any) -> dict[Any, Any] | None:
    return value if isinstance(value, dict) else None


def json_objects(value: Any, most: int) -> list[dict[Any, Any]]:
    """The objects in a list. What is none counts as an empty one, and so does all beyond ``most``: "every one of them
    is paid" must not become true by leaving some out."""
    if not isinstance(value, list):
        return []
    rows = [row if isinstance(row, dict) else {} for row in value[:most]]
    return [*rows, {}] if len(value) > most else rows


def _written(value: Any) -> datetime:
    """A date as it was written. Raises ValueError for one that stands for "no date", in whatever zone."""
    at = datetime.fromisoformat(trim(value).upper())
    for found in (at.date(), _in_utc(at).date()):
        if found == EPOCH_DAY or not FIRST_DAY <= found <= LAST_DAY:
            raise ValueError("stands for no date")
    return at


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


Text = Annotated[str | None, or_none(text)]
Word = Annotated[str | None, or_none(word)]
Code = Annotated[str | None, or_none(code)]
Number = Annotated[Decimal | None, or_none(number)]
Whole = Annotated[int | None, or_none(whole)]
Flag = Annotated[bool | None, or_none(flag)]
Instant = Annotated[datetime | None, or_none(instant)]
Day = Annotated[date | None, or_none(day)]
CurrencyCode = Annotated[str | None, or_none(currency)]
Link = Annotated[str | None, or_none(link)]
