"""When something regular is due: a cron expression in a time zone, pure. It asks nobody for the time.

The rule on nights when the clocks change: each wall-clock time counts once. One that the clocks repeat is due the first
time; one that they skip is due at the moment they skip to, and several skipped together are due together. cronsim reads
the expression as Debian's cron does, on a calendar without any zone: its own treatment of such nights skips
"*/30 2 * * *" in spring and doubles it in autumn, and it looks back in time from within a repeated hour.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

_MINUTE = timedelta(minutes=1)
_FIRST_LOOK = timedelta(hours=2)
_RANGE_OF_ONE = re.compile(r"(?<!\w)(\w+)-\1/\d+")  # cronsim takes "5-5/2" for "5/2", from 5 on


@dataclass(frozen=True, slots=True)
class Schedule:
    """``cron`` has five fields; both were checked when the settings were read."""

    cron: str
    timezone: str

    def next_after(self, at: datetime) -> datetime | None:
        """The first slot later than ``at``, in UTC; None when there is none within fifty years."""
        return next(self._slots_after(at), None)

    def newest_within(self, after: datetime, until: datetime) -> datetime | None:
        """The last slot later than ``after`` and not later than ``until``: however many were missed, it is one."""
        look_back = _FIRST_LOOK
        while True:
            start = max(after, until - look_back)
            newest = None
            for slot in self._slots_after(start):
                if slot > until:
                    break
                newest = slot
            if newest is not None or start == after:
                return newest
            look_back *= 20

    def _slots_after(self, at: datetime) -> Iterator[datetime]:
        zone = ZoneInfo(self.timezone)
        newest = at
        for wall in CronSim(_RANGE_OF_ONE.sub(r"\1", self.cron), _wall(at, zone)):
            slot = _instant(wall, zone)
            if slot > newest:
                newest = slot
                yield slot


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    """What a clock in the zone shows, as a time of no zone."""
    return at.astimezone(zone).replace(tzinfo=None)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When a clock in the zone shows this for the first time or, if it never does, when it jumps past it."""
    while True:
        slot = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if _wall(slot, zone) == wall:
            return slot
        wall += _MINUTE
