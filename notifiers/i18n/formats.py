"""Formats sentences, amounts, numbers and dates for one language, timezone and time. Pure.

It guesses nothing: an amount without a known currency is a bare number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_interval, format_timedelta
from babel.numbers import format_decimal, format_percent

from receiver.domain.money import Money, format_money

# British English: 24 hours, the day before the month, US$ beside €.
_LOCALES = {"en": "en_GB"}
_DOTTED = frozenset({"da", "de"})  # languages that write "4. marts"
_MAX_PLAIN_DIGITS = 15


class Say(Protocol):
    """``ports.Translator.say``."""

    def __call__(self, locale: str, message: str, **values: object) -> str: ...


class SentenceTranslator(Protocol):
    """The part of the translator that ``Formats`` calls."""

    def say(self, locale: str, message: str, **values: object) -> str: ...

    def plural(self, locale: str, one: str, many: str, n: int, **values: object) -> str: ...


@dataclass(frozen=True, slots=True)
class Formats:
    """``language`` must have a catalog; ``now`` is the time to which ages refer."""

    translator: SentenceTranslator
    language: str
    zone: tzinfo
    now: datetime

    def gettext(self, message: str, **values: object) -> str:
        """The translated sentence; ``{name}`` placeholders are filled from ``values``."""
        return self.translator.say(self.language, message, **values)

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str:
        """The translated plural form for ``n``, which also fills ``{n}``."""
        return self.translator.plural(self.language, one, many, n, **values)

    def money(self, money: Money) -> str:
        """The amount with its currency; a bare number when the currency is missing or not in ISO 4217."""
        return format_money(money, self.language)

    def percent(self, hundredths: int) -> str:
        """``hundredths`` from 0 to 100; anything beyond is limited to that."""
        return str(format_percent(min(max(hundredths, 0), 100) / 100, locale=self._locale))

    def number(self, number: int) -> str:
        return str(number) if abs(number) >= 10**_MAX_PLAIN_DIGITS else str(format_decimal(number, locale=self._locale))

    def day(self, day: date) -> str:
        """Such as "15 Apr", with the year when it is not the current one."""
        day = self.local(day).date() if isinstance(day, datetime) else day
        return str(format_date(day, self._pattern(day), locale=self._locale))

    def days(self, first: date, last: date) -> str:
        """Such as "3–9 Feb"."""
        return str(format_interval(first, last, "MMMd", locale=self._locale))

    def moment(self, at: datetime) -> str:
        """Such as "Wed 4 Mar, 10:00", in ``zone``."""
        local = self.local(at)
        pattern = f"EEE {self._pattern(local)}, HH:mm"
        return str(format_datetime(local, pattern, locale=self._locale))

    def clock(self, at: datetime) -> str:
        """Such as "10:00", in ``zone``."""
        return str(format_datetime(self.local(at), "HH:mm", locale=self._locale))

    def age(self, at: datetime) -> str:
        """Such as "3 hours ago", or "in 3 hours"."""
        difference = at - self.now
        if abs(difference) < timedelta(minutes=1):
            return self.gettext("just now")
        return str(format_timedelta(difference, add_direction=True, threshold=1, locale=self._locale))

    def today(self) -> date:
        """The day of ``now`` in ``zone``."""
        return self.local(self.now).date()

    def local(self, at: datetime) -> datetime:
        try:
            return at.astimezone(self.zone)
        except OverflowError:  # in the first or the last year that datetime supports
            return at

    def _pattern(self, day: date) -> str:
        pattern = "d. MMM" if self.language in _DOTTED else "d MMM"
        return pattern if day.year == self.now.year else f"{pattern} y"

    @property
    def _locale(self) -> str:
        return _LOCALES.get(self.language, self.language)


def zone_of(name: str) -> tzinfo:
    """The timezone of that name; UTC when the name is unknown."""
    load: Callable[[str], tzinfo] = ZoneInfo
    try:
        return load(name)
    except (KeyError, ValueError, OSError):
        return UTC
