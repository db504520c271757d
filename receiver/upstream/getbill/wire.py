"""Getbill's JSON as types (getbill.md, Todos, Debts): a field of a wrong type is a field that is not there.

Serves step 4. Nothing here raises for what a vendor may send, and nothing here knows Casebell's words.
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
    Link,
    Number,
    Text,
    Whole,
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

MOST_ID = 500
MOST_ROWS = 2_000

_CANONICAL = {name: name for name in TYPES} | LEGACY


def identifier(value: Any) -> str | None:
    """An id as Getbill may write it, string or number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= MOST_ID and text.isprintable() else None


def canonical_type(value: Any) -> str | None:
    """A todo type by its canonical name; an unknown one stays what it is."""
    return _CANONICAL.get(code(value) or "") or identifier(value)


Id = Annotated[str | None, or_none(identifier)]
Type = Annotated[str | None, or_none(canonical_type)]
SubType = Annotated[str | None, or_none(one_of(TYPE_OF))]
Rows = BeforeValidator(partial(json_objects, most=MOST_ROWS))


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
    debt_count: Whole = None
    debts: Annotated[list[Debt], Rows] = Field(default_factory=list)
    total_amount: Number = None
    currency: CurrencyCode = None

    plan_months: Whole = None
    plan_start_date: Day = None
    first_payment_amount: Number = None
    monthly_amount: Number = None
    number_of_installments: Whole = None
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

    todos: Annotated[list[dict[Any, Any]], Rows] = Field(default_factory=list)
    pagination: Annotated[Pagination, BeforeValidator(lambda value: json_object(value) or {})] = Field(
        default_factory=Pagination
    )


class Tally(Wire):
    total: Whole = None
    overdue: Whole = None


OneTally = Annotated[Tally | None, or_none(json_object)]


class Stats(Wire):
    """The statistics; the keys kept for old clients are read when the canonical ones are missing."""

    agreements: OneTally = None
    debtor_requests: OneTally = None
    ai_detections: OneTally = None
    blocking_disputes: OneTally = None
    non_blocking_disputes: OneTally = None
