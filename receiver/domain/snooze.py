"""Decides when a snooze ends: after one of the offered durations, or on a date. Pure."""

from datetime import date, datetime, timedelta

from receiver.domain.business_time import Calendar

CHOICES = ("1h", "4h", "tomorrow", "monday")
MAX_SNOOZE = timedelta(days=366)
_HOURS = {"1h": timedelta(hours=1), "4h": timedelta(hours=4)}
_MONDAY = 0


def snooze_until(choice: str, now: datetime, calendar: Calendar) -> datetime | None:
    """The end of a snooze, for one of CHOICES or an ISO date (then at opening time).

    None if ``choice`` is neither, or its end is in the past or more than a year away.
    """
    if choice in _HOURS:
        return now + _HOURS[choice]
    day = _parse_day(choice, calendar.local_date(now))
    if day is None:
        return None
    until = calendar.opening_time(day)
    return until if now < until <= now + MAX_SNOOZE else None


def _parse_day(choice: str, today: date) -> date | None:
    if choice == "tomorrow":
        return today + timedelta(days=1)
    if choice == "monday":
        return today + timedelta(days=7 - (today.weekday() - _MONDAY) % 7)
    try:
        day = date.fromisoformat(choice)
    except ValueError:
        return None
    return day if today <= day <= today + MAX_SNOOZE else None
