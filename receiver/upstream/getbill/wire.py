"""Getbill's JSON as types: a field of a wrong type becomes None. docs/vendors/getbill.md

Nothing here raises for what a vendor may send, and nothing here knows Casebell's terms.
"""

from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from receiver.upstream import lenient

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
    return _CANONICAL.get(lenient.code(value) or "") or identifier(value)


Id = Annotated[str | None, lenient.or_none(identifier)]
Type = Annotated[str | None, lenient.or_none(canonical_type)]
SubType = Annotated[str | None, lenient.or_none(lenient.one_of(TYPE_OF))]
Rows = BeforeValidator(partial(lenient.json_objects, limit=MAX_ROWS))


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Debt(Wire):
    """A debt, complete or as part of a todo. Personal data beyond the debtor's name is not parsed."""

    id: Id = None
    reference: lenient.Word = None
    invoice_reference: lenient.Word = None
    internal_id: lenient.Word = None
    amount: lenient.Number = None
    currency: lenient.CurrencyCode = None
    status: lenient.Word = None
    company: lenient.Word = None
    debtor_company: lenient.Word = None
    firstname: lenient.Word = None
    lastname: lenient.Word = None


class Installment(Wire):
    amount: lenient.Number = None
    payment_date: lenient.Day = None
    paid_at: lenient.Instant = None
    status: lenient.Code = None


class ProofFile(Wire):
    filename: lenient.Word = None
    url: lenient.Link = None


class Todo(Wire):
    id: Id = None
    type: Type = None
    sub_type: SubType = None
    status: lenient.Code = None
    severity: lenient.Code = None
    title: lenient.Text = None
    description: lenient.Text = None
    theme: lenient.Word = None
    detected_content: lenient.Text = None
    debtor_message: lenient.Text = None
    ai_confidence: lenient.Number = None
    collection_paused: lenient.Flag = None
    created_at: lenient.Instant = None
    debt: Annotated[Debt | None, lenient.or_none(lenient.json_object)] = None

    is_group: lenient.Flag = None
    debt_count: lenient.Integer = None
    debts: Annotated[list[Debt], Rows] = Field(default_factory=list)
    total_amount: lenient.Number = None
    currency: lenient.CurrencyCode = None

    plan_months: lenient.Integer = None
    plan_start_date: lenient.Day = None
    first_payment_amount: lenient.Number = None
    monthly_amount: lenient.Number = None
    number_of_installments: lenient.Integer = None
    start_date: lenient.Day = None
    installments: Annotated[list[Installment], Rows] = Field(default_factory=list)

    employment_status: lenient.Word = None
    is_temporary: lenient.Flag = None
    expected_recovery_period: lenient.Word = None
    check_in_date: lenient.Day = None
    check_in_due: lenient.Flag = None

    objection_type: lenient.Word = None
    source: lenient.Word = None
    call_id: lenient.Word = None
    admin_notes: lenient.Text = None
    audio_url: lenient.Link = None
    pdf_url: lenient.Link = None
    proof_files: Annotated[list[ProofFile], Rows] = Field(default_factory=list)

    url: lenient.Link = None
    web_url: lenient.Link = None
    app_url: lenient.Link = None
    link: lenient.Link = None


class EventTodo(Todo):
    """A todo in an event, with the time of its last change."""

    updated_at: lenient.Instant = None


class Pagination(Wire):
    page: lenient.Integer = None
    limit: lenient.Integer = None
    total: lenient.Integer = None
    pages: lenient.Integer = None


class TodoPage(Wire):
    """One page of the list. ``todos`` stay raw, so that a list entry and a single todo can be merged."""

    todos: Annotated[list[dict[Any, Any]], Rows] = Field(default_factory=list)
    pagination: Annotated[Pagination, BeforeValidator(lambda value: lenient.json_object(value) or {})] = Field(
        default_factory=Pagination
    )


class Tally(Wire):
    total: lenient.Integer = None
    overdue: lenient.Integer = None


OneTally = Annotated[Tally | None, lenient.or_none(lenient.json_object)]


class Stats(Wire):
    """The statistics, with the current and the old names of the types."""

    agreements: OneTally = None
    debtor_requests: OneTally = None
    ai_detections: OneTally = None
    blocking_disputes: OneTally = None
    non_blocking_disputes: OneTally = None
