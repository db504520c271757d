"""Decides which single todos and debts to read within the hourly allowance.

One whole list is always reserved, because a list of fifty pages is worth more than fifty single todos. During a burst
of events only the list is read; what is missing then is read later, currencies first.
docs/vendors/getbill.md#rate-limits
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple

from receiver.upstream.getbill.budget import READ, RESERVED_SHARE, Budget
from receiver.upstream.getbill.hint_budget import HintBudget
from receiver.upstream.getbill.listing import Listing

SHARE_FOR_LISTS = 0.4  # of the hourly reads; a list that needs more is read less often
SHARE_FOR_OTHERS = 0.1  # of the hourly reads: for events
SHARE_IN_A_BURST = 0.6  # of an hour's reads for details: at most so many at once
SHARE_FOR_REFRESHING = 0.5  # of the hourly reads must remain before known details are read again
BURST_S = 120.0

# The most urgent first.
Rank = IntEnum("Rank", ["CHANGED", "CURRENCY", "SINGLE", "DECISION", "REFRESH"])


class DetailRead(NamedTuple):
    """A read that would add details. ``debt_id`` None: of the single todo, else of the debt."""

    rank: Rank
    age_s: float
    key: str
    debt_id: str | None = None


class DetailBudget:
    """The part of one account's hourly reads that details may use. ``pages``: expected pages of a whole list."""

    def __init__(self, budget: Budget, listing: Listing, poll_every_s: float, now_s: Callable[[], float]) -> None:
        self.pages = 1
        self._budget = budget
        self._listing = listing
        self._poll_every_s = max(poll_every_s, 1.0)
        self._now_s = now_s
        self._list_only_until_s = 0.0
        self._bucket = HintBudget(*self._rate(), now_s)

    def expect_pages(self, pages: int) -> None:
        """Set the pages of a whole list; they are reserved before any details are read."""
        self.pages = max(pages, 1)
        self._bucket.set_rate(*self._rate())

    def pause_for_burst(self) -> None:
        """Read only the list for BURST_S, because many events arrive."""
        self._list_only_until_s = self._now_s() + BURST_S

    def spend_all(self) -> None:
        """Start with an empty bucket, so that a restart does not cause a burst of reads."""
        self._bucket.spend_all()

    def reserved_reads(self) -> float:
        """Return the reads that details never use: those of people and of one whole list."""
        return self._budget.limit(READ) * RESERVED_SHARE + self.pages

    def is_exhausted(self) -> bool:
        """Whether only the reserved reads are left."""
        return self._budget.remaining(READ) <= self.reserved_reads()

    def available(self) -> int:
        """Return the reads left for details after those of people, events and this hour's lists."""
        limit = self._budget.limit(READ)
        for_lists = max(self._reads_for_lists() - self._listing.count_recent_pages(), 0.0)
        return int(self._budget.remaining(READ) - self.reserved_reads() - limit * SHARE_FOR_OTHERS - for_lists)

    def choose(self, reads: Sequence[DetailRead]) -> list[DetailRead]:
        """Return the affordable ones of ``reads``, which are sorted; each debt and each todo once."""
        if self._now_s() < self._list_only_until_s:
            reads = [read for read in reads if read.rank == Rank.CHANGED]
        if self._budget.share(READ) <= SHARE_FOR_REFRESHING:
            reads = [read for read in reads if read.rank != Rank.REFRESH]
        available = int(min(self.available(), self._bucket.available()))
        n_changed = sum(read.rank == Rank.CHANGED for read in reads)  # the allowance for events pays for these
        distinct: dict[str, DetailRead] = {}
        for read in reads:
            distinct.setdefault(read.debt_id or read.key, read)
        chosen = list(distinct.values())[: max(available, 0) + n_changed]
        self._bucket.spend(sum(read.rank != Rank.CHANGED for read in chosen))
        return chosen

    def _rate(self) -> tuple[float, float]:
        """Return the reads an hour that lists, events and people leave for details, and the most of them at once."""
        limit = self._budget.limit(READ)
        per_hour = limit * (1 - RESERVED_SHARE - SHARE_FOR_OTHERS) - self._reads_for_lists()
        return per_hour, per_hour * SHARE_IN_A_BURST

    def _reads_for_lists(self) -> float:
        """Return the pages of regular lists in an hour."""
        return min(self.pages * 3600 / self._poll_every_s, self._budget.limit(READ) * SHARE_FOR_LISTS)
