"""A token bucket of reads an hour, so that one read of the list answers a burst of events.

An event is only a hint: when the bucket is empty, events wait and one read of the list answers all of them.
"""

from collections.abc import Callable

SHARE_FOR_EVENTS = 0.4  # of the hourly reads; the rest is for reconciliation, details and people
BURST_READS = 240.0  # half for reading single todos, half for reading the list


class HintBudget:
    """A token bucket with a constant refill. ``now_s``: Unix seconds."""

    def __init__(self, reads_per_hour: float, capacity: float, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._filled_at_s = now_s()
        self._reads_per_s = max(reads_per_hour, 1.0) / 3600.0
        self._capacity = self._available = max(capacity, 1.0)

    def set_rate(self, reads_per_hour: float, capacity: float) -> None:
        """Change refill and capacity. The available reads may shrink and never grow by this."""
        self._fill()
        self._reads_per_s, self._capacity = max(reads_per_hour, 1.0) / 3600.0, max(capacity, 1.0)
        self._available = min(self._available, self._capacity)

    def available(self) -> float:
        """Return the reads that may be spent now."""
        self._fill()
        return self._available

    def is_half_full(self, reads: int) -> bool:
        """Whether at least half is available after ``reads`` more."""
        return self.available() - reads >= self._capacity / 2

    def wait_s(self, reads: int) -> float:
        """Return the seconds until ``reads`` are available, at most those for a full bucket; 0 when they are."""
        return max(min(float(reads), self._capacity) - self.available(), 0.0) / self._reads_per_s

    def spend(self, reads: int) -> None:
        """Take ``reads``. The balance may become negative; later reads wait for it."""
        self._available -= reads

    def lower(self, reads: float) -> None:
        """Leave at most ``reads`` above the half that is reserved for the list."""
        self._available = min(self.available(), self._capacity / 2 + reads)

    def spend_all(self) -> None:
        self._available = min(self.available(), 0.0)

    def _fill(self) -> None:
        now_s = self._now_s()
        self._available = min(self._available + max(now_s - self._filled_at_s, 0.0) * self._reads_per_s, self._capacity)
        self._filled_at_s = now_s


def event_budget(reads_per_hour: int, now_s: Callable[[], float]) -> HintBudget:
    """Return the bucket for the events of an account with this limit."""
    share = reads_per_hour * SHARE_FOR_EVENTS
    return HintBudget(share, min(BURST_READS, share), now_s)
