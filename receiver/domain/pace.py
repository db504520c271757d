"""How fast a destination is told things: a bucket of tokens, kept as one instant. Pure.

``full_at`` is when the bucket will be full again: each delivery moves it by one interval, and there is room for one
more while that stays within ``burst`` intervals from now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Pace:
    """``per_s`` deliveries a second on average, ``burst`` at once after a rest."""

    per_s: float
    burst: int

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=1 / self.per_s)

    def room(self, full_at: datetime | None, now: datetime) -> int:
        """How many may go now."""
        if full_at is None or full_at <= now:
            return self.burst
        return max(int((now + self.burst * self.interval - full_at) / self.interval), 0)

    def take(self, full_at: datetime | None, now: datetime, count: int) -> datetime:
        """When the bucket will be full again after these."""
        start = now if full_at is None else max(full_at, now)
        return start + count * self.interval

    def empty(self, now: datetime) -> datetime:
        """When the bucket will be full again if nothing is in it now."""
        return now + self.burst * self.interval

    def opens_at(self, full_at: datetime) -> datetime:
        """When there is room for one again."""
        return full_at - (self.burst - 1) * self.interval


@dataclass(frozen=True, slots=True)
class Paces:
    """Slack: for each channel; mail: for the server. Sources have allowances of their own.

    ``bursts``: how many alerts ring by themselves, by destination; what is above is told in one message.
    """

    slack: Pace = Pace(1.0, 5)
    mail: Pace = Pace(10.0, 50)
    bursts: Mapping[str, Pace] = field(default_factory=dict)

    def of(self, place: str) -> Pace | None:
        if place == "mail":
            return self.mail
        return self.slack if place.startswith("slack:") else None
