"""Decides when a digest is due: a cron expression in a time zone. Pure.

When the clock changes, each local time counts once. A repeated time is due the first time. A skipped time is due at the
instant of the change; several skipped times give one slot. cronsim therefore works on local times without a zone here:
its own handling of clock changes skips "*/30 2 * * *" in spring and runs it twice in autumn.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

_MINUTE = timedelta(minutes=1)
_FIRST_WINDOW = timedelta(hours=2)
_RANGE_OF_ONE = re.compile(r"(?<!\w)(\w+)-\1/\d+")  # cronsim reads "5-5/2" as "5/2", which means from 5 on


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression of five fields and an IANA time zone, both validated by the settings."""

    cron: str
    timezone: str

    def next_after(self, at: datetime) -> datetime | None:
        """The first slot after ``at``, in UTC; None if there is none within fifty years."""
        return next(self._slots_after(at), None)

    def latest_between(self, after: datetime, until: datetime) -> datetime | None:
        """The last slot after ``after`` and not after ``until``. Slots that were missed are thus made up for once."""
        window = _FIRST_WINDOW
        while True:
            start = max(after, until - window)
            newest = None
            for slot in self._slots_after(start):
                if slot > until:
                    break
                newest = slot
            if newest is not None or start == after:
                return newest
            window *= 20

    def _slots_after(self, at: datetime) -> Iterator[datetime]:
        zone = ZoneInfo(self.timezone)
        newest = at
        for local in CronSim(_RANGE_OF_ONE.sub(r"\1", self.cron), _to_local(at, zone)):
            slot = _to_utc(local, zone)
            if slot > newest:
                newest = slot
                yield slot


def _to_local(at: datetime, zone: ZoneInfo) -> datetime:
    """The local time in the zone, without tzinfo."""
    return at.astimezone(zone).replace(tzinfo=None)


def _to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant with this local time or, if the clock skips it, the instant of the change."""
    while True:
        slot = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if _to_local(slot, zone) == local:
            return slot
        local += _MINUTE
