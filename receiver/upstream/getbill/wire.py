"""Getbill's JSON as types (getbill.md, Todos, Debts): a field of a wrong type is a field that is not there.

Serves step 4. Nothing here raises for what a vendor may send, and nothing here knows Casebell's words.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LEGACY = {"blocking_dispute": "debtor_request", "non_blocking_dispute": "ai_detection"}
LEGACY_NAMES = {canonical: legacy for legacy, canonical in LEGACY.items()}
DECIDABLE = frozenset({"debtor_request", "ai_detection"})
TYPES = DECIDABLE | {"agreement"}
TYPE_OF = {
    "portal_dispute": "debtor_request",
    "hardship": "debtor_request",
    "payment_plan": "debtor_request",
    "ai_dispute": "ai_detection",
    "objection": "ai_detection",
}

MOST_TEXT = 20_000
MOST_WORD = 200
MOST_ID = 500
MOST_ROWS = 2_000
MOST_LINK = 2_000
LARGEST = Decimal(10) ** 15

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL takes neither
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)

T = TypeVar("T")


def _or_none(convert: Callable[[Any], T | None]) -> BeforeValidator:
    def lenient(value: Any) -> T | None:
        try:
            return convert(value)
        except (ValueError, TypeError, ArithmeticError):
            return None

    return BeforeValidator(lenient)


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    return _UNSTORABLE.sub("", str(value)[:MOST_TEXT]).strip() or None


def _word(value: Any) -> str | None:
    words = _text(value)
    return " ".join(words.split())[:MOST_WORD] if words else None


def identifier(value: Any) -> str | None:
    """An id as Getbill may write it, string or number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= MOST_ID and text.isprintable() else None


def canonical_type(value: Any) -> str | None:
    """A todo type by its canonical name; an unknown one stays what it is."""
    word = identifier(value)
    return None if word is None else LEGACY.get(word, word)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    number = Decimal(value if not isinstance(value, str) else value.strip()[:40])
    return number if number.is_finite() and abs(number) < LARGEST else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(number)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _instant(value: Any) -> datetime | None:
    """An aware instant in UTC; a naive one is UTC already (getbill.md, Consequences 6)."""
    at = datetime.fromisoformat(value)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _day(value: Any) -> date | None:
    return datetime.fromisoformat(value).date()  # the day where the source says it is


def _currency(value: Any) -> str | None:
    return value.upper() if isinstance(value, str) and _CURRENCY.fullmatch(value) else None


def _link(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MOST_LINK else None


def _rows(value: Any) -> list[Any]:
    """A list as it came; what is no object in it counts as an empty one, and so does all that is too
    much: "every one of them is paid" must not become true by leaving some out."""
    if not isinstance(value, list):
        return []
    rows = [row if isinstance(row, dict) else {} for row in value[:MOST_ROWS]]
    return [*rows, {}] if len(value) > MOST_ROWS else rows


def _object(value: Any) -> dict[Any, Any] | None:
    return value if isinstance(value, dict) else None


Text = Annotated[str | None, _or_none(_text)]
Word = Annotated[str | None, _or_none(_word)]
Id = Annotated[str | None, _or_none(identifier)]
Type = Annotated[str | None, _or_none(canonical_type)]
Number = Annotated[Decimal | None, _or_none(_number)]
Whole = Annotated[int | None, _or_none(_whole)]
Flag = Annotated[bool | None, _or_none(_flag)]
Instant = Annotated[datetime | None, _or_none(_instant)]
Day = Annotated[date | None, _or_none(_day)]
CurrencyCode = Annotated[str | None, _or_none(_currency)]
HttpLink = Annotated[str | None, _or_none(_link)]


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Debt(Wire):
    """A debt, whole or as a todo carries it. What is personal beyond the debtor's name is not even read."""

    id: Id = None
    reference: Word = None
    invoice_reference: Word = None
    internal_id: Word = None
    amount: Number = None
    currency: CurrencyCode = None
    status: Word = None
    company: Word = None
    debtor_company: Word = None
    firstname: Word = None
    lastname: Word = None


class Installment(Wire):
    amount: Number = None
    payment_date: Day = None
    paid_at: Instant = None
    status: Word = None


class ProofFile(Wire):
    filename: Word = None
    url: HttpLink = None


class Todo(Wire):
    id: Id = None
    type: Type = None
    sub_type: Word = None
    status: Word = None
    severity: Word = None
    title: Text = None
    description: Text = None
    theme: Word = None
    detected_content: Text = None
    debtor_message: Text = None
    ai_confidence: Number = None
    collection_paused: Flag = None
    created_at: Instant = None
    debt: Annotated[Debt | None, _or_none(_object)] = None

    is_group: Flag = None
    debt_count: Whole = None
    debts: Annotated[list[Debt], BeforeValidator(_rows)] = Field(default_factory=list)
    total_amount: Number = None
    currency: CurrencyCode = None

    plan_months: Whole = None
    plan_start_date: Day = None
    first_payment_amount: Number = None
    monthly_amount: Number = None
    number_of_installments: Whole = None
    start_date: Day = None
    installments: Annotated[list[Installment], BeforeValidator(_rows)] = Field(default_factory=list)

    employment_status: Word = None
    is_temporary: Flag = None
    expected_recovery_period: Word = None
    check_in_date: Day = None
    check_in_due: Flag = None

    objection_type: Word = None
    source: Word = None
    call_id: Word = None
    admin_notes: Text = None
    audio_url: HttpLink = None
    pdf_url: HttpLink = None
    proof_files: Annotated[list[ProofFile], BeforeValidator(_rows)] = Field(default_factory=list)

    url: HttpLink = None
    web_url: HttpLink = None
    app_url: HttpLink = None
    link: HttpLink = None


class CarriedTodo(Todo):
    """A todo in an event; when it was so tells whether it still counts."""

    updated_at: Instant = None


class Pagination(Wire):
    page: Whole = None
    limit: Whole = None
    total: Whole = None
    pages: Whole = None


class TodoPage(Wire):
    """One page of the list; ``todos`` stay raw so that a list entry and a single todo can be laid over each other."""

    todos: Annotated[list[dict[Any, Any]], BeforeValidator(_rows)] = Field(default_factory=list)
    pagination: Annotated[Pagination, BeforeValidator(lambda value: _object(value) or {})] = Field(
        default_factory=Pagination
    )


class Tally(Wire):
    total: Whole = None
    overdue: Whole = None


OneTally = Annotated[Tally | None, _or_none(_object)]


class Stats(Wire):
    """The statistics; the keys kept for old clients are read when the canonical ones are missing."""

    agreements: OneTally = None
    debtor_requests: OneTally = None
    ai_detections: OneTally = None
    blocking_disputes: OneTally = None
    non_blocking_disputes: OneTally = None
