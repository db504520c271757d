"""Business time against a simple model that checks every minute on the local clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.business_time import Calendar, QuietHours, country_of, is_holiday

MINUTE = timedelta(minutes=1)
PARIS = Calendar("Europe/Paris", "FR")

# Nights and days in which clocks are turned: Europe, New York, Lord Howe (half an hour), Cairo (at midnight).
TURNS = [
    ("Europe/Paris", "FR", date(2026, 3, 29)),
    ("Europe/Paris", "FR", date(2026, 10, 25)),
    ("America/New_York", "US", date(2026, 3, 8)),
    ("America/New_York", "US", date(2026, 11, 1)),
    ("Australia/Lord_Howe", None, date(2026, 4, 5)),
    ("Africa/Cairo", "EG", date(2026, 4, 24)),
    ("Africa/Cairo", "EG", date(2026, 10, 29)),
    ("Asia/Kolkata", "IN", date(2026, 1, 26)),
    ("UTC", None, date(2026, 3, 2)),
]
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30]))


@st.composite
def calendars(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    """A calendar and an instant near something odd, on a whole minute."""
    zone, country, day = draw(st.sampled_from(TURNS))
    opens, closes = sorted(draw(st.lists(CLOCKS, min_size=2, max_size=2, unique=True)))
    start = datetime.combine(day, time(), UTC) + draw(st.integers(-60, 60)) * timedelta(minutes=37)
    return Calendar(zone, country, opens, closes), start


def is_business_minute(calendar: Calendar, at: datetime) -> bool:
    wall = at.astimezone(ZoneInfo(calendar.timezone))
    is_day = wall.weekday() < 5 and not is_holiday(wall.date(), calendar.country)
    return is_day and calendar.opens <= wall.time() < calendar.closes


@given(calendars(), st.integers(0, 60 * 24 * 4))
def test_business_time_between_two_instants_is_what_counting_minutes_gives(
    given_: tuple[Calendar, datetime], minutes: int
) -> None:
    calendar, start = given_
    counted = sum(is_business_minute(calendar, start + n * MINUTE) for n in range(minutes))

    assert calendar.between(start, start + minutes * MINUTE) == counted * MINUTE


@given(calendars(), st.integers(1, 60 * 12))
def test_adding_business_time_ends_where_counting_minutes_ends(given_: tuple[Calendar, datetime], wanted: int) -> None:
    calendar, start = given_
    end = calendar.add(start, wanted * MINUTE)
    assert end is not None
    counted, at = 0, start
    while counted < wanted and at < start + timedelta(days=30):
        counted += is_business_minute(calendar, at)
        at += MINUTE

    assert end == at or counted < wanted  # a window of minutes a day may need longer than a month


@given(calendars(), st.integers(1, 2000))
def test_what_was_added_is_what_lies_between(given_: tuple[Calendar, datetime], minutes: int) -> None:
    calendar, start = given_
    end = calendar.add(start, minutes * MINUTE)

    assert end is not None
    assert calendar.between(start, end) == calendar.business_hours_in(minutes * MINUTE)


@pytest.mark.parametrize(
    ("opened", "step", "due"),
    [
        pytest.param(
            "2026-03-27T15:00", timedelta(hours=4), "2026-03-30T11:00", id="over a weekend and the summer clock"
        ),
        pytest.param("2026-04-30T15:00", timedelta(days=1), "2026-05-04T15:00", id="over the first of May"),
        pytest.param("2026-07-13T20:00", timedelta(hours=1), "2026-07-15T10:00", id="opened at night before a holiday"),
        pytest.param("2026-03-02T09:00", timedelta(days=2), "2026-03-03T17:00", id="two days end at closing time"),
    ],
)
def test_reminders_fall_when_a_person_in_paris_would_expect_them(opened: str, step: timedelta, due: str) -> None:
    zone = ZoneInfo("Europe/Paris")

    found = PARIS.add(datetime.fromisoformat(opened).replace(tzinfo=zone), step)

    assert found == datetime.fromisoformat(due).replace(tzinfo=zone)


def test_a_country_is_taken_from_the_zone_only_where_it_is_certain() -> None:
    zones = (
        "Europe/Paris",
        "Europe/Copenhagen",
        "Europe/Berlin",
        "America/New_York",
        "UTC",
        "Etc/GMT-3",
        "Mars/Olympus",
    )

    assert [country_of(zone) for zone in zones] == ["FR", "DK", "DE", "US", None, None, None]


def test_a_duration_that_never_ends_is_none_and_takes_no_forever() -> None:
    assert PARIS.add(datetime(2026, 3, 2, tzinfo=UTC), timedelta(days=999_999)) is None


@given(st.sampled_from(TURNS), CLOCKS, CLOCKS, st.booleans(), st.integers(0, 60 * 48))
def test_quiet_hours_follow_the_clock_on_the_wall(
    place: tuple[str, str | None, date], starts: time, ends: time, weekends: bool, minute: int
) -> None:
    zone, _, day = place
    at = datetime.combine(day, time(), UTC) - timedelta(days=1) + minute * MINUTE
    wall = at.astimezone(ZoneInfo(zone))
    clock, first, last = (t.hour * 60 + t.minute for t in (wall.time(), starts, ends))
    quiet_minutes = {n % 1440 for n in range(first, last + 1440 * (last < first))}
    expected = clock in quiet_minutes or (weekends and wall.weekday() >= 5)

    assert QuietHours(starts, ends, weekends).is_quiet(at, zone) is expected


def test_what_is_excepted_from_quiet_hours_rings_in_them() -> None:
    night = datetime(2026, 3, 2, 22, tzinfo=UTC)
    quiet = QuietHours(time(19), time(8), exceptions=("blocking",))

    assert (quiet.applies_to("blocking", night, "Europe/Paris"), quiet.applies_to("review", night, "Europe/Paris")) == (
        False,
        True,
    )
