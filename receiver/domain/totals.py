"""Counts items and adds up the amounts at risk. Nothing else adds amounts. Pure.

An item waits while it is neither resolved nor snoozed. Its amount is at risk if the item needs a decision. A receivable
counts once, however many items are about it, such as a dispute, a partner's question and their conflict.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from receiver.domain.item import Item
from receiver.domain.money import Money, is_known_currency
from receiver.domain.twin import reference_of

AGE_BOUNDS = (2, 8, 15, 31)  # days; the buckets are 0-1, 2-7, 8-14, 15-30 and older
DUE_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Stake:
    """What an unresolved item adds to the totals. Items that share one of ``names`` are about the same receivable."""

    names: tuple[str, ...]
    urgency: str
    amount: Money | None
    began_at: datetime
    deadline_at: datetime | None = None
    snoozed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The number of claims of one age, and the sum of their amounts in one currency, in major units."""

    amount: Decimal
    claims: int


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Open claims in one currency; ``buckets`` by age (AGE_BOUNDS)."""

    total: Money
    claims: int
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """``unknown``: items to decide without a known amount or currency; ``oldest_at``: start of the oldest to decide."""

    waiting: int = 0
    snoozed: int = 0
    to_decide: int = 0
    blocking: int = 0
    oldest_at: datetime | None = None
    at_risk: tuple[AtRisk, ...] = ()  # one for each currency, the one with most claims first
    unknown: int = 0


def sum_items(items: Iterable[Item], now: datetime) -> Totals:
    """The totals of these items; resolved ones add nothing."""
    return sum_stakes((stake_of(item) for item in items if item.state != "resolved"), now)


def sum_stakes(stakes: Iterable[Stake], now: datetime) -> Totals:
    builder = TotalsBuilder(now)
    for stake in stakes:
        builder.add(stake)
    return builder.totals()


def is_snoozed(until: datetime | None, now: datetime) -> bool:
    return until is not None and until > now


def is_to_decide(urgency: str, deadline_at: datetime | None, now: datetime) -> bool:
    """Whether the item needs a decision: it is more than information, or its deadline is within a week."""
    return urgency != "info" or (deadline_at is not None and deadline_at <= now + DUE_WITHIN)


def began_at(item: Item) -> datetime:
    """Since when the item waits: when the source created it, else when Casebell first saw it."""
    return min(item.snapshot.created_at or item.opened_at, item.opened_at)


def stake_of(item: Item) -> Stake:
    snapshot = item.snapshot
    return Stake(
        _names(item), snapshot.urgency, snapshot.amount, began_at(item), snapshot.deadline_at, item.snoozed_until
    )


def _names(item: Item) -> tuple[str, ...]:
    """Names of the item's receivable: its debt or case, and one shared by certain twins (a conflict's only name)."""
    snapshot, twin = item.snapshot, item.twin
    own = f"{snapshot.source}:{snapshot.account}:{snapshot.debt_id or snapshot.case_id or snapshot.key}"
    systems = [(side.source, side.account) for side in snapshot.sides]
    if twin is not None and twin.is_sure:
        systems = [(snapshot.source, snapshot.account), (twin.source, twin.account)]
    reference = reference_of(snapshot.reference)
    if not systems or reference is None:
        return (own,)
    shared = f"{sorted(systems)} {reference}"
    return (shared,) if snapshot.sides else (own, shared)


_Worth = tuple[bool, Decimal, str]  # whether the currency is known, the amount, the currency or ""


@dataclass(slots=True)
class _Claim:
    """One receivable. ``worth``: the greatest of its items' amounts, those in a known currency first."""

    names: tuple[str, ...]
    oldest_at: datetime
    items: int
    worth: _Worth | None

    def merge(self, other: "_Claim") -> "_Claim":
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        worth = max(filter(None, (self.worth, other.worth)), default=None)
        return _Claim(names, min(self.oldest_at, other.oldest_at), self.items + other.items, worth)


class TotalsBuilder:
    """Builds totals from stakes that are added one by one."""

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
                age = bisect_right(AGE_BOUNDS, (self._now - claim.oldest_at).days)
                before = buckets[currency][age]
                buckets[currency][age] = Bucket(before.amount + amount, before.claims + 1)
        at_risk = sorted(_sums(buckets), key=lambda sums: (-sums.claims, sums.total.currency or ""))
        return Totals(**self._counts, oldest_at=self._oldest_at, at_risk=tuple(at_risk), unknown=unknown)

    def _count_claim(self, stake: Stake) -> None:
        claim = _Claim(stake.names, stake.began_at, 1, _sort_key(stake.amount))
        known = [self._claims[name] for name in stake.names if name in self._claims]
        for other in {id(each): each for each in known}.values():
            claim = claim.merge(other)
        for name in claim.names:
            self._claims[name] = claim


def _sort_key(money: Money | None) -> _Worth | None:
    if money is None:
        return None
    is_known = is_known_currency(money.currency)
    return is_known, money.amount, (money.currency or "") if is_known else ""


def _sums(buckets: dict[str, list[Bucket]]) -> Iterator[AtRisk]:
    for currency, ages in buckets.items():
        total = Money(sum((age.amount for age in ages), Decimal()), currency)
        yield AtRisk(total, sum(age.claims for age in ages), tuple(ages))
