"""Facts: the events that may change an item. ``ledger.decide`` says what each of them does.

A fact comes from a source (its current data, or its answer to a request), from a person, a rule, or the clock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from receiver.domain.action import PlanInput
from receiver.domain.item import Snapshot
from receiver.domain.people import Person
from receiver.domain.twin import Twin


@dataclass(frozen=True, slots=True)
class SourceReported:
    """The source's current data about one item.

    ``said_at``: when the request to the source was sent, so that a slow response never overwrites a newer one.
    ``is_unconfirmed``: the data comes from an event, and the source has not been read since.
    """

    snapshot: Snapshot
    said_at: datetime
    is_unconfirmed: bool = False

    @property
    def key(self) -> str:
        return self.snapshot.key


@dataclass(frozen=True, slots=True)
class SourceGone:
    """The source no longer lists the item.

    ``is_certain``: the item was read by itself, or listed as solved. Otherwise it was missing from one complete sync.
    """

    key: str
    said_at: datetime
    is_certain: bool = True
    outcome: str = "gone"


@dataclass(frozen=True, slots=True)
class PersonRequested:
    """A person chose a verb that the source executes. ``undo_for``: how long it can be undone, if not the default."""

    key: str
    action_id: int
    verb: str
    person: Person
    via: str
    undo_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DryRunMatched:
    """A rule in a dry run would have chosen this verb."""

    key: str
    rule: str
    verb: str
    person: Person
    via: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PersonActed:
    """A person chose a verb that Casebell executes itself; ``to`` belongs to assign, ``until`` to snooze."""

    key: str
    verb: str
    person: Person
    via: str
    note: str | None = None
    to: Person | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PersonProposed:
    """A person made a decision that a second person must confirm. ``words``: its note or reply."""

    key: str
    action_id: int
    verb: str
    person: Person
    via: str
    words: str | None = None
    plan: PlanInput | None = None


@dataclass(frozen=True, slots=True)
class PersonConfirmed:
    """A second person confirmed the proposal, so that it can be sent to the source."""

    key: str
    action_id: int
    person: Person
    via: str


@dataclass(frozen=True, slots=True)
class SourceAccepted:
    """The source accepted the request. Its effect shows later (docs/vendors/debitura.md#lifecycle-of-a-task)."""

    key: str
    action_id: int


@dataclass(frozen=True, slots=True)
class SourceCompleted:
    """The source executed the request and the item is open afterwards: reopened, or with another payment plan."""

    key: str
    action_id: int


@dataclass(frozen=True, slots=True)
class SourceRefused:
    """The source finally refused the request. ``reason`` is shown to people."""

    key: str
    action_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class TwinChanged:
    """The same receivable in the other system changed. ``twin`` None: the other system does not have it any more."""

    key: str
    twin: Twin | None


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A snooze ended, nobody decided within the escalation time, or a rule's action can no longer be undone."""

    key: str
    what: Literal["woken", "escalated", "undo_over"]


PersonFact = PersonRequested | PersonActed | PersonProposed | PersonConfirmed
Fact = (
    SourceReported
    | SourceGone
    | PersonFact
    | SourceAccepted
    | SourceCompleted
    | SourceRefused
    | TimePassed
    | TwinChanged
    | DryRunMatched
)
