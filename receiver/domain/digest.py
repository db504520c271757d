"""A digest as data: open decisions, changes since the last one, amounts and ages. And the [[digests]] rule for it.

``digest_build`` decides what is in it. Attribute names are keys of the JSON in the outbox.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, get_args

from receiver.domain.item import Item
from receiver.domain.routing import Match, Route
from receiver.domain.schedule import Schedule
from receiver.domain.totals import Totals

FLOW_DAYS = 30
ROUTE_PREFIX = "digest:"

PartName = Literal["blocking", "deadline", "review", "installments", "check_ins", "information", "resolved"]
PARTS: tuple[PartName, ...] = get_args(PartName)  # in their order in the digest
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
        """Where it is delivered: "mail:cfo@x", "slack:C1"; each once."""
        yield from dict.fromkeys(
            [*(f"mail:{address}" for address in self.to), *(f"slack:{channel}" for channel in self.slack)]
        )

    def as_route(self) -> Route:
        """A route with the digest's language and time zone, for the pages that it links to."""
        return Route(ROUTE_PREFIX + self.name, locale=self.locale, timezone=self.schedule.timezone)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a part. ``is_masked``: the debtor's name must not be shown."""

    item: Item
    is_new: bool = False
    is_masked: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One section of a digest: the first ``entries``, and the ``count`` of all."""

    name: PartName
    entries: tuple[Entry, ...]
    count: int

    @property
    def is_to_decide(self) -> bool:
        return self.name in TO_DECIDE


@dataclass(frozen=True, slots=True)
class Day:
    """How many items were opened and resolved on one day."""

    day: date
    opened: int
    resolved: int


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """A source's own statistics. The notifiers translate the names of the counts."""

    source: str
    account: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """A source without a recent complete sync; ``heard_at``: the last one, None if there was none."""

    source: str
    account: str
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything a channel needs to render a digest. "New" and "resolved" mean from ``since`` to ``until``."""

    name: str
    locale: str
    timezone: str
    since: datetime
    until: datetime
    next_at: datetime | None
    parts: tuple[Part, ...]  # only those with items, in the order of PARTS
    totals: Totals
    new: int  # opened or reopened, and still to decide
    flow: tuple[Day, ...]
    figures: tuple[SourceFigures, ...] = ()
    silent: tuple[Silence, ...] = ()

    def part(self, name: PartName) -> Part:
        return next((part for part in self.parts if part.name == name), Part(name, (), 0))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report."""
        return not self.parts and not self.silent


@dataclass(frozen=True, slots=True)
class Edition:
    """A digest for one address. Links by item id: to decide on it as this address, and to its page at the source."""

    digest: Digest
    decide_links: Mapping[str, str] = field(default_factory=dict)
    source_links: Mapping[str, str] = field(default_factory=dict)
    unsubscribe_url: str | None = None
    inbox_url: str | None = None
