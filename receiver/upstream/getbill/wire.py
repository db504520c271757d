"""Getbill's JSON as types: a field of a wrong type becomes None. docs/vendors/getbill.md

Nothing here raises for what a vendor may send, and nothing here knows Casebell's terms.
"""

from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from receiver.upstream.lenient import (
    Code,
    CurrencyCode,
    Day,
    Flag,
    Instant,
    Integer,
    Link,
    Number,
    Text,
    Word,
    code,
    json_object,
    json_objects,
    one_of,
    or_none,
)

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

MAX_ID = 500
MAX_ROWS = 2_000

_CANONICAL = {name: name for name in TYPES} | LEGACY


def identifier(value: Any) -> str | None:
    """An id, which Getbill may write as string or number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= MAX_ID and text.isprintable() else None


def canonical_type(value: Any) -> str | None:
    """The current name of a todo's type; an unknown type unchanged."""
    return _CANONICAL.get(code(value) or "") or identifier(value)


Id = Annotated[str | None, or_none(identifier)]
Type = Annotated[str | None, or_none(canonical_type)]
SubType = Annotated[str | None, or_none(one_of(TYPE_OF))]
Rows = BeforeValidator(partial(json_objects, limit=MAX_ROWS))


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Debt(Wire):
    """A debt, complete or as part of a todo. Personal data beyond the debtor's name is not parsed."""

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
    status: Code = None


class ProofFile(Wire):
    filename: Word = None
    url: Link = None


class Todo(Wire):
    id: Id = None
    type: Type = None
    sub_type: SubType = None
    status: Code = None
    severity: Code = None
    title: Text = None
    description: Text = None
    theme: Word = None
    detected_content: Text = None
    debtor_message: Text = None
    ai_confidence: Number = None
    collection_paused: Flag = None
    created_at: Instant = None
    debt: Annotated[Debt | None, or_none(json_object)] = None

    is_group: Flag = None
    debt_count: Integer = None
    debts: Annotated[list[Debt], Rows] = Field(default_factory=list)
    total_amount: Number = None
    currency: CurrencyCode = None

    plan_months: Integer = None
    plan_start_date: Day = None
    first_payment_amount: Number = None
    monthly_amount: Number = None
    number_of_installments: Integer = None
    start_date: Day = None
    installments: Annotated[list[Installment], Rows] = Field(default_factory=list)

    employment_status: Word = None
    is_temporary: Flag = None
    expected_recovery_period: Word = None
    check_in_date: Day = None
    check_in_due: Flag = None

    objection_type: Word = None
    source: Word = None
    call_id: Word = None
    admin_notes: Text = None
    audio_url: Link = None
    pdf_url: Link = None
    proof_files: Annotated[list[ProofFile], Rows] = Field(default_factory=list)

    url: Link = None
    web_url: Link = None
    app_url: Link = None
    link: Link = None


class EventTodo(Todo):
    """A todo in an event, with the time of its last change."""

    updated_at: Instant = None


class Pagination(Wire):
    page: Integer = None
    limit: Integer = None
    total: Integer = None
    pages: Integer = None


class TodoPage(Wire):
    """One page of the list. ``todos`` stay raw, so that a list entry and a single todo can be merged."""

    todos: Annotated[list[dict[Any, Any]], Rows] = Field(default_factory=list)
    pagination: Annotated[Pagination, BeforeValidator(lambda value: json_object(value) or {})] = Field(
        default_factory=Pagination
    )


class Tally(Wire):
    total: Integer = None
    overdue: Integer = None


OneTally = Annotated[Tally | None, or_none(json_object)]


class Stats(Wire):
    """The statistics, with the current and the old names of the types."""

    agreements: OneTally = None
    debtor_requests: OneTally = None
    ai_detections: OneTally = None
    blocking_disputes: OneTally = None
    non_blocking_disputes: OneTally = None
