"""A digest: what is to be decided, what changed since the last one, how much and how old. And the rule behind it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from receiver.domain.item import Item
from receiver.domain.routing import Match, Route
from receiver.domain.schedule import Schedule
from receiver.domain.totals import Totals

FLOW_DAYS = 30
ROUTE_PREFIX = "digest:"

PartName = Literal["blocking", "deadline", "review", "installments", "check_ins", "information", "resolved"]
PARTS: tuple[PartName, ...] = (  # in the order of reading
    "blocking",
    "deadline",
    "review",
    "installments",
    "check_ins",
    "information",
    "resolved",
)
TO_DECIDE: tuple[PartName, ...] = ("blocking", "deadline", "review")


@dataclass(frozen=True, slots=True)
class DigestRule:
    """One [[digests]] section."""

    name: str
    schedule: Schedule
    to: tuple[str, ...] = ()
    slack: tuple[str, ...] = ()
    locale: str = "en"
    match: Match = field(default_factory=Match)
    skip_empty: bool = True

    def destinations(self) -> Iterator[str]:
        """Where it goes: "mail:cfo@x", "slack:C1"; each once."""
        yield from dict.fromkeys(
            [*(f"mail:{address}" for address in self.to), *(f"slack:{channel}" for channel in self.slack)]
        )

    def as_route(self) -> Route:
        """How pages that a digest leads to speak."""
        return Route(ROUTE_PREFIX + self.name, locale=self.locale, timezone=self.schedule.timezone)


@dataclass(frozen=True, slots=True)
class Entry:
    item: Item
    is_new: bool = False
    is_masked: bool = False  # the debtor's name is not to be shown


@dataclass(frozen=True, slots=True)
class Part:
    """``count`` says how many there are, ``entries`` holds the first of them."""

    name: PartName
    entries: tuple[Entry, ...]
    count: int

    @property
    def is_to_decide(self) -> bool:
        return self.name in TO_DECIDE


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    opened: int
    resolved: int


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """A source's own statistics; names are translated by the notifiers."""

    source: str
    account: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """A source that was not heard out for too long; None: never."""

    source: str
    account: str
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything a channel needs. ``since``..``until`` is what "new" and "resolved" speak of."""

    name: str
    locale: str
    timezone: str
    since: datetime
    until: datetime
    next_at: datetime | None
    parts: tuple[Part, ...]  # those that have something, in the order of reading
    totals: Totals
    new: int  # opened, or opened again, and still to be decided
    flow: tuple[Day, ...]
    figures: tuple[SourceFigures, ...] = ()
    silent: tuple[Silence, ...] = ()

    def part(self, name: PartName) -> Part:
        return next((part for part in self.parts if part.name == name), Part(name, (), 0))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that anybody need read."""
        return not self.parts and not self.silent


@dataclass(frozen=True, slots=True)
class Edition:
    """A digest for one address. Links by item id: where this address may decide it, and where the source shows it."""

    digest: Digest
    decide_links: Mapping[str, str] = field(default_factory=dict)
    source_links: Mapping[str, str] = field(default_factory=dict)
    unsubscribe_url: str | None = None
    inbox_url: str | None = None  # where all of it is listed
