"""Which alerts are sent alone and which in a group, with several claimers on one database."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, select

from receiver.domain.fact import SourceGone, SourceReported
from receiver.domain.item import Item
from receiver.domain.routing import Route
from receiver.pipeline.apply import apply_fact
from receiver.store import claim_policy, groups, items, messages, outbox
from receiver.store.database import Database
from receiver.store.messages import PostedMessage
from receiver.store.schema import alert_group as group_rows
from receiver.store.schema import outbox as rows
from tests.factories import NOW, make_snapshot
from tests.store.alert_groups import PACES, ROOM, ROUTES, at, come, key

pytestmark = pytest.mark.anyio


async def item_of(database: Database, n: object) -> Item:
    found = await database.read(items.find_by_key, key(n))
    assert found is not None
    return found


async def claim(database: Database, seconds: float = 0, claim_id: str = "c") -> list[str]:
    turn = await database.write(claim_policy.claim_batch, at(seconds), claim_id, ROOM, PACES)
    return [delivery.what for delivery, _ in turn.claimed]


async def finish_all(database: Database, seconds: float = 0, claim_id: str = "c") -> None:
    for id_ in range(1, 60):
        await database.write(outbox.finish, id_, claim_id, at(seconds))


async def alert_states(database: Database) -> list[tuple[str, int | None]]:
    """State and group of every alert."""

    def look(connection: Connection) -> list[Any]:
        chosen = select(rows.c.state, rows.c.group_id).where(rows.c.what == "show").order_by(rows.c.id)
        return [tuple(row) for row in connection.execute(chosen)]

    return await database.read(look)


async def list_groups(database: Database) -> list[Any]:
    return await database.read(lambda c: list(c.execute(select(group_rows).order_by(group_rows.c.id))))


async def test_alerts_above_the_burst_share_one_message(database: Database) -> None:
    await come(database, *range(5))
    first = await claim(database)

    assert first == ["burst"]  # before alerts that wait already
    assert await alert_states(database) == [("due", 0)] * 3 + [("grouped", 1)] * 2


async def test_alerts_within_the_burst_are_sent_alone(database: Database) -> None:
    await come(database, *range(3))
    await claim(database)

    assert await alert_states(database) == [("due", 0)] * 3
    assert await list_groups(database) == []


async def test_two_replicas_count_the_same_alerts_once(database: Database) -> None:
    await come(database, *range(9))
    await asyncio.gather(*(claim(database, claim_id=f"c{n}") for n in range(4)))

    assert [state for _, state in await alert_states(database)] == [0] * 3 + [1] * 6
    assert len(await list_groups(database)) == 1


async def test_alerts_join_the_group_until_the_bucket_is_full_again(database: Database) -> None:
    await come(database, *range(5))
    await claim(database)
    await come(database, "soon", seconds=30)
    await claim(database, 30)
    await come(database, "calm", seconds=95)
    await claim(database, 95)

    assert [group for _, group in await alert_states(database)] == [0, 0, 0, 1, 1, 1, 0]


async def test_a_steady_trickle_ends_a_group(database: Database) -> None:
    await come(database, *range(5))
    await claim(database)
    for seconds in range(40, 401, 40):
        await come(database, f"at {seconds}", seconds=seconds)
        await claim(database, seconds)

    last = [group for _, group in await alert_states(database)][-3:]
    assert last == [0, 0, 0]


async def test_alerts_of_a_group_with_a_message_go_to_its_thread_at_once(database: Database) -> None:
    await come(database, *range(5))
    await claim(database)
    await database.write(_record_message, 1, "C1/9.0")
    await come(database, "late")
    await finish_all(database)
    await claim(database)

    def below(connection: Connection) -> list[str]:
        return list(
            connection.execute(select(rows.c.payload).where(rows.c.group_id == 1, rows.c.what == "show")).scalars()
        )

    assert await database.read(below) == ['{"route": "disputes", "below": "C1/9.0"}'] * 3
    assert [group for _, group in await alert_states(database)] == [0, 0, 0, 1, 1, 1]
    assert "grouped" not in [state for state, _ in await alert_states(database)]


async def test_an_update_takes_no_token_and_joins_no_group(database: Database) -> None:
    await come(database, *range(5))
    for n in range(5):
        item = await item_of(database, n)
        await database.write(messages.save, item.id, PostedMessage("slack:C1", f"C1/{n}.0", "disputes", 0, "open"), NOW)
    await claim(database)
    await come(database, *"abc")
    await claim(database)

    assert [group for _, group in await alert_states(database)] == [0] * 8


async def test_each_channel_has_its_own_bucket(database: Database) -> None:
    both = (Route("disputes", slack=("C1", "C2")),)
    for n in range(5):
        await database.write(apply_fact, SourceReported(make_snapshot(key=key(n)), NOW), NOW, both)
    await claim(database)

    assert [group for _, group in await alert_states(database)].count(None) == 5
    assert (await list_groups(database))[0].destination == "slack:C1"


async def test_the_group_message_is_updated_at_a_limited_rate(database: Database) -> None:
    await come(database, *range(6))
    await claim(database)
    await database.write(_record_message, 1, "C1/9.0")
    await finish_all(database)
    idle = await database.write(groups.enqueue_updates, at(60))
    await database.write(apply_fact, SourceGone(key(5), NOW, outcome="validated"), at(61), ROUTES)
    changed = await database.write(groups.enqueue_updates, at(62))
    waiting = await database.write(groups.enqueue_updates, at(63))

    assert (idle, changed, waiting) == (0, 1, 0)
    group_delivery = await database.read(lambda c: c.execute(select(rows).where(rows.c.what == "burst")).one())
    assert (group_delivery.state, group_delivery.is_interactive) == ("due", True)


async def test_a_dead_group_message_is_retried_and_its_alerts_wait(database: Database) -> None:
    await come(database, *range(5))
    await claim(database)
    (row_id,) = await database.read(
        lambda c: list(c.execute(select(rows.c.id).where(rows.c.what == "burst")).scalars())
    )
    await database.write(outbox.mark_dead, row_id, "c", "is_archived: no", NOW)
    soon = await database.write(groups.enqueue_updates, at(60))
    later = await database.write(groups.enqueue_updates, at(660))

    assert (soon, later) == (0, 1)
    assert [state for state, _ in await alert_states(database)][-2:] == ["grouped", "grouped"]


async def test_a_group_ends_when_all_its_items_are_decided_and_shown(database: Database) -> None:
    await come(database, *range(5))
    await claim(database)
    await finish_all(database)
    for n in range(5):
        await database.write(apply_fact, SourceGone(key(n), NOW, outcome="validated"), at(61), ROUTES)
    await database.write(_record_message, 1, "C1/9.0")
    await database.write(groups.enqueue_updates, at(300))

    assert [row.is_over for row in await list_groups(database)] == [True]
    assert await database.write(groups.delete_closed, at(400)) == 1


def _record_message(connection: Connection, group_id: int, reference: str) -> None:
    """Record that the message of the group was posted or updated."""
    shows = groups.content_key_of(groups.list_items(connection, group_id))
    groups.record_message(connection, group_id, reference, shows, NOW, maybe_delivered=False)
