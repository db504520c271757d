"""When a channel hears of an item again: opened, resolved, opened again, or asked for in vain."""

from typing import Any

import pytest

from receiver.domain.notice import announcement_of, is_worth_new_mail, needs_new_post
from tests.factories import NOW, make_item

OPEN: dict[str, Any] = {}
ACTING: dict[str, Any] = {"state": "acting"}
VAIN: dict[str, Any] = {"problem": "still_open"}
REFUSED: dict[str, Any] = {"problem": "not your dispute"}
RESOLVED: dict[str, Any] = {"state": "resolved", "resolved_at": NOW, "outcome": "solved"}


@pytest.mark.parametrize(
    ("shown", "now", "news", "alarm"),
    [
        (None, OPEN, True, False),
        (None, RESOLVED, False, False),
        (None, VAIN, True, False),
        ("open", OPEN, False, False),
        ("open", ACTING, False, False),
        ("acting", REFUSED, False, False),
        ("acting", VAIN, True, True),
        ("open", VAIN, True, True),
        ("still_open", VAIN, False, False),
        ("still_open", RESOLVED, True, False),
        ("still_open", ACTING, False, False),
        ("resolved", OPEN, True, False),
        ("resolved", VAIN, True, True),
    ],
)
def test_people_are_rung_for_what_they_do_not_know_and_for_nothing_twice(
    shown: str | None, now: dict[str, Any], news: bool, alarm: bool
) -> None:
    item = make_item(**now)

    assert (is_worth_new_mail(shown, item), needs_new_post(shown, item)) == (news, alarm)


def test_a_message_remembers_that_it_told_of_a_request_in_vain() -> None:
    tellings = [announcement_of(make_item(**now)) for now in (OPEN, ACTING, VAIN, REFUSED, RESOLVED)]

    assert tellings == ["open", "acting", "still_open", "open", "resolved"]
