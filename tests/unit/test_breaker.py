"""The circuit breaker of a failing destination, its scopes, and the pace of deliveries."""

import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain import breaker as rules
from receiver.domain.breaker import Breaker
from receiver.domain.pace import Pace
from receiver.errors import DeliveryError, PermanentError, RetryLaterError, UncertainError
from tests.factories import NOW

DOWN = RetryLaterError("unreachable")


def failed(times: int, error: DeliveryError = DOWN, before: Breaker | None = None) -> Breaker:
    now = before or Breaker("slack:C1")
    for _ in range(times):
        now = rules.after_failure(now, error, "c", NOW, 0.5)
    return now


def seconds(one: Breaker) -> float:
    assert one.open_until is not None
    return (one.open_until - NOW).total_seconds()


def test_it_opens_after_several_failures_in_a_row_and_not_before() -> None:
    assert failed(rules.OPENS_AFTER - 1).state == "closed"
    assert failed(rules.OPENS_AFTER).state == "open"


def test_a_success_in_between_begins_the_count_anew() -> None:
    nearly = rules.after_success(failed(rules.OPENS_AFTER - 1), "c")

    assert failed(1, before=nearly).state == "closed"


def test_who_refuses_everybody_is_left_alone_at_once() -> None:
    assert failed(1, RetryLaterError("invalid_auth", scope="system")).state == "open"


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [(30.0, 30.5), (0.01, 1.5), (3_600_000.0, 3_600.5), (math.inf, 3_600.5)],
)
def test_a_pause_that_is_named_is_kept_within_bounds(after_s: float, expected: float) -> None:
    assert seconds(failed(1, RetryLaterError("ratelimited", after_s=after_s))) == expected


@pytest.mark.parametrize("after_s", [None, math.nan, -5.0, 0.0, -math.inf])
def test_a_pause_that_makes_no_sense_counts_as_none(after_s: float | None) -> None:
    assert failed(1, RetryLaterError("ratelimited", after_s=after_s)).state == "closed"


@given(openings=st.integers(0, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_the_wait_grows_and_stays_within_five_seconds_and_five_minutes(openings: int, chance: float) -> None:
    assert rules.SHORTEST_S <= rules.pause_s(openings, chance) <= rules.LONGEST_S
    assert rules.pause_s(openings + 1, chance) >= rules.pause_s(openings, chance)


def test_only_the_probe_says_whether_it_goes_on() -> None:
    probing = Breaker("slack:C1", "open", 5, 1, NOW, "probe", "down")

    assert rules.after_success(probing, "another") == probing
    assert rules.after_failure(probing, DOWN, "another", NOW, 0.0) == probing
    assert rules.after_success(probing, "probe").state == "closed"
    assert seconds(rules.after_failure(probing, DOWN, "probe", NOW, 0.0)) == 10
    assert rules.after_no_answer(probing, "probe").probe is None


@pytest.mark.parametrize(
    ("destination", "error", "is_interactive", "struck"),
    [
        ("slack:C1", RetryLaterError("internal_error"), False, "slack:C1"),
        ("slack:C1/U1", UncertainError("http_500"), True, "slack:C1"),
        ("slack:C1", RetryLaterError("invalid_auth", scope="system"), True, "slack"),
        ("slack:C1", RetryLaterError("ratelimited", scope="pace"), False, "slack posts"),
        ("slack:C1", RetryLaterError("ratelimited", scope="pace"), True, None),
        ("slack:C1", PermanentError("is_archived", scope="destination"), False, "slack:C1"),
        ("slack:C1", PermanentError("message_not_found"), False, None),
        ("slack:C1", UncertainError("internal", scope="internal"), False, None),
        ("mail:a@x", RetryLaterError("smtp_unreachable"), False, "mail"),
        ("mail:a@x", PermanentError("recipient_refused"), False, None),
        ("mail:a@x", RetryLaterError("smtp_later", scope="item"), False, None),
        ("getbill:main", RetryLaterError("rate_limited", scope="pace"), True, "getbill:main"),
        ("getbill:main", RetryLaterError("budget", scope="internal"), True, None),
        ("getbill:main", PermanentError("refused"), True, None),
    ],
)
def test_a_failure_counts_against_what_fails_together(
    destination: str, error: DeliveryError, is_interactive: bool, struck: str | None
) -> None:
    assert rules.breaker_of_failure(destination, error, is_interactive=is_interactive) == struck


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.floats(0.5, 50), st.integers(1, 20))
def test_a_pace_is_never_exceeded(waits: list[float], per_s: float, burst: int) -> None:
    pace, now, full_at, taken = Pace(per_s, burst), NOW, None, list[datetime]()
    for wait_s in waits:
        now += timedelta(seconds=wait_s)
        room = pace.available(full_at, now)
        full_at = pace.full_at_after(full_at, now, room)
        taken += [now] * room

    for first in taken:
        within = [at for at in taken if first <= at <= first + timedelta(seconds=2)]
        assert len(within) <= burst + 2 * per_s + 1
