"""An item: one thing that a creditor must decide, with the data of its source and what people did with it.

Items are values: ``ledger.decide`` makes the next version of one. Attribute names are keys of the stored JSON.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from receiver.domain.action import PlanInput
from receiver.domain.money import Money
from receiver.domain.people import Person
from receiver.domain.twin import Twin
from receiver.domain.words import fold

State = Literal["open", "acting", "resolved"]
Urgency = Literal["blocking", "review", "info"]


@dataclass(frozen=True, slots=True)
class Detail:
    """One more fact, by name. Exactly one of the values is set. The notifiers translate the name."""

    name: str
    text: str | None = None
    money: Money | None = None
    day: date | None = None
    flag: bool | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Installment:
    """One payment of a payment plan. ``amount`` in major units; ``status`` is the source's word."""

    amount: Money | None
    due_on: date | None
    paid_at: datetime | None
    status: str | None

    @property
    def is_paid(self) -> bool:
        return self.paid_at is not None or fold(self.status) == "paid"


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a conversation. ``side``: "partner", "creditor" or "system"."""

    side: str
    author: str | None
    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Medium:
    """A recording, a proof or a document. Its link expires, so each visit reads a new one.

    docs/vendors/getbill.md#todos
    """

    what: Literal["recording", "proof", "document"]
    name: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A source's data about one item at one instant, in Casebell's terms. ``None``: the source gave no value."""

    key: str
    source: str
    account: str
    kind: str
    urgency: Urgency
    is_open: bool
    outcome: str | None = None  # validated, rejected, solved, completed, gone; None while open
    title: str | None = None
    question: str | None = None  # what the creditor must answer, as the source writes it
    quote: str | None = None  # what the debtor wrote
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
    conversation: tuple[Line, ...] = ()  # oldest message first
    installments: tuple[Installment, ...] = ()
    details: tuple[Detail, ...] = ()
    verbs: tuple[str, ...] = ()  # verbs that the source can execute
    status: str | None = None  # the source's word
    debt_id: str | None = None
    case_id: str | None = None
    sides: tuple[Twin, ...] = ()  # of a conflict: the two systems' records, the contradicting one first
    is_partial: bool = False  # the source has more that was not read yet, such as the currency

    @property
    def receivable_key(self) -> str:
        """Key of the record (``twin.Receivable``) with the state of the receivable that this item is about."""
        return f"{self.source}:{self.account}:case:{self.case_id}" if self.case_id else self.key


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request to the source that has not been completed."""

    action_id: int
    verb: str
    who: str
    via: str
    at: datetime
    is_accepted: bool = False  # the source accepted the request; its effect is not visible yet
    accepted_at: datetime | None = None
    confirmed_by: str | None = None  # the second person, if the decision needed two
    undo_for: timedelta | None = None  # how long it can be undone, if not the default


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a rule in a dry run would have done with the current version of the item."""

    rule: str
    verb: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decision of one person that a second person must confirm before it is sent to the source."""

    action_id: int
    verb: str
    person: Person
    via: str
    at: datetime
    words: str | None = None  # its note or reply
    plan: PlanInput | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the store. ``version`` increases with every change that people can see."""

    id: str
    snapshot: Snapshot
    state: State
    version: int
    said_at: datetime  # when the source was asked for the data in ``snapshot``
    opened_at: datetime
    changed_at: datetime
    resolved_at: datetime | None = None
    outcome: str | None = None
    resolved_by: str | None = None  # None: resolved at the source, not through Casebell
    resolved_via: str | None = None
    claimed_by: str | None = None
    attempt: Attempt | None = None
    problem: str | None = None  # why the last attempt failed
    is_missing: bool = False  # missing from one complete sync; missing from the next one too, it is resolved
    note: str | None = None
    twin: Twin | None = None  # the same receivable in the other system
    claimer: Person | None = None  # the person whose label is ``claimed_by``
    confirmed_by: str | None = None  # the second person who confirmed the decision that resolved it
    proposal: Proposal | None = None
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    waiting_since: datetime | None = None  # when it was reopened, or its snooze ended
    escalated_at: datetime | None = None
    undo_until: datetime | None = None
    foreseen: Foreseen | None = None
    is_unconfirmed: bool = False  # the data comes from an event, and the source has not been read since

    @property
    def since(self) -> datetime:
        """Since when the item has waited for a decision without interruption."""
        return self.waiting_since or self.opened_at

    @property
    def key(self) -> str:
        return self.snapshot.key

    @property
    def kind(self) -> str:
        return self.snapshot.kind


def urgency_of(kind: str, *, is_paused: bool) -> Urgency:
    """Urgency of a Getbill kind: blocking if it pauses collection, review if the AI found it.

    docs/vendors/getbill.md#todos
    """
    if is_paused or kind in {"portal_dispute", "hardship", "payment_plan"}:
        return "blocking"
    return "info" if kind == "agreement" else "review"


def looks_same(one: Snapshot, other: Snapshot) -> bool:
    """Whether people read the same in both. Another conversation or deadline is a difference."""
    return replace(one, status=None, is_partial=False) == replace(other, status=None, is_partial=False)


def fill_from_known(new: Snapshot, known: Snapshot) -> Snapshot:
    """``new``; if it is partial, with the values of ``known`` where it has none."""
    if not new.is_partial:
        return new
    missing = {name: getattr(known, name) for name in _READ_SEPARATELY if getattr(new, name) is None}
    currency = known.amount.currency if known.amount else None
    details = {detail.name: detail for detail in known.details} | {detail.name: detail for detail in new.details}
    return replace(
        new,
        **missing,
        amount=_with_currency(new.amount, currency) or known.amount,
        media=new.media + tuple(medium for medium in known.media if medium not in new.media),
        installments=tuple(replace(part, amount=_with_currency(part.amount, currency)) for part in new.installments),
        details=tuple(replace(detail, money=_with_currency(detail.money, currency)) for detail in details.values()),
        is_partial=known.is_partial,
    )


_READ_SEPARATELY = (
    "title", "question", "quote", "reference", "case_reference", "debtor", "is_collection_paused", "severity", "theme",
    "confidence", "created_at", "solution_url", "status", "debt_id",
)  # fmt: skip


def _with_currency(money: Money | None, currency: str | None) -> Money | None:
    """The amount, with this currency if its own is unknown."""
    if money is None or currency is None or money.currency is not None:
        return money
    return replace(money, currency=currency)
