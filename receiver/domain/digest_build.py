"""Decides what a digest contains: sorts items into its parts in one pass. Pure.

Each part keeps its first entries and only counts the others, so that memory, outbox and mail stay small with ten
thousand open items.
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
from receiver.domain.totals import DUE_WITHIN, TotalsBuilder, began_at, is_snoozed, is_to_decide, stake_of

MAX_ENTRIES = 25  # of a part
CHECK_IN_EXPIRES_AFTER = timedelta(days=30)
MAX_TEXT = 300  # characters


@dataclass(slots=True)
class _PartBuilder:
    """Collects the first entries of a part and counts all. It drops surplus entries in batches to limit memory."""

    order: Callable[[Item], tuple[object, ...]]
    entries: list[Entry] = field(default_factory=list)
    count: int = 0

    def add(self, entry: Entry) -> None:
        self.count += 1
        self.entries.append(entry)
        if len(self.entries) > 8 * MAX_ENTRIES:
            self._drop_surplus()

    def part(self, name: PartName) -> Part:
        self._drop_surplus()
        return Part(name, tuple(replace(entry, item=_shorten(entry.item)) for entry in self.entries), self.count)

    def _drop_surplus(self) -> None:
        self.entries.sort(key=lambda entry: self.order(entry.item))
        del self.entries[MAX_ENTRIES:]


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
    """The digest of ``items`` for the time from ``since`` to ``until``.

    ``items`` are all that are open, those opened or resolved in the last FLOW_DAYS, and accepted hardships of any age
    for their check-ins. ``reopened``: ids of items that were reopened after ``since``. ``is_masked``: whether the
    debtor of an item must not be shown.
    """
    builder = _DigestBuilder(rule, since, until, reopened, is_masked)
    for item in items:
        if rule.match.accepts(item.snapshot):
            builder.add(item)
    return builder.digest(figures, silent)


class _DigestBuilder:
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
        self._parts = {name: _PartBuilder(_ORDERS.get(name, _by_deadline)) for name in PARTS}
        self._totals = TotalsBuilder(until)
        self._new = 0
        self._opened: dict[date, int] = {}
        self._resolved: dict[date, int] = {}

    def add(self, item: Item) -> None:
        is_new = item.opened_at > self._since or item.id in self._reopened
        for name in self._parts_of(item, is_new=is_new):
            self._parts[name].add(Entry(item, is_new, self._is_masked(item.snapshot)))
            if name in TO_DECIDE:
                self._new += is_new
        if item.state != "resolved":
            self._totals.add(stake_of(item))
        if item.snapshot.urgency != "info":
            self._count_days(item)

    def digest(self, figures: tuple[SourceFigures, ...], silent: tuple[Silence, ...]) -> Digest:
        parts = (self._parts[name].part(name) for name in PARTS)
        return Digest(
            name=self._rule.name,
            locale=self._rule.locale,
            timezone=self._rule.schedule.timezone,
            since=self._since,
            until=self._until,
            next_at=self._rule.schedule.next_after(self._until),
            parts=tuple(part for part in parts if part.count),
            totals=self._totals.totals(),
            new=self._new,
            flow=tuple(self._flow()),
            figures=figures,
            silent=silent,
        )

    def _parts_of(self, item: Item, *, is_new: bool) -> Iterator[PartName]:
        snapshot = item.snapshot
        if item.state == "resolved":
            if item.resolved_at is not None and self._since < item.resolved_at <= self._until:
                yield "resolved"
            if self._has_check_in(snapshot) and item.outcome != "rejected":
                yield "check_ins"
        elif is_snoozed(item.snoozed_until, self._until):
            return
        elif is_to_decide(snapshot.urgency, snapshot.deadline_at, self._until):
            yield _part_to_decide(snapshot, self._until)
        elif any(is_overdue(installment, self._today) for installment in snapshot.installments):
            yield "installments"
        elif is_new:
            yield "information"

    def _has_check_in(self, snapshot: Snapshot) -> bool:
        """Whether a hardship's check-in is due, or its date is near. The source does not say when one is done."""
        if snapshot.kind != "hardship":
            return False
        days = [detail.day for detail in snapshot.details if detail.name == "check_in_date" and detail.day]
        first, last = self._today - CHECK_IN_EXPIRES_AFTER, self._today + DUE_WITHIN
        is_near = any(first <= day <= last for day in days)
        return is_near or any(detail.flag for detail in snapshot.details if detail.name == "check_in_due")

    def _count_days(self, item: Item) -> None:
        first = self._today - timedelta(days=FLOW_DAYS - 1)
        for counts, at in ((self._opened, began_at(item)), (self._resolved, item.resolved_at)):
            day = at.astimezone(self._zone).date() if at else date.min
            if first <= day <= self._today:
                counts[day] = counts.get(day, 0) + 1

    def _flow(self) -> Iterator[Day]:
        for days_ago in range(FLOW_DAYS - 1, -1, -1):
            day = self._today - timedelta(days=days_ago)
            yield Day(day, self._opened.get(day, 0), self._resolved.get(day, 0))


def _part_to_decide(snapshot: Snapshot, now: datetime) -> PartName:
    """The part of an item that needs a decision."""
    if snapshot.urgency == "blocking":
        return "blocking"
    is_near = snapshot.deadline_at is not None and snapshot.deadline_at <= now + DUE_WITHIN
    return "deadline" if is_near else "review"


def is_overdue(installment: Installment, today: date) -> bool:
    """Whether it should have been paid before today, as Getbill defines it (docs/vendors/getbill.md#todos)."""
    return not installment.is_paid and installment.due_on is not None and installment.due_on < today


_NEVER = datetime.max.replace(tzinfo=UTC)


def _by_deadline(item: Item) -> tuple[object, ...]:
    return item.snapshot.deadline_at or _NEVER, began_at(item), item.id


_ORDERS: dict[PartName, Callable[[Item], tuple[object, ...]]] = {
    "resolved": lambda item: (-(item.resolved_at or item.changed_at).timestamp(), item.id),
    "information": lambda item: (-item.opened_at.timestamp(), item.id),
}


def _shorten(item: Item) -> Item:
    """The item without what a line of a digest does not show, because the digest is stored in the outbox."""
    snapshot = item.snapshot
    shortened = replace(
        snapshot,
        title=_truncate(snapshot.title),
        question=_truncate(snapshot.question),
        quote=None,
        debtor=_truncate(snapshot.debtor),
        reference=_truncate(snapshot.reference),
        case_reference=_truncate(snapshot.case_reference),
        theme=_truncate(snapshot.theme),
        media=(),
        conversation=(),
        installments=snapshot.installments[:120],
        details=tuple(replace(detail, text=_truncate(detail.text)) for detail in snapshot.details[:30]),
    )
    return replace(item, snapshot=shortened, note=None, problem=None)


def _truncate(text: str | None) -> str | None:
    return None if text is None else text[:MAX_TEXT]
