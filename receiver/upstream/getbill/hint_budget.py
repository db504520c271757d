"""How many reads an hour a purpose may take, so that a burst of events is answered by few looks at the list (step 4).

An event is only a hint: while the allowance for hints is used up they wait, pile up, and one look answers them all.
"""

from collections.abc import Callable

SHARE_FOR_EVENTS = 0.4  # of the hourly reads; the rest is for sweeps, details and people
AT_ONCE = 240.0  # half of it for events one by one, the other half for looks at the list


class HintBudget:
    """An allowance that fills up steadily; ``now_s``: Unix seconds."""

    def __init__(self, reads_per_hour: float, most: float, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._at_s = now_s()
        self._each_s = max(reads_per_hour, 1.0) / 3600.0
        self._most = self._left = max(most, 1.0)

    def change(self, reads_per_hour: float, most: float) -> None:
        """Fill up at another rate from now on; what is left may shrink and never grows by this."""
        self._fill()
        self._each_s, self._most = max(reads_per_hour, 1.0) / 3600.0, max(most, 1.0)
        self._left = min(self._left, self._most)

    def left(self) -> float:
        """Reads that may be spent now."""
        self._fill()
        return self._left

    def is_half_full(self, reads: int) -> bool:
        """Whether at least half is left after so many reads more."""
        return self.left() - reads >= self._most / 2

    def wait_s(self, reads: int) -> float:
        """Seconds until so many reads may be spent; 0: now. Never more than a full allowance is waited for."""
        return max(min(float(reads), self._most) - self.left(), 0.0) / self._each_s

    def spend(self, reads: int) -> None:
        """What was read; may be more than is left, which those who come next wait for."""
        self._left -= reads

    def lower(self, reads: float) -> None:
        """Go on with no more than so many reads above the half that is kept for looks at the list."""
        self._left = min(self.left(), self._most / 2 + reads)

    def spend_all(self) -> None:
        self._left = min(self.left(), 0.0)

    def _fill(self) -> None:
        now_s = self._now_s()
        self._left = min(self._left + max(now_s - self._at_s, 0.0) * self._each_s, self._most)
        self._at_s = now_s


def for_events(reads_per_hour: int, now_s: Callable[[], float]) -> HintBudget:
    """The allowance of events at an account that may be read so often."""
    share = reads_per_hour * SHARE_FOR_EVENTS
    return HintBudget(share, min(AT_ONCE, share), now_s)
