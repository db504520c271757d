"""One route's language, timezone and "now" (step 6): says, counts and writes figures as its readers do. Pure.

What is unknown is never guessed: an amount without a known currency is a bare number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_interval, format_timedelta
from babel.numbers import format_decimal, format_percent

from receiver.domain.money import Money, format_money

# English figures as Europe reads them: 24 hours, the day before the month, US$ beside €.
_FIGURES = {"en": "en_GB"}
_DOTTED = frozenset({"da", "de"})  # languages that write "4. marts"
_MOST_PLAIN_DIGITS = 15


class Says(Protocol):
    """What a voice needs of the teller."""

    def say(self, locale: str, message: str, **values: object) -> str: ...

    def plural(self, locale: str, one: str, many: str, n: int, **values: object) -> str: ...


@dataclass(frozen=True, slots=True)
class Formats:
    """``language`` is one that has a catalog."""

    translator: Says
    language: str
    zone: tzinfo
    now: datetime

    def words(self, message: str, **values: object) -> str:
        return self.translator.say(self.language, message, **values)

    def numbered(self, one: str, many: str, n: int, **values: object) -> str:
        return self.translator.plural(self.language, one, many, n, **values)

    def money(self, money: Money) -> str:
        """The amount with its currency; a bare number when that is not known or no currency of this world."""
        return format_money(money, self.language)

    def percent(self, hundredths: int) -> str:
        return str(format_percent(min(max(hundredths, 0), 100) / 100, locale=self._figures))

    def number(self, number: int) -> str:
        return (
            str(number) if abs(number) >= 10**_MOST_PLAIN_DIGITS else str(format_decimal(number, locale=self._figures))
        )

    def day(self, day: date) -> str:
        """Such as "15 Apr", with the year unless it is this one."""
        day = self.local(day).date() if isinstance(day, datetime) else day
        return str(format_date(day, self._pattern(day), locale=self._figures))

    def days(self, first: date, last: date) -> str:
        """Such as "3–9 Feb"."""
        return str(format_interval(first, last, "MMMd", locale=self._figures))

    def moment(self, at: datetime) -> str:
        """Such as "Wed 4 Mar, 10:00", in the route's timezone."""
        local = self.local(at)
        pattern = f"EEE {self._pattern(local)}, HH:mm"
        return str(format_datetime(local, pattern, locale=self._figures))

    def clock(self, at: datetime) -> str:
        """Such as "10:00", in the route's timezone."""
        return str(format_datetime(self.local(at), "HH:mm", locale=self._figures))

    def age(self, at: datetime) -> str:
        """Such as "3 hours ago", or "in 3 hours"."""
        apart = at - self.now
        if abs(apart) < timedelta(minutes=1):
            return self.words("just now")
        return str(format_timedelta(apart, add_direction=True, threshold=1, locale=self._figures))

    def today(self) -> date:
        return self.local(self.now).date()

    def local(self, at: datetime) -> datetime:
        try:
            return at.astimezone(self.zone)
        except OverflowError:  # the first and the last day there is
            return at

    def _pattern(self, day: date) -> str:
        pattern = "d. MMM" if self.language in _DOTTED else "d MMM"
        return pattern if day.year == self.now.year else f"{pattern} y"

    @property
    def _figures(self) -> str:
        return _FIGURES.get(self.language, self.language)


def zone_of(name: str) -> tzinfo:
    """The timezone of that name; UTC for one that is not known here."""
    load: Callable[[str], tzinfo] = ZoneInfo
    try:
        return load(name)
    except (KeyError, ValueError, OSError):
        return UTC
