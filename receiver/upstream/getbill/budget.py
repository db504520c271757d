"""Counts the calls that Getbill's rate limit still allows, so that polling leaves enough for people's clicks.

Two kinds, "read" and "write", each with a sliding window. Response headers override the own count, since other
programs may use the same OAuth client: docs/vendors/getbill.md#rate-limits
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from receiver.errors import RetryLaterError

READ, WRITE = "read", "write"
RESERVED_SHARE = 0.05  # of the limit: for people's clicks, never for polling
MAX_LIMIT = 10_000_000


@dataclass(slots=True)
class _Window:
    limit: int
    window_s: float
    spent_at: deque[float] = field(default_factory=deque)
    reported: int | None = None  # remaining calls by the newest headers, minus those spent since
    reported_until: float = 0.0  # Unix seconds; afterwards the own count is more accurate

    def remaining(self, now_s: float) -> int:
        while self.spent_at and self.spent_at[0] <= now_s - self.window_s:
            self.spent_at.popleft()
        if self.reported is not None and now_s < self.reported_until:
            return max(self.reported, 0)
        return max(self.limit - len(self.spent_at), 0)

    def seconds_until_free(self, now_s: float) -> float:
        if self.reported is not None and now_s < self.reported_until:
            return self.reported_until - now_s
        return self.spent_at[0] + self.window_s - now_s if self.spent_at else 1.0


class Budget:
    """The allowance of one account. ``now_s``: Unix seconds, as in the headers."""

    def __init__(
        self, limit: Mapping[str, int], window_s: float = 3600.0, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self._windows = {name: _Window(calls, window_s) for name, calls in limit.items()}
        self._now_s = now_s

    def remaining(self, kind: str) -> int:
        return self._windows[kind].remaining(self._now_s())

    def limit(self, kind: str) -> int:
        """Return the calls allowed in an hour, as configured or as in the headers."""
        return self._windows[kind].limit

    def share(self, kind: str) -> float:
        """Return the remaining calls as a share of the limit."""
        return self.remaining(kind) / self._windows[kind].limit

    def wait_s(self, kind: str, needed: int) -> float:
        """Return the seconds until ``needed`` calls may be available; 0 when they are."""
        window, now_s = self._windows[kind], self._now_s()
        if window.remaining(now_s) >= min(needed, window.limit):
            return 0.0
        return min(max(window.seconds_until_free(now_s), 1.0), 3600.0)

    def spend(self, kind: str, *, is_interactive: bool = False) -> None:
        """Count one call. Raises RetryLaterError("budget") when polling would use the share reserved for people."""
        window, now_s = self._windows[kind], self._now_s()
        remaining = window.remaining(now_s)
        if not is_interactive and remaining <= window.limit * RESERVED_SHARE:
            after_s = min(max(window.seconds_until_free(now_s), 1.0), 3600.0)
            what = f"the hourly allowance for {kind}s is nearly used up"
            raise RetryLaterError("budget", what, after_s, scope="internal")
        window.spent_at.append(now_s)
        if window.reported is not None:
            window.reported -= 1

    def block(self, kind: str, for_s: float) -> None:
        """Allow no call for ``for_s`` seconds, after a 429."""
        window = self._windows[kind]
        window.reported, window.reported_until = 0, self._now_s() + for_s

    def update_from_headers(self, kind: str, headers: Mapping[str, str]) -> None:
        """Apply ``X-RateLimit-*``; missing or implausible values change nothing."""
        window, now_s = self._windows[kind], self._now_s()
        limit, window_s = _parse_header(headers, "limit"), _parse_header(headers, "window")
        remaining, reset = _parse_header(headers, "remaining"), _parse_header(headers, "reset")
        if limit:
            window.limit = limit
        if window_s:
            window.window_s = float(window_s)
        if remaining is not None:
            reset_at = float(reset) if reset is not None else math.nan
            is_sane = now_s < reset_at <= now_s + 2 * window.window_s
            window.reported, window.reported_until = remaining, reset_at if is_sane else now_s + 60.0


def _parse_header(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(f"x-ratelimit-{name}", "").strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len("1767225600") else -1
    return number if number >= 0 and (name == "reset" or number <= MAX_LIMIT) else None
