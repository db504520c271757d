"""Debitura's JSON as types (debitura.md, sections 2 to 7): a field of a wrong type is a field that is not there.

Serves step 4. Nothing here raises for what a vendor may send, and what is personal beyond a name is not even read.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic.alias_generators import to_camel

PARTNER, CREDITOR, MANAGED_BY_PARTNER = 0, 1, 2  # ChatRole

MOST_TEXT = 20_000
MOST_WORD = 200
MOST_LINK = 2_000
MOST_ROWS = 10_000
LARGEST = Decimal(10) ** 15
YEARS = range(1970, 3000)  # .NET writes years 1 and 9999 for "no date"

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL takes neither
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)

T = TypeVar("T")


def _or_none(convert: Callable[[Any], T | None]) -> BeforeValidator:
    def lenient(value: Any) -> T | None:
        try:
            return convert(value)
        except (ValueError, TypeError, ArithmeticError, AttributeError):
            return None

    return BeforeValidator(lenient)


def text(value: Any) -> str | None:
    """``value`` stripped, with Debitura's line ends as ours (section 5); None when there is nothing in it."""
    if not isinstance(value, str):
        return None
    return _UNSTORABLE.sub("", value[:MOST_TEXT].replace("\r\n", "\n")).strip() or None


def word(value: Any) -> str | None:
    """``value`` on one line; None when there is nothing in it."""
    words = text(value)
    return " ".join(words.split())[:MOST_WORD] if words else None


def uuid(value: Any) -> str | None:
    """``value`` as a lower-case UUID with hyphens; None for anything else."""
    lower = value.strip().lower() if isinstance(value, str) else ""
    return lower if _UUID.fullmatch(lower) else None


def identifier(value: Any) -> str | None:
    """A task's id: a UUID by the specification, and any printable word if that ever changes."""
    found = uuid(value) or (value if isinstance(value, str) else None)
    return found if found and len(found) <= MOST_WORD and found.isascii() and found.isprintable() else None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    number = Decimal(str(value).strip()[:40])
    return number if number.is_finite() and abs(number) < LARGEST else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _instant(value: Any) -> datetime | None:
    """An aware instant in UTC; Debitura writes some without a zone, and they are UTC (section 2)."""
    at = datetime.fromisoformat(value.strip())
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at if at.year in YEARS else None


def _currency(value: Any) -> str | None:
    return value.upper() if isinstance(value, str) and _CURRENCY.fullmatch(value) else None


def _link(value: Any) -> str | None:
    found = text(value)
    return found if found and len(found) <= MOST_LINK else None


def _object(value: Any) -> dict[Any, Any] | None:
    return value if isinstance(value, dict) else None


def objects_in(value: Any) -> list[dict[Any, Any]]:
    """The objects in a list; what is none counts as an empty one, so that it is not overlooked."""
    if not isinstance(value, list):
        return []
    return [row if isinstance(row, dict) else {} for row in value[:MOST_ROWS]]


Text = Annotated[str | None, _or_none(text)]
Word = Annotated[str | None, _or_none(word)]
Id = Annotated[str | None, _or_none(identifier)]
Uuid = Annotated[str | None, _or_none(uuid)]
Number = Annotated[Decimal | None, _or_none(_number)]
Whole = Annotated[int | None, _or_none(_whole)]
Flag = Annotated[bool | None, _or_none(_flag)]
Instant = Annotated[datetime | None, _or_none(_instant)]
CurrencyCode = Annotated[str | None, _or_none(_currency)]
Link = Annotated[str | None, _or_none(_link)]


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Action(Wire):
    """How the API itself resolves a task; ``path`` holds the case's id or the place for it (section 4)."""

    method: Word = None
    path: Word = None


class Task(Wire):
    id: Id = None
    type: Word = None
    case_id: Uuid = None
    type_label: Word = None
    title: Text = None
    description: Text = None
    status: Word = None
    case_reference: Word = None
    deadline: Instant = None
    date_created: Instant = None
    date_solved: Instant = None
    solution_url: Link = None
    action: Annotated[Action | None, _or_none(_object)] = None


class Page(Wire):
    """Where a page stands in its list. A total that is missing or negative is unknown."""

    total_results: Whole = None
    current_page: Whole = None
    total_pages: Whole = None


class Listing(Wire):
    """One page with its rows, raw; an older page of the documentation calls ``page`` ``pageData`` (section 3)."""

    page: Annotated[Page, BeforeValidator(lambda value: _object(value) or {})] = Field(
        default_factory=Page, validation_alias=AliasChoices("page", "pageData")
    )
    rows: Annotated[list[dict[Any, Any]], PlainValidator(objects_in)] = Field(
        default_factory=list, validation_alias=AliasChoices("tasks", "users", "cases")
    )


class Named(Wire):
    """A debtor or a partner, of whom nothing but the name is read."""

    name: Word = None


class Case(Wire):
    id: Uuid = None
    reference: Word = None
    creditor_reference: Word = None
    gross_amount: Number = None
    remainder: Number = None
    currency: CurrencyCode = None
    lifecycle: Word = None
    close_code: Word = None
    dispute_status: Word = None
    is_test_case: Flag = None
    debtor: Annotated[Named | None, _or_none(_object)] = None
    collection_partner: Annotated[Named | None, _or_none(_object)] = None


class Author(Wire):
    first_name: Word = None
    last_name: Word = None
    email: Word = None


class Chat(Wire):
    date_created: Instant = None
    role: Whole = None
    role_label: Word = None
    message: Text = None
    user: Annotated[Author | None, _or_none(_object)] = None


class User(Wire):
    name: Word = None
    email: Word = None


class Profile(Wire):
    """The creditor a key belongs to (GET /me)."""

    company_name: Word = None


class Subscription(Wire):
    """A webhook subscription (section 9)."""

    id: Id = None
    url: Link = None
    is_active: Flag = None
    disabled_reason: Word = None
