"""How long an item is left in peace."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from receiver.domain.business_time import Calendar
from receiver.domain.snooze import snooze_until

PARIS = Calendar("Europe/Paris", "FR")
THURSDAY = datetime(2026, 3, 26, 15, 10, tzinfo=UTC)  # 16:10 in Paris; the clock is turned on Sunday


@pytest.mark.parametrize(
    ("wish", "until"),
    [
        ("1h", "2026-03-26T17:10"),
        ("4h", "2026-03-26T20:10"),
        ("tomorrow", "2026-03-27T09:00"),
        ("monday", "2026-03-30T09:00"),
        ("2026-04-06", "2026-04-06T09:00"),
        ("2026-03-26", None),  # that morning is over
        ("2026-03-25", None),
        ("2027-03-29", None),
        ("0001-01-01", None),
        ("9999-12-31", None),
        ("whenever", None),
        ("", None),
    ],
)
def test_a_wish_becomes_a_time_of_the_route_or_nothing(wish: str, until: str | None) -> None:
    expected = until and datetime.fromisoformat(until).replace(tzinfo=ZoneInfo("Europe/Paris"))

    assert snooze_until(wish, THURSDAY, PARIS) == (expected or None)


def test_on_a_monday_next_monday_is_in_a_week() -> None:
    assert snooze_until("monday", datetime(2026, 3, 30, 6, tzinfo=UTC), PARIS) == datetime(2026, 4, 6, 7, tzinfo=UTC)
