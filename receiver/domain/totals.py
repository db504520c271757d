"""What waits for somebody now, and what it comes to: the one place where amounts are added. Pure.

An item waits while it is not resolved and not snoozed. What it is about is at risk when somebody has to decide it.
A receivable is counted once, however many items are about it: a dispute, the partner's question and their conflict.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from receiver.domain.item import Item
from receiver.domain.money import Money, is_known
from receiver.domain.twin import reference_of

AGE_BOUNDS = (2, 8, 15, 31)  # days: under two, a week, two weeks, a month, older
DUE_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Stake:
    """What an item that is not resolved adds. Items that share one of ``names`` are about one receivable."""

    names: tuple[str, ...]
    urgency: str
    amount: Money | None
    began_at: datetime
    deadline_at: datetime | None = None
    snoozed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Claims of one age, and their sum in the currency they stand under."""

    amount: Decimal
    claims: int


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Open claims in one currency; ``buckets`` by age, as AGE_BOUNDS divides."""

    total: Money
    claims: int
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """``unknown``: items to decide whose amount or currency is not known yet; ``oldest_at``: of what is to decide."""

    waiting: int = 0
    snoozed: int = 0
    to_decide: int = 0
    blocking: int = 0
    oldest_at: datetime | None = None
    at_risk: tuple[AtRisk, ...] = ()  # one a currency, that of most claims first
    unknown: int = 0


def add_up(items: Iterable[Item], now: datetime) -> Totals:
    """The totals of these items; what is resolved adds nothing."""
    return add_stakes((stake_of(item) for item in items if item.state != "resolved"), now)


def add_stakes(stakes: Iterable[Stake], now: datetime) -> Totals:
    """The totals of these stakes."""
    adding = Adding(now)
    for stake in stakes:
        adding.add(stake)
    return adding.totals()


def is_snoozed(until: datetime | None, now: datetime) -> bool:
    return until is not None and until > now


def is_to_decide(urgency: str, deadline_at: datetime | None, now: datetime) -> bool:
    """Whether this is more than information, or due within a week."""
    return urgency != "info" or (deadline_at is not None and deadline_at <= now + DUE_WITHIN)


def began_at(item: Item) -> datetime:
    """Since when it waits: as the source says, else since Casebell heard of it."""
    return min(item.snapshot.created_at or item.opened_at, item.opened_at)


def stake_of(item: Item) -> Stake:
    said = item.snapshot
    return Stake(_names(item), said.urgency, said.amount, began_at(item), said.deadline_at, item.snoozed_until)


def _names(item: Item) -> tuple[str, ...]:
    """Of the debt or case, and one that two systems share which surely mean the same; a conflict has only that."""
    said, twin = item.snapshot, item.twin
    own = f"{said.source}:{said.account}:{said.debt_id or said.case_id or said.key}"
    systems = [(side.source, side.account) for side in said.sides]
    if twin is not None and twin.is_sure:
        systems = [(said.source, said.account), (twin.source, twin.account)]
    number = reference_of(said.reference)
    if not systems or number is None:
        return (own,)
    shared = f"{sorted(systems)} {number}"
    return (shared,) if said.sides else (own, shared)


_Worth = tuple[bool, Decimal, str]  # whether the currency is known, the amount, the currency or ""


@dataclass(slots=True)
class _Claim:
    """One receivable. ``worth``: the greatest amount that was said of it, in a known currency if there is one."""

    names: tuple[str, ...]
    oldest_at: datetime
    items: int
    worth: _Worth | None

    def with_(self, other: "_Claim") -> "_Claim":
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        worth = max(filter(None, (self.worth, other.worth)), default=None)
        return _Claim(names, min(self.oldest_at, other.oldest_at), self.items + other.items, worth)


class Adding:
    """Totals in the making: for who reads items one by one."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._counts: dict[str, int] = defaultdict(int)
        self._oldest_at: datetime | None = None
        self._claims: dict[str, _Claim] = {}  # by each of their names

    def add(self, stake: Stake) -> None:
        if is_snoozed(stake.snoozed_until, self._now):
            self._counts["snoozed"] += 1
            return
        self._counts["waiting"] += 1
        if not is_to_decide(stake.urgency, stake.deadline_at, self._now):
            return
        self._counts["to_decide"] += 1
        self._counts["blocking"] += stake.urgency == "blocking"
        self._oldest_at = min(self._oldest_at or stake.began_at, stake.began_at)
        self._count_claim(stake)

    def totals(self) -> Totals:
        unknown, buckets = 0, defaultdict[str, list[Bucket]](lambda: [Bucket(Decimal(), 0)] * (len(AGE_BOUNDS) + 1))
        for claim in {id(claim): claim for claim in self._claims.values()}.values():
            is_known, amount, currency = claim.worth or (False, None, "")
            if not is_known and (amount is None or amount > 0):
                unknown += claim.items
            elif amount is not None and amount > 0:
                place = bisect_right(AGE_BOUNDS, (self._now - claim.oldest_at).days)
                before = buckets[currency][place]
                buckets[currency][place] = Bucket(before.amount + amount, before.claims + 1)
        at_risk = sorted(_sums(buckets), key=lambda one: (-one.claims, one.total.currency or ""))
        return Totals(**self._counts, oldest_at=self._oldest_at, at_risk=tuple(at_risk), unknown=unknown)

    def _count_claim(self, stake: Stake) -> None:
        claim = _Claim(stake.names, stake.began_at, 1, _worth(stake.amount))
        known = [self._claims[name] for name in stake.names if name in self._claims]
        for other in {id(one): one for one in known}.values():
            claim = claim.with_(other)
        for name in claim.names:
            self._claims[name] = claim


def _worth(money: Money | None) -> _Worth | None:
    if money is None:
        return None
    return (True, money.amount, money.currency or "") if is_known(money.currency) else (False, money.amount, "")


def _sums(buckets: dict[str, list[Bucket]]) -> Iterator[AtRisk]:
    for currency, ages in buckets.items():
        total = Money(sum((age.amount for age in ages), Decimal()), currency)
        yield AtRisk(total, sum(age.claims for age in ages), tuple(ages))
