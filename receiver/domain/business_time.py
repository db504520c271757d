"""Business time: the hours in which somebody can be expected to act, and those in which nobody shall be woken. Pure.

Both are told by the clock on the wall of a route's zone, so that a night in which the clock is changed is an hour
shorter or longer, as it is for people. Durations are real time: an hour is an hour also in that night.
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
LONGEST_LOOK = timedelta(days=20 * 366)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Business hours: from ``opens`` to ``closes``, Monday to Friday, without the public holidays of ``country``.

    ``timezone`` unknown: UTC. ``country`` is ISO 3166 (alpha-2); None: no holidays. Only nationwide holidays count.
    """

    timezone: str = "UTC"
    country: str | None = None
    opens: time = OPENS
    closes: time = CLOSES

    def is_business_day(self, day: date) -> bool:
        return day.weekday() < SATURDAY and not is_holiday(day, self.country)

    def length(self, step: timedelta) -> timedelta:
        """A duration as business hours: each whole day counts as one business day, the rest as it is."""
        hours = timedelta(hours=self.closes.hour - self.opens.hour, minutes=self.closes.minute - self.opens.minute)
        return step.days * hours + (step - timedelta(days=step.days))

    def add(self, at: datetime, step: timedelta) -> datetime | None:
        """The first instant by which ``step`` of business time has passed since ``at``; None: not in twenty years."""
        left = self.length(step)
        for start, end in self._stretches(at, at + LONGEST_LOOK):
            if end - start >= left:
                return start + left
            left -= end - start
        return None

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much business time lies between two instants; none when they are the wrong way round."""
        return sum((late - early for early, late in self._stretches(start, end)), timedelta())

    def morning(self, day: date) -> datetime:
        """When business would open on this day, be it a business day or not."""
        return self._local(day, self.opens)

    def today(self, at: datetime) -> date:
        return at.astimezone(zone_of(self.timezone)).date()

    def _stretches(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The business hours between two instants, each stretch cut to them."""
        day, last = self.today(start), self.today(end)
        while day <= last:
            for opened, closed in self._hours_of(day):
                early, late = max(opened, start), min(closed, end)
                if early < late:
                    yield early, late
            day += _DAY

    def _hours_of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The business hours of a day in UTC; two stretches when the clock is turned back across one of their ends."""
        if not self.is_business_day(day):
            return
        if self._has_even_clock(day):
            yield self._local(day, self.opens), self._local(day, self.closes)
            return
        edges = sorted(
            {self._local(day, clock, fold) for clock in (self.opens, self.closes) for fold in (0, 1)}
            | set(self._turns(day))
        )
        for early, late in pairwise(edges):
            wall = early.astimezone(zone_of(self.timezone))
            if wall.date() == day and self.opens <= wall.time() < self.closes:
                yield early, late

    def _has_even_clock(self, day: date) -> bool:
        early, late = self._around(day)
        return _offset(early, self.timezone) == _offset(late, self.timezone)

    def _turns(self, day: date) -> Iterator[datetime]:
        """When the clock is turned on this day, if it is."""
        early, late = self._around(day)
        before = _offset(early, self.timezone)
        if before == _offset(late, self.timezone):
            return
        while late - early > _SECOND:
            middle = (early + (late - early) / 2).replace(microsecond=0)
            early, late = (middle, late) if _offset(middle, self.timezone) == before else (early, middle)
        yield late

    def _around(self, day: date) -> tuple[datetime, datetime]:
        noon = self._local(day, time(12))
        return noon - timedelta(hours=16), noon + timedelta(hours=16)

    def _local(self, day: date, clock: time, fold: int = 0) -> datetime:
        local = datetime.combine(day, clock.replace(fold=fold), zone_of(self.timezone))
        return local.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which alerts wait: from ``starts`` to ``ends`` o'clock, over midnight when they are that way round.

    ``weekends``: Saturday and Sunday are quiet as a whole. What has one of the urgencies ``exceptions`` never waits.
    """

    starts: time
    ends: time
    weekends: bool = True
    exceptions: tuple[str, ...] = ()

    def holds(self, urgency: str, at: datetime, timezone: str) -> bool:
        """Whether an alert of this urgency waits at this instant."""
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
    """The country whose zone this is; None where it is nobody's own, as UTC is."""
    territory: str | None = get_global("zone_territories").get(timezone)
    return territory if territory and territory.isalpha() and has_holidays(territory) else None


def has_holidays(country: str) -> bool:
    """Whether the public holidays of this country (ISO 3166, alpha-2) are known."""
    return country in holidays.list_supported_countries(include_aliases=False)


@lru_cache(maxsize=4096)
def is_holiday(day: date, country: str | None) -> bool:
    """Whether the day is a public holiday all over the country; an unknown country has none."""
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
