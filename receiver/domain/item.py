"""An item: one thing a creditor must decide, and the only table of how it changes (architecture.md, The domain)."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from receiver.domain.action import PlanWish
from receiver.domain.money import Money
from receiver.domain.people import Person
from receiver.domain.twin import Twin
from receiver.domain.words import fold

State = Literal["open", "acting", "resolved"]
Urgency = Literal["blocking", "review", "info"]


@dataclass(frozen=True, slots=True)
class Detail:
    """One further fact by name; exactly one of the values is set. Names are translated by the notifiers."""

    name: str
    text: str | None = None
    money: Money | None = None
    day: date | None = None
    flag: bool | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Installment:
    amount: Money | None
    due_on: date | None
    paid_at: datetime | None
    status: str | None

    @property
    def is_paid(self) -> bool:
        return self.paid_at is not None or fold(self.status) == "paid"


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a conversation, oldest first. ``side``: "partner", "creditor" or "system"."""

    side: str
    author: str | None
    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Medium:
    """A recording, a proof or a document; its link is fetched afresh on each visit (getbill.md: valid one hour)."""

    what: Literal["recording", "proof", "document"]
    name: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a source says of one item at one instant, in Casebell's words. ``None`` is "the source did not say"."""

    key: str
    source: str
    account: str
    kind: str
    urgency: Urgency
    is_open: bool
    outcome: str | None = None  # validated, rejected, solved, completed, gone; None while open
    title: str | None = None
    question: str | None = None  # what is asked, in the source's words
    quote: str | None = None  # the debtor's own words
    reference: str | None = None
    case_reference: str | None = None
    debtor: str | None = None
    amount: Money | None = None
    is_collection_paused: bool | None = None
    severity: str | None = None
    theme: str | None = None
    confidence: int | None = None
    created_at: datetime | None = None
    deadline_at: datetime | None = None
    solution_url: str | None = None
    media: tuple[Medium, ...] = ()
    conversation: tuple[Line, ...] = ()
    installments: tuple[Installment, ...] = ()
    details: tuple[Detail, ...] = ()
    verbs: tuple[str, ...] = ()  # verbs the source may carry out
    status: str | None = None  # the source's own word
    debt_id: str | None = None
    case_id: str | None = None
    sides: tuple[Twin, ...] = ()  # of a conflict: who says what, the one that raises it first
    is_partial: bool = False  # the source knows more that was not read yet, such as the currency

    @property
    def receivable_key(self) -> str:
        """Key of the record that says how the receivable behind this item stands."""
        return f"{self.source}:{self.account}:case:{self.case_id}" if self.case_id else self.key


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a person asked the source to do, while it is on the way."""

    action_id: int
    verb: str
    who: str
    via: str
    at: datetime
    is_accepted: bool = False  # the source took it; its effect is awaited
    accepted_at: datetime | None = None
    confirmed_by: str | None = None  # the second person, where four eyes decided
    undo_for: timedelta | None = None  # how long it can be undone, when it is not the usual time


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a rule on a dry run would have done with the item as it is."""

    rule: str
    verb: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one person decided and a second must confirm before the source is asked."""

    action_id: int
    verb: str
    person: Person
    via: str
    at: datetime
    words: str | None = None  # the note or reply that goes with it
    plan: PlanWish | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """The ledger's row. ``version`` rises with every change that people can see."""

    id: str
    snapshot: Snapshot
    state: State
    version: int
    said_at: datetime  # when what the snapshot holds was true at the source
    opened_at: datetime
    changed_at: datetime
    resolved_at: datetime | None = None
    outcome: str | None = None
    resolved_by: str | None = None  # None: at the source, by somebody else
    resolved_via: str | None = None
    claimed_by: str | None = None
    attempt: Attempt | None = None
    problem: str | None = None  # why the last attempt came back
    is_missing: bool = False  # gone from one complete pass; the next one decides
    note: str | None = None
    twin: Twin | None = None  # the same receivable in the other system
    claimer: Person | None = None  # who claimed_by is, as far as known
    confirmed_by: str | None = None  # the second person behind what resolved it
    proposal: Proposal | None = None
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    waiting_since: datetime | None = None  # opened again, or woken
    escalated_at: datetime | None = None
    undo_until: datetime | None = None
    foreseen: Foreseen | None = None
    is_unconfirmed: bool = False  # as an event says, which no look has confirmed yet

    @property
    def since(self) -> datetime:
        """Since when it has waited for somebody without a break."""
        return self.waiting_since or self.opened_at

    @property
    def key(self) -> str:
        return self.snapshot.key

    @property
    def kind(self) -> str:
        return self.snapshot.kind


def urgency_of(kind: str, *, is_paused: bool) -> Urgency:
    """Urgency of a Getbill kind: what pauses collection blocks, what the AI found is reviewed (seed text)."""
    if is_paused or kind in {"portal_dispute", "hardship", "payment_plan"}:
        return "blocking"
    return "info" if kind == "agreement" else "review"


def same_words(one: Snapshot, other: Snapshot) -> bool:
    """Whether people would read the same from both; a fresh conversation or deadline is a difference."""
    return replace(one, status=None, is_partial=False) == replace(other, status=None, is_partial=False)


def completed(said: Snapshot, known: Snapshot) -> Snapshot:
    """What was said in part, with what was known before of the rest."""
    if not said.is_partial:
        return said
    missing = {name: getattr(known, name) for name in _READ_BESIDE if getattr(said, name) is None}
    currency = known.amount.currency if known.amount else None
    details = {detail.name: detail for detail in known.details} | {detail.name: detail for detail in said.details}
    return replace(
        said,
        **missing,
        amount=_in_currency(said.amount, currency) or known.amount,
        media=said.media + tuple(one for one in known.media if one not in said.media),
        installments=tuple(replace(part, amount=_in_currency(part.amount, currency)) for part in said.installments),
        details=tuple(replace(one, money=_in_currency(one.money, currency)) for one in details.values()),
        is_partial=known.is_partial,
    )


_READ_BESIDE = (
    "title", "question", "quote", "reference", "case_reference", "debtor", "is_collection_paused", "severity", "theme",
    "confidence", "created_at", "solution_url", "status", "debt_id",
)  # fmt: skip


def _in_currency(money: Money | None, currency: str | None) -> Money | None:
    """The sum in this currency, where its own is not known."""
    if money is None or currency is None or money.currency is not None:
        return money
    return replace(money, currency=currency)
