"""Rate limit of a stand-in: requests counted in a window of time, as the vendors count them."""

from collections import deque


class Window:
    """At most ``limit`` requests in ``window_s`` seconds, sliding, or fixed from the first request on."""

    def __init__(self, limit: int, window_s: float, *, is_fixed: bool = False) -> None:
        self.limit = limit
        self.window_s = window_s
        self.is_fixed = is_fixed
        self._taken: deque[float] = deque()

    def take(self, now_s: float) -> float:
        """Count one request and return 0.0; over the limit count nothing and return the seconds to wait."""
        self._forget(now_s)
        if len(self._taken) >= self.limit:
            return max(self.resets_at(now_s) - now_s, 0.001)
        self._taken.append(now_s)
        return 0.0

    def remaining(self, now_s: float) -> int:
        self._forget(now_s)
        return max(self.limit - len(self._taken), 0)

    def resets_at(self, now_s: float) -> float:
        """When the oldest counted request leaves the window, in Unix seconds."""
        return (self._taken[0] if self._taken else now_s) + self.window_s

    def _forget(self, now_s: float) -> None:
        oldest = now_s - self.window_s
        if self.is_fixed and self._taken and self._taken[0] <= oldest:
            self._taken.clear()
        while self._taken and self._taken[0] <= oldest:
            self._taken.popleft()
