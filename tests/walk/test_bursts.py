"""Many alerts at once: the channel rings for a few, one message tells of the rest, and each has its place."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from casebell_sandbox.slack_workspace import Message
from receiver.domain.action import Click
from receiver.domain.pace import Paces
from receiver.domain.people import People, Person
from receiver.pipeline.actions import Taken, take_action
from receiver.pipeline.deliver.grouped import update_bursts
from receiver.store import messages
from tests.faults.much import times
from tests.office import Office, office
from tests.walk.alerts import BURST, come, decided, key, turn

pytestmark = pytest.mark.anyio

ALERTS = times(150, 500)  # all in less than a minute
PEOPLE = People(resolvers=frozenset({"@creditor.example"}))
ANNA = Person(email="anna@creditor.example", name="Anna")


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path, BURST.format(over=3)) as made:
        yield made


def summary(here: Office) -> Message:
    (found,) = (post for post in here.posts() if "at once" in post.text)
    return found


def words(message: Message) -> str:
    return f"{message.text} {json.dumps(message.blocks, ensure_ascii=False)}"


async def test_hundreds_of_alerts_in_a_minute_are_all_told_at_slacks_own_pace(tmp_path: Path) -> None:
    async with office(tmp_path, BURST.format(over=20)) as here:
        here.slack.limits.is_real, here.slack._clock = True, lambda: here.at
        here.adapters.rules = replace(here.adapters.rules, paces=Paces(bursts=here.adapters.rules.paces.bursts))
        pressed_at = 30
        for second in range(ALERTS + 30):
            await come(here, *range(10 * second, min(10 * second + 10, ALERTS)))
            if second == pressed_at:
                item = await here.item(key(0))
                click = Click(item.id, item.version, "claim", ANNA, "cli", "p1")
                assert isinstance(
                    await here.adapters.database.write(take_action, click, here.at, here.adapters.rules.routes, PEOPLE),
                    Taken,
                )
            await turn(here)
            if second == pressed_at:
                assert "Anna" in words(here.posts()[0])  # hundreds wait, and the press shows all the same
            here.at += timedelta(seconds=1)

        shown = [
            await here.adapters.database.read(messages.list_of_item, (await here.item(key(n))).id)
            for n in range(ALERTS)
        ]
        calls = [call.path.rpartition("/")[2] for call in here.slack.faults.calls]
        assert [len(copies) for copies in shown] == [1] * ALERTS
        assert (len(here.posts()), len(here.replies())) == (21, ALERTS - 20)
        assert {post.thread_ts for post in here.replies()} == {summary(here).ts}
        assert f"{ALERTS - 20} more alerts at once" in summary(here).text
        assert "€" in summary(here).text
        assert "DKK" in words(summary(here))
        assert calls.count("chat.postMessage") <= ALERTS + 1 + 5  # so few were one too many, and no loop of it
        assert calls.count("chat.update") <= 1 + 20


async def test_the_message_counts_what_is_left_and_names_the_worst(small: Office) -> None:
    await come(small, *range(12))
    await turn(small)
    first = summary(small)
    told = words(first)
    await decided(small, 5, 6)
    small.at += timedelta(seconds=10)
    await turn(small)

    assert (len(small.posts()), len(small.replies())) == (4, 9)
    assert "9 more alerts at once" in first.text
    assert "9 to decide" in told
    assert "INV-11" in told
    assert "and 4 more" in told
    assert '"url": "http://127.0.0.1:9/"' in told
    assert summary(small).ts == first.ts
    assert "7 of 9 still to decide" in words(summary(small))


async def test_when_all_is_decided_the_message_says_so_and_names_nobody(small: Office) -> None:
    await come(small, *range(6))
    await turn(small)
    await decided(small, *range(6))
    small.at += timedelta(minutes=2)
    await turn(small)
    small.at += timedelta(minutes=2)
    await turn(small)

    told = words(summary(small))
    assert "All of them are decided" in told
    assert "INV-" not in told
    assert await update_bursts(small.adapters) == 0


async def test_what_was_decided_before_its_turn_came_is_counted_and_not_posted(small: Office) -> None:
    await come(small, *range(6))
    await decided(small, 5)
    await turn(small)

    assert "3 more alerts at once" in summary(small).text
    assert "2 of 3 still to decide" in summary(small).text
    assert len(small.replies()) == 2


async def test_alerts_that_come_while_it_rages_join_and_ring_nobody(small: Office) -> None:
    await come(small, *range(5))
    await turn(small)
    small.at += timedelta(seconds=20)
    await come(small, *range(5, 8))
    await turn(small)
    small.at += timedelta(seconds=10)
    await turn(small)

    assert len(small.posts()) == 4
    assert "5 more alerts at once" in summary(small).text


async def test_a_message_somebody_deleted_is_posted_anew_and_the_rest_stands_below_that(small: Office) -> None:
    await come(small, *range(5))
    await turn(small)
    del small.slack.messages["C0DISPUTES", summary(small).ts]
    await come(small, 5, 6)
    small.at += timedelta(seconds=10)
    await turn(small)
    await come(small, 7)
    await turn(small)

    assert "4 more alerts at once" in summary(small).text
    assert small.replies()[-1].thread_ts == summary(small).ts


async def test_a_message_whose_end_was_not_confirmed_says_that_it_may_be_there_twice(small: Office) -> None:
    await come(small, *range(3))
    await turn(small)
    await come(small, *range(3, 6))
    small.slack.faults.hang_after_effect_s = 30
    small.adapters.notifiers["slack"]._client._total_s = 0.3  # type: ignore[attr-defined]  # no test waits ten seconds
    await turn(small, 3)
    small.slack.faults.hang_after_effect_s = 0
    small.adapters.notifiers["slack"]._client._total_s = 10  # type: ignore[attr-defined]  # as before
    small.at += timedelta(minutes=5)
    await turn(small)

    twice = [post for post in small.posts() if "at once" in post.text]
    assert ["may appear twice" in words(post) for post in twice] == [False, True]
    assert len(small.replies()) == 3


async def test_a_channel_without_a_burst_rings_for_each(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await come(here, *range(12))
        await turn(here)

        assert len(here.posts()) == 12


async def test_reminders_reach_what_came_in_a_storm(tmp_path: Path) -> None:
    routes = BURST.format(over=1) + 'remind_after = ["4h"]\n'
    async with office(tmp_path, routes) as here:
        await come(here, *range(3))
        await turn(here)
        await here.wait(hours=5)

        assert sum("Reminder" in reply.text for reply in here.replies()) == 3
