"""Facts: what somebody told us. A source, a person, or the answer of a source to what a person asked."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from receiver.domain.action import PlanWish
from receiver.domain.item import Snapshot
from receiver.domain.people import Person
from receiver.domain.twin import Twin


@dataclass(frozen=True, slots=True)
class SourceSaid:
    """The source shows this item like this. ``said_at``: when we asked, so a slow answer never beats a newer one.

    ``is_unconfirmed``: an event says so, and the source has not been asked yet.
    """

    snapshot: Snapshot
    said_at: datetime
    is_unconfirmed: bool = False

    @property
    def key(self) -> str:
        return self.snapshot.key


@dataclass(frozen=True, slots=True)
class SourceGone:
    """The item is not there any more. ``is_certain``: read singly or listed as solved; else one complete pass."""

    key: str
    said_at: datetime
    is_certain: bool = True
    outcome: str = "gone"


@dataclass(frozen=True, slots=True)
class PersonRequested:
    """A person pressed a verb that the source carries out."""

    key: str
    action_id: int
    verb: str
    person: Person
    via: str
    undo_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class RuleForesaw:
    """A rule on a dry run would have pressed this verb."""

    key: str
    rule: str
    verb: str
    person: Person
    via: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PersonDid:
    """A person did something of Casebell's own; ``to`` with assign, ``until`` with snooze."""

    key: str
    verb: str
    person: Person
    via: str
    note: str | None = None
    to: Person | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PersonProposed:
    """A person decided what a second one must confirm. ``words``: the note or reply that goes with it."""

    key: str
    action_id: int
    verb: str
    person: Person
    via: str
    words: str | None = None
    plan: PlanWish | None = None


@dataclass(frozen=True, slots=True)
class PersonConfirmed:
    """A second person confirmed the proposal of the first; the source is asked now."""

    key: str
    action_id: int
    person: Person
    via: str


@dataclass(frozen=True, slots=True)
class SourceAccepted:
    """The source took the request; its effect will show in what it says later (debitura.md, Resolving chat tasks)."""

    key: str
    action_id: int


@dataclass(frozen=True, slots=True)
class SourceDid:
    """The source has done what was asked, and the item is open after it: reopened, or with another plan."""

    key: str
    action_id: int


@dataclass(frozen=True, slots=True)
class SourceRefused:
    """The source did not do what was asked, for good; ``reason`` is shown to people."""

    key: str
    action_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class TwinSaid:
    """The same receivable in the other system looks like this now; None: there is none any more."""

    key: str
    twin: Twin | None


@dataclass(frozen=True, slots=True)
class ClockStruck:
    """Time has passed: a snooze is over, nobody has decided for too long, a rule's act can be undone no more."""

    key: str
    what: Literal["woken", "escalated", "undo_over"]


PersonFact = PersonRequested | PersonDid | PersonProposed | PersonConfirmed
Fact = (
    SourceSaid
    | SourceGone
    | PersonFact
    | SourceAccepted
    | SourceDid
    | SourceRefused
    | ClockStruck
    | TwinSaid
    | RuleForesaw
)
