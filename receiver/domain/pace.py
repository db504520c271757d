"""Limits how fast deliveries go to a destination: a token bucket whose state is one instant. Pure.

``full_at`` is when the bucket will be full again; None means that it is full. Each delivery moves it one interval into
the future, where it may be at most ``burst`` intervals from now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Pace:
    """``per_s`` deliveries a second on average, ``burst`` at once after a pause."""

    per_s: float
    burst: int

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=1 / self.per_s)

    def available(self, full_at: datetime | None, now: datetime) -> int:
        """How many deliveries may go now."""
        if full_at is None or full_at <= now:
            return self.burst
        return max(int((now + self.burst * self.interval - full_at) / self.interval), 0)

    def full_at_after(self, full_at: datetime | None, now: datetime, count: int) -> datetime:
        """The new ``full_at`` after ``count`` deliveries."""
        start = now if full_at is None else max(full_at, now)
        return start + count * self.interval

    def full_at_if_empty(self, now: datetime) -> datetime:
        """The ``full_at`` of a bucket that is empty now."""
        return now + self.burst * self.interval

    def next_at(self, full_at: datetime) -> datetime:
        """When the next delivery may go."""
        return full_at - (self.burst - 1) * self.interval


@dataclass(frozen=True, slots=True)
class Paces:
    """The pace of each Slack channel and of the mail server. Sources have their own rate limits.

    ``bursts``: by destination, how many alerts get a message each; those above it are grouped into one.
    """

    slack: Pace = Pace(1.0, 5)
    mail: Pace = Pace(10.0, 50)
    bursts: Mapping[str, Pace] = field(default_factory=dict)

    def of(self, scope: str) -> Pace | None:
        """The pace of a failure scope (``breaker.failure_scope_of``); None if it has none."""
        if scope == "mail":
            return self.mail
        return self.slack if scope.startswith("slack:") else None
