"""Makes a digest of items in one pass. Pure.

Of each part the first entries are kept and the rest is only counted, so that ten thousand open items weigh no more in
memory, in the outbox and in a mail than a hundred do.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from receiver.domain.digest import (
    FLOW_DAYS,
    PARTS,
    TO_DECIDE,
    Day,
    Digest,
    DigestRule,
    Entry,
    Part,
    PartName,
    Silence,
    SourceFigures,
)
from receiver.domain.item import Installment, Item, Snapshot
from receiver.domain.totals import DUE_WITHIN, Adding, began_at, is_snoozed, is_to_decide, stake_of

MOST_ENTRIES = 25  # of a part; the others are counted
CHECK_IN_OVER = timedelta(days=30)  # a check-in this long past, of which the source says no more, was held or forgotten
MOST_TEXT = 300


@dataclass(slots=True)
class _Kept:
    """The first entries of a part, and how many there were. Cut now and then, so that memory stays small."""

    order: Callable[[Item], tuple[object, ...]]
    entries: list[Entry] = field(default_factory=list)
    count: int = 0

    def add(self, entry: Entry) -> None:
        self.count += 1
        self.entries.append(entry)
        if len(self.entries) > 8 * MOST_ENTRIES:
            self._cut()

    def part(self, name: PartName) -> Part:
        self._cut()
        return Part(name, tuple(replace(entry, item=_light(entry.item)) for entry in self.entries), self.count)

    def _cut(self) -> None:
        self.entries.sort(key=lambda entry: self.order(entry.item))
        del self.entries[MOST_ENTRIES:]


def build_digest(
    rule: DigestRule,
    items: Iterable[Item],
    since: datetime,
    until: datetime,
    *,
    reopened: Collection[str] = (),
    is_masked: Callable[[Snapshot], bool] = lambda _: False,
    figures: tuple[SourceFigures, ...] = (),
    silent: tuple[Silence, ...] = (),
) -> Digest:
    """The digest of ``items``: all that are open, and what was opened or resolved in the last FLOW_DAYS.

    ``reopened``: ids of what opened again since. Accepted hardships are looked at for their check-ins, however old.
    """
    counting = _Counting(rule, since, until, reopened, is_masked)
    for item in items:
        if rule.match.accepts(item.snapshot):
            counting.add(item)
    return counting.digest(figures, silent)


class _Counting:
    def __init__(
        self,
        rule: DigestRule,
        since: datetime,
        until: datetime,
        reopened: Collection[str],
        is_masked: Callable[[Snapshot], bool],
    ) -> None:
        self._rule, self._since, self._until = rule, since, until
        self._reopened, self._is_masked = reopened, is_masked
        self._zone: tzinfo = ZoneInfo(rule.schedule.timezone)
        self._today = until.astimezone(self._zone).date()
        self._kept = {name: _Kept(_ORDERS.get(name, _soonest)) for name in PARTS}
        self._adding = Adding(until)
        self._new = 0
        self._opened: dict[date, int] = {}
        self._resolved: dict[date, int] = {}

    def add(self, item: Item) -> None:
        is_new = item.opened_at > self._since or item.id in self._reopened
        for name in self._parts_of(item, is_new=is_new):
            self._kept[name].add(Entry(item, is_new, self._is_masked(item.snapshot)))
            if name in TO_DECIDE:
                self._new += is_new
        if item.state != "resolved":
            self._adding.add(stake_of(item))
        if item.snapshot.urgency != "info":
            self._count_days(item)

    def digest(self, figures: tuple[SourceFigures, ...], silent: tuple[Silence, ...]) -> Digest:
        parts = (self._kept[name].part(name) for name in PARTS)
        return Digest(
            name=self._rule.name,
            locale=self._rule.locale,
            timezone=self._rule.schedule.timezone,
            since=self._since,
            until=self._until,
            next_at=self._rule.schedule.next_after(self._until),
            parts=tuple(part for part in parts if part.count),
            totals=self._adding.totals(),
            new=self._new,
            flow=tuple(self._flow()),
            figures=figures,
            silent=silent,
        )

    def _parts_of(self, item: Item, *, is_new: bool) -> Iterator[PartName]:
        said = item.snapshot
        if item.state == "resolved":
            if item.resolved_at is not None and self._since < item.resolved_at <= self._until:
                yield "resolved"
            if self._has_check_in(said) and item.outcome != "rejected":
                yield "check_ins"
        elif is_snoozed(item.snoozed_until, self._until):
            return
        elif is_to_decide(said.urgency, said.deadline_at, self._until):
            yield _part_of(said, self._until)
        elif any(is_overdue(part, self._today) for part in said.installments):
            yield "installments"
        elif is_new:
            yield "information"

    def _has_check_in(self, said: Snapshot) -> bool:
        if said.kind != "hardship":
            return False
        days = [detail.day for detail in said.details if detail.name == "check_in_date" and detail.day]
        is_near = any(self._today - CHECK_IN_OVER <= day <= self._today + DUE_WITHIN for day in days)
        return is_near or any(detail.flag for detail in said.details if detail.name == "check_in_due")

    def _count_days(self, item: Item) -> None:
        first = self._today - timedelta(days=FLOW_DAYS - 1)
        for counted, at in ((self._opened, began_at(item)), (self._resolved, item.resolved_at)):
            day = at.astimezone(self._zone).date() if at else date.min
            if first <= day <= self._today:
                counted[day] = counted.get(day, 0) + 1

    def _flow(self) -> Iterator[Day]:
        for ago in range(FLOW_DAYS - 1, -1, -1):
            day = self._today - timedelta(days=ago)
            yield Day(day, self._opened.get(day, 0), self._resolved.get(day, 0))


def _part_of(said: Snapshot, now: datetime) -> PartName:
    """Where that stands which somebody has to decide."""
    if said.urgency == "blocking":
        return "blocking"
    return "deadline" if said.deadline_at is not None and said.deadline_at <= now + DUE_WITHIN else "review"


def is_overdue(part: Installment, today: date) -> bool:
    """Getbill's own test of an installment (getbill.md, Todos)."""
    return not part.is_paid and part.due_on is not None and part.due_on < today


_FAR = datetime.max.replace(tzinfo=UTC)


def _soonest(item: Item) -> tuple[object, ...]:
    return item.snapshot.deadline_at or _FAR, began_at(item), item.id


def _latest_resolved(item: Item) -> tuple[object, ...]:
    return -(item.resolved_at or item.changed_at).timestamp(), item.id


def _newest(item: Item) -> tuple[object, ...]:
    return -item.opened_at.timestamp(), item.id


_ORDERS = {"resolved": _latest_resolved, "information": _newest}


def _light(item: Item) -> Item:
    """Without what a line of a digest has no room for: it is kept in the outbox until it has been delivered."""
    said = item.snapshot
    kept = replace(
        said,
        title=_cut(said.title),
        question=_cut(said.question),
        quote=None,
        debtor=_cut(said.debtor),
        reference=_cut(said.reference),
        case_reference=_cut(said.case_reference),
        theme=_cut(said.theme),
        media=(),
        conversation=(),
        installments=said.installments[:120],
        details=tuple(replace(detail, text=_cut(detail.text)) for detail in said.details[:30]),
    )
    return replace(item, snapshot=kept, note=None, problem=None)


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MOST_TEXT]
