"""Facts: what somebody told us. A source, a person, or the answer of a source to what a person asked."""

from dataclasses import dataclass
from datetime import datetime

from receiver.domain.item import Snapshot
from receiver.domain.people import Person
from receiver.domain.twin import Twin


@dataclass(frozen=True, slots=True)
class SourceSaid:
    """The source shows this item like this. ``said_at``: when we asked, so a slow answer never beats a newer one."""

    snapshot: Snapshot
    said_at: datetime

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
class PersonAsked:
    """A person pressed a verb that the source carries out."""

    key: str
    action_id: int
    verb: str
    person: Person
    via: str


@dataclass(frozen=True, slots=True)
class PersonDid:
    """A person did something of Casebell's own: claim, release or note."""

    key: str
    verb: str
    person: Person
    via: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class SourceAccepted:
    """The source took the request; its effect will show in what it says later (debitura.md, Resolving chat tasks)."""

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


Fact = SourceSaid | SourceGone | PersonAsked | PersonDid | SourceAccepted | SourceRefused | TwinSaid
