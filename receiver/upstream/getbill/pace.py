"""How many reads an hour events may cause, so that a burst of them is answered by few looks at the list (step 4).

An event is only a hint: while the allowance for hints is used up they wait, pile up, and one look answers them all.
"""

from collections.abc import Callable

SHARE_FOR_EVENTS = 0.4  # of the hourly reads; the rest is for sweeps, details and people
AT_ONCE = 240.0  # a morning of disputes, each told at once


class Pace:
    """An allowance that fills up steadily; ``now_s``: Unix seconds."""

    def __init__(self, reads_per_hour: int, now_s: Callable[[], float]) -> None:
        self._each_s = max(reads_per_hour * SHARE_FOR_EVENTS, 1.0) / 3600.0
        self._most = min(AT_ONCE, max(reads_per_hour * SHARE_FOR_EVENTS, 1.0))
        self._left = self._most
        self._now_s = now_s
        self._at_s = now_s()

    def wait_s(self, reads: int) -> float:
        """Seconds until so many reads may be spent; 0: now. Never more than a full allowance is waited for."""
        now_s = self._now_s()
        self._left = min(self._left + max(now_s - self._at_s, 0.0) * self._each_s, self._most)
        self._at_s = now_s
        return max(min(float(reads), self._most) - self._left, 0.0) / self._each_s

    def spend(self, reads: int) -> None:
        """What was read; may be more than is left, which those who come next wait for."""
        self._left -= reads
