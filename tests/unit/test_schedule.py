"""When a digest is due, against a simple model that checks every minute on the local clock."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.schedule import Schedule
from receiver.settings.values import check_cron

MINUTE = timedelta(minutes=1)
ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # at midnight
    "Africa/Cairo",  # at midnight, southern and back
    "Africa/Casablanca",  # twice a year more
    "Asia/Kathmandu",
    "Pacific/Kiritimati",  # thirteen and fourteen hours ahead
    "Pacific/Apia",
    "Pacific/Chatham",
)
NIGHTS = (  # before clocks change somewhere
    datetime(2026, 3, 7, 20, tzinfo=UTC),
    datetime(2026, 3, 28, 20, tzinfo=UTC),
    datetime(2026, 4, 4, 8, tzinfo=UTC),
    datetime(2026, 4, 23, 16, tzinfo=UTC),
    datetime(2026, 9, 5, 22, tzinfo=UTC),
    datetime(2026, 10, 3, 10, tzinfo=UTC),
    datetime(2026, 10, 24, 20, tzinfo=UTC),
    datetime(2026, 10, 31, 20, tzinfo=UTC),
    datetime(2011, 12, 29, 20, tzinfo=UTC),  # Samoa leaves a whole day out
)
DAYS = timedelta(hours=40)


def numbers(least: int, most: int) -> st.SearchStrategy[str]:
    """A field of a cron expression: all, each so many, a list, or a range."""
    one = st.integers(least, most)
    pair = st.tuples(one, one).map(sorted)
    return st.one_of(
        st.just("*"),
        st.integers(1, 20).map(lambda step: f"*/{step}"),
        st.lists(one, min_size=1, max_size=3).map(lambda all_: ",".join(map(str, all_))),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(pair, st.integers(1, 9)).map(lambda given: f"{given[0][0]}-{given[0][1]}/{given[1]}"),
    )


CRONS = st.tuples(numbers(0, 59), numbers(0, 23), numbers(1, 31), st.just("*"), numbers(0, 7)).map(" ".join)


def fits(field: str, value: int, least: int, most: int) -> bool:
    """Whether a number is in a field, as crontab(5) reads it."""
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, last = least, most
        if span != "*":
            first, _, last_text = span.partition("-")  # type: ignore[assignment]
            first = int(first)
            last = int(last_text) if last_text else (most if step else first)
        if first <= value <= last and (value - first) % int(step or 1) == 0:
            return True
    return False


def is_due(cron: str, wall: datetime) -> bool:
    minute, hour, day, _month, weekday = cron.split()
    is_day = fits(day, wall.day, 1, 31)
    is_weekday = any(fits(weekday, number, 0, 7) for number in {wall.isoweekday(), wall.isoweekday() % 7})
    both = day.startswith("*") or weekday.startswith("*")
    is_date = (is_day and is_weekday) if both else (is_day or is_weekday)
    return fits(minute, wall.minute, 0, 59) and fits(hour, wall.hour, 0, 23) and is_date


def model(cron: str, timezone: str, start: datetime, end: datetime) -> list[datetime]:
    """Somebody looks at a clock every minute: due when it shows a time that is due and has not been shown before, or
    when it has jumped over one."""
    zone = ZoneInfo(timezone)
    due: list[datetime] = []
    at = start - timedelta(days=2)
    furthest = at.astimezone(zone).replace(tzinfo=None)
    while at < end:
        at += MINUTE
        wall = at.astimezone(zone).replace(tzinfo=None)
        passed = []
        while furthest < wall:
            furthest += MINUTE
            passed.append(furthest)
        if at > start and any(is_due(cron, one) for one in passed):
            due.append(at)
    return due


def told(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    slots = []
    at = schedule.next_after(start)
    while at is not None and at <= end:
        slots.append(at)
        at = schedule.next_after(at)
    return slots


@given(CRONS, st.sampled_from(ZONES), st.sampled_from(NIGHTS), st.integers(0, 1_200))
def test_every_slot_comes_once_and_none_is_left_out(cron: str, timezone: str, night: datetime, shift: int) -> None:
    start = night + shift * MINUTE
    expected = model(cron, timezone, start, start + DAYS)

    assert told(Schedule(cron, timezone), start, start + DAYS) == expected


@given(CRONS, st.sampled_from(ZONES), st.sampled_from(NIGHTS), st.integers(0, 1_200), st.integers(0, 2_000))
def test_after_an_outage_the_newest_slot_is_the_one(
    cron: str, timezone: str, night: datetime, shift: int, away: int
) -> None:
    start = night + shift * MINUTE
    end = start + away * MINUTE
    missed = model(cron, timezone, start, end)

    assert Schedule(cron, timezone).latest_between(start, end) == (missed[-1] if missed else None)


@given(CRONS, st.sampled_from(ZONES), st.integers(0, 3_000_000))
def test_the_next_slot_is_always_later(cron: str, timezone: str, minutes: int) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC) + minutes * MINUTE
    slot = Schedule(cron, timezone).next_after(start)

    assert slot is None or start < slot


@pytest.mark.parametrize(
    ("cron", "timezone", "after", "slot"),
    [
        ("30 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", "2026-03-29T01:00Z"),  # 02:30 is skipped: at 03:00
        ("30 2 * * *", "Europe/Paris", "2026-10-24T12:00Z", "2026-10-25T00:30Z"),  # 02:30 comes twice: the first
        ("30 2 * * *", "Europe/Paris", "2026-10-25T00:30Z", "2026-10-26T01:30Z"),
        ("30 2 * * *", "Europe/Paris", "2026-10-25T01:10Z", "2026-10-26T01:30Z"),  # asked between the two
        ("*/30 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", "2026-03-29T01:00Z"),
        ("0 0 * * *", "America/Santiago", "2026-09-05T12:00Z", "2026-09-06T04:00Z"),  # there is no midnight
        ("30 8 * * 1-5", "Europe/Paris", "2026-03-27T08:00Z", "2026-03-30T06:30Z"),  # over the weekend of the change
        ("0 8 30 12 *", "Pacific/Apia", "2011-12-01T00:00Z", "2011-12-30T10:00Z"),  # a day that never was
        ("0 9 29 2 *", "UTC", "2026-01-01T00:00Z", "2028-02-29T09:00Z"),
    ],
)
def test_known_nights(cron: str, timezone: str, after: str, slot: str) -> None:
    assert Schedule(cron, timezone).next_after(datetime.fromisoformat(after)) == datetime.fromisoformat(slot)


def test_years_away_cost_one_slot_and_no_time() -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)

    assert Schedule("* * * * *", "Europe/Paris").latest_between(now - timedelta(days=4_000), now) == now
    assert Schedule("0 9 29 2 *", "UTC").latest_between(now - timedelta(days=4_000), now) == datetime(
        2024, 2, 29, 9, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("cron", "fault"),
    [
        ("0 8 30 2 *", "(bad day-of-month)"),
        ("0 8 31 2,4,6,9,11 *", "(bad day-of-month)"),
        ("0 25 * * *", "(bad hour)"),
        ("0 8 * * 1-", "(bad day-of-week)"),
        ("*/0 8 * * *", "(bad minute)"),
        ("0 8 */31 * 5#2", "is never due"),
    ],
)
def test_a_cron_expression_that_is_wrong_or_never_due_is_a_fault_of_the_configuration(cron: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        check_cron(cron)


@given(CRONS)
def test_what_the_settings_accept_can_be_scheduled(cron: str) -> None:
    try:
        checked = check_cron(cron)
    except ValueError as error:
        assert "(bad day-of-month)" in str(error)  # noqa: PT017 - both answers are right, but none may be another
        return

    assert Schedule(checked, "Europe/Paris").next_after(datetime(2026, 1, 1, tzinfo=UTC)) is not None
