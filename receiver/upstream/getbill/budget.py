"""How many calls an hour Getbill still allows us, so that polling never eats what a person's click needs.

Serves steps 4 and 9. Two classes, "read" and "write", each a sliding window (getbill.md, Rate limits). What the
response headers say beats our own count: other programs may use the same OAuth client.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from receiver.errors import RetryLaterError

READ, WRITE = "read", "write"
KEPT_BACK = 0.05  # of the limit: for people, never for polling
LARGEST_LIMIT = 10_000_000


@dataclass(slots=True)
class _Class:
    limit: int
    window_s: float
    spent_at: deque[float] = field(default_factory=deque)
    told: int | None = None  # what the newest headers left us, less what was spent since
    told_until: float = 0.0  # Unix seconds; afterwards our own count is the better guess

    def remaining(self, now_s: float) -> int:
        while self.spent_at and self.spent_at[0] <= now_s - self.window_s:
            self.spent_at.popleft()
        if self.told is not None and now_s < self.told_until:
            return max(self.told, 0)
        return max(self.limit - len(self.spent_at), 0)

    def opens_in_s(self, now_s: float) -> float:
        if self.told is not None and now_s < self.told_until:
            return self.told_until - now_s
        return self.spent_at[0] + self.window_s - now_s if self.spent_at else 1.0


class Budget:
    """The allowance of one account. ``now_s``: Unix seconds, for the headers speak in those."""

    def __init__(
        self, limit: Mapping[str, int], window_s: float = 3600.0, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self._classes = {name: _Class(most, window_s) for name, most in limit.items()}
        self._now_s = now_s

    def remaining(self, cls: str) -> int:
        return self._classes[cls].remaining(self._now_s())

    def limit(self, cls: str) -> int:
        """Calls an hour, as configured or as Getbill's headers say."""
        return self._classes[cls].limit

    def share(self, cls: str) -> float:
        """What is left, as a share of the limit."""
        return self.remaining(cls) / self._classes[cls].limit

    def wait_s(self, cls: str, needed: int) -> float:
        """Seconds until so many calls may be left; 0: they are."""
        counted, now_s = self._classes[cls], self._now_s()
        if counted.remaining(now_s) >= min(needed, counted.limit):
            return 0.0
        return min(max(counted.opens_in_s(now_s), 1.0), 3600.0)

    def spend(self, cls: str, *, is_interactive: bool = False) -> None:
        """Count one call. Raises RetryLaterError("budget") when polling would use what is kept back for people."""
        counted, now_s = self._classes[cls], self._now_s()
        left = counted.remaining(now_s)
        if not is_interactive and left <= counted.limit * KEPT_BACK:
            after_s = min(max(counted.opens_in_s(now_s), 1.0), 3600.0)
            what = f"the hourly allowance for {cls}s is nearly used up"
            raise RetryLaterError("budget", what, after_s, reach="ours")
        counted.spent_at.append(now_s)
        if counted.told is not None:
            counted.told -= 1

    def close(self, cls: str, for_s: float) -> None:
        """Getbill answered 429: nothing is left for so long, whatever was counted."""
        counted = self._classes[cls]
        counted.told, counted.told_until = 0, self._now_s() + for_s

    def hear(self, cls: str, headers: Mapping[str, str]) -> None:
        """Take in ``X-RateLimit-*``; what is missing or makes no sense changes nothing."""
        counted, now_s = self._classes[cls], self._now_s()
        limit, window = _number(headers, "limit"), _number(headers, "window")
        remaining, reset = _number(headers, "remaining"), _number(headers, "reset")
        if limit:
            counted.limit = limit
        if window:
            counted.window_s = float(window)
        if remaining is not None:
            ends = float(reset) if reset is not None else math.nan
            is_sane = now_s < ends <= now_s + 2 * counted.window_s
            counted.told, counted.told_until = remaining, ends if is_sane else now_s + 60.0


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(f"x-ratelimit-{name}", "").strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len("1767225600") else -1
    return number if number >= 0 and (name == "reset" or number <= LARGEST_LIMIT) else None
