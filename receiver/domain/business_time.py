"""Business hours, public holidays and quiet hours, in a route's time zone. Pure.

Reminders and escalations count business time. Alerts wait during quiet hours. Opening and closing times are local
times; durations are elapsed time, so on the days of a clock change an interval may be an hour shorter or longer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from babel.core import get_global

OPENS, CLOSES = time(9), time(17)
SATURDAY = 5
MAX_SEARCH = timedelta(days=20 * 366)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Business hours: from ``opens`` to ``closes``, Monday to Friday, except on public holidays of ``country``.

    An unknown ``timezone`` means UTC. ``country`` is ISO 3166 alpha-2; None means no holidays. Only nationwide
    holidays count.
    """

    timezone: str = "UTC"
    country: str | None = None
    opens: time = OPENS
    closes: time = CLOSES

    def is_business_day(self, day: date) -> bool:
        return day.weekday() < SATURDAY and not is_holiday(day, self.country)

    def business_hours_in(self, duration: timedelta) -> timedelta:
        """A configured duration as business hours: each whole day becomes the hours of one business day."""
        hours = timedelta(hours=self.closes.hour - self.opens.hour, minutes=self.closes.minute - self.opens.minute)
        return duration.days * hours + (duration - timedelta(days=duration.days))

    def add(self, at: datetime, duration: timedelta) -> datetime | None:
        """The first instant at which ``duration`` of business time has passed since ``at``; None if not in 20 years."""
        left = self.business_hours_in(duration)
        for start, end in self._open_intervals(at, at + MAX_SEARCH):
            if end - start >= left:
                return start + left
            left -= end - start
        return None

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Business time between two instants; zero if ``end`` is before ``start``."""
        return sum((closes - opens for opens, closes in self._open_intervals(start, end)), timedelta())

    def opening_time(self, day: date) -> datetime:
        """The opening time of this day in UTC, whether it is a business day or not."""
        return self._to_utc(day, self.opens)

    def local_date(self, at: datetime) -> date:
        return at.astimezone(zone_of(self.timezone)).date()

    def _open_intervals(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The business hours between two instants, as intervals in UTC."""
        day, last = self.local_date(start), self.local_date(end)
        while day <= last:
            for opens, closes in self._hours_of(day):
                early, late = max(opens, start), min(closes, end)
                if early < late:
                    yield early, late
            day += _DAY

    def _hours_of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The business hours of a day in UTC: two intervals if the clock goes back across opening or closing time."""
        if not self.is_business_day(day):
            return
        clock_changes = set(self._clock_changes(day))
        if not clock_changes:
            yield self._to_utc(day, self.opens), self._to_utc(day, self.closes)
            return
        edges = sorted(
            {self._to_utc(day, clock, fold) for clock in (self.opens, self.closes) for fold in (0, 1)} | clock_changes
        )
        for early, late in pairwise(edges):
            wall = early.astimezone(zone_of(self.timezone))
            if wall.date() == day and self.opens <= wall.time() < self.closes:
                yield early, late

    def _clock_changes(self, day: date) -> Iterator[datetime]:
        """The instant at which the zone's offset changes on this day, if it does; found by bisection."""
        noon = self._to_utc(day, time(12))
        early, late = noon - timedelta(hours=16), noon + timedelta(hours=16)
        before = _offset(early, self.timezone)
        if before == _offset(late, self.timezone):
            return
        while late - early > _SECOND:
            middle = (early + (late - early) / 2).replace(microsecond=0)
            early, late = (middle, late) if _offset(middle, self.timezone) == before else (early, middle)
        yield late

    def _to_utc(self, day: date, clock: time, fold: int = 0) -> datetime:
        local = datetime.combine(day, clock.replace(fold=fold), zone_of(self.timezone))
        return local.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours in which alerts wait: from ``starts`` to ``ends`` in local time, across midnight if ``ends`` is earlier.

    ``weekends``: Saturday and Sunday are quiet all day. Items with one of the urgencies ``exceptions`` never wait.
    """

    starts: time
    ends: time
    weekends: bool = True
    exceptions: tuple[str, ...] = ()

    def applies_to(self, urgency: str, at: datetime, timezone: str) -> bool:
        """Whether an alert of this urgency must wait at this instant."""
        return urgency not in self.exceptions and self.is_quiet(at, timezone)

    def is_quiet(self, at: datetime, timezone: str) -> bool:
        wall = at.astimezone(zone_of(timezone))
        if self.weekends and wall.weekday() >= SATURDAY:
            return True
        clock = wall.time()
        if self.starts <= self.ends:
            return self.starts <= clock < self.ends
        return clock >= self.starts or clock < self.ends


def country_of(timezone: str) -> str | None:
    """The country of a time zone, by CLDR; None for a zone without one, such as UTC."""
    territory: str | None = get_global("zone_territories").get(timezone)
    return territory if territory and territory.isalpha() and has_holidays(territory) else None


def has_holidays(country: str) -> bool:
    """Whether the public holidays of this country (ISO 3166 alpha-2) are known."""
    return country in holidays.list_supported_countries(include_aliases=False)


@lru_cache(maxsize=4096)
def is_holiday(day: date, country: str | None) -> bool:
    """Whether the day is a nationwide public holiday; False for an unknown country."""
    if country is None or not has_holidays(country):
        return False
    return day in _holidays(country, day.year)


@lru_cache(maxsize=256)
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year))


@lru_cache(maxsize=256)
def zone_of(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _offset(at: datetime, timezone: str) -> timedelta:
    return at.astimezone(zone_of(timezone)).utcoffset() or timedelta()
