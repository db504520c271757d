"""How long an item is left in peace: the wishes people choose from, or a date. Pure."""

from datetime import date, datetime, timedelta

from receiver.domain.business_time import Calendar

CHOICES = ("1h", "4h", "tomorrow", "monday")
LONGEST = timedelta(days=366)
_HOURS = {"1h": timedelta(hours=1), "4h": timedelta(hours=4)}
_MONDAY = 0


def snooze_until(wish: str, now: datetime, calendar: Calendar) -> datetime | None:
    """One of CHOICES or an ISO date as an instant; days end when business opens. None: not understood, past, or
    more than a year away."""
    if wish in _HOURS:
        return now + _HOURS[wish]
    day = _day(wish, calendar.today(now))
    if day is None:
        return None
    until = calendar.morning(day)
    return until if now < until <= now + LONGEST else None


def _day(wish: str, today: date) -> date | None:
    if wish == "tomorrow":
        return today + timedelta(days=1)
    if wish == "monday":
        return today + timedelta(days=7 - (today.weekday() - _MONDAY) % 7)
    try:
        day = date.fromisoformat(wish)
    except ValueError:
        return None
    return day if today <= day <= today + LONGEST else None
