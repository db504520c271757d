"""The outbox: one delivery of a message at a time, limits per destination, and lost leases."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from receiver.domain.fact import SourceReported
from receiver.domain.routing import Route
from receiver.pipeline.apply import apply_fact
from receiver.store import items, outbox
from receiver.store.database import Database
from receiver.store.payloads import Reply, Show
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio


@pytest.fixture
async def item_id(database: Database) -> str:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, (Route("none"),))
    item = await database.read(items.find_by_key, make_snapshot().key)
    assert item is not None
    return item.id


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


async def claim(
    database: Database, claim_id: str = "c1", seconds: float = 0, busy: tuple[str, ...] = (), each: int = 4
) -> list[outbox.Delivery]:
    return await database.write(outbox.claim, at(seconds), claim_id, 50, busy, each)


async def test_many_changes_share_one_waiting_delivery(database: Database, item_id: str) -> None:
    for _ in range(3):
        await database.write(outbox.enqueue_show, item_id, "slack:C1", "r", NOW)

    assert len(await claim(database)) == 1


async def test_a_change_during_a_delivery_is_delivered_next(database: Database, item_id: str) -> None:
    await database.write(outbox.enqueue_show, item_id, "slack:C1", "r", NOW)
    (first,) = await claim(database, "c1")
    await database.write(outbox.enqueue_show, item_id, "slack:C1", "r", NOW)

    beside = await claim(database, "c2")
    await database.write(outbox.finish, first.id, "c1", NOW)
    behind = await claim(database, "c3")

    assert beside == []
    assert len(behind) == 1


async def test_a_delivery_with_a_lost_lease_is_claimed_again_as_maybe_delivered(
    database: Database, item_id: str
) -> None:
    await database.write(outbox.enqueue_show, item_id, "slack:C1", "r", NOW)
    (first,) = await claim(database, "c1")
    (second,) = await claim(database, "c2", seconds=outbox.LEASE.total_seconds() + 1)

    late = await database.write(outbox.finish, first.id, "c1", NOW)
    own = await database.write(outbox.finish, second.id, "c2", NOW)

    assert (first.maybe_delivered, second.maybe_delivered, second.attempts) == (False, True, 2)
    assert (late, own) == (False, True)


async def test_a_refused_attempt_is_not_maybe_delivered_and_waits(database: Database, item_id: str) -> None:
    await database.write(outbox.enqueue_show, item_id, "slack:C1", "r", NOW)
    (first,) = await claim(database, "c1")

    def put_back(connection: Connection) -> bool:
        return outbox.release(connection, first.id, "c1", at(30), "ratelimited", maybe_delivered=False)

    await database.write(put_back)
    (again,) = await claim(database, "c2", seconds=31)

    assert await claim(database, "c3", seconds=32) == []
    assert not again.maybe_delivered


async def test_a_busy_destination_leaves_room_for_others(database: Database, item_id: str) -> None:
    for n in range(10):
        await database.write(outbox.enqueue, item_id, f"mail:{n}@x", Show(), NOW)
    for n in range(10):
        await database.write(outbox.enqueue, item_id, f"slack:C1/U{n}", Reply(), NOW)

    taken = await claim(database, busy=("mail:3@x",))

    assert "mail:3@x" not in {delivery.destination for delivery in taken}
    assert len(taken) == 19


async def test_a_destination_has_limited_concurrent_deliveries(database: Database) -> None:
    for n in range(6):
        said = SourceReported(make_snapshot(key=f"getbill:main:debtor_request:{n}"), NOW)
        await database.write(apply_fact, said, NOW, (Route("all", slack=("C1",)),))

    taken = [len(await claim(database, f"c{n}", each=4)) for n in range(2)]
    later = len(await claim(database, "c3", seconds=outbox.LEASE.total_seconds() + 1, each=4))

    assert (taken, later) == ([4, 0], 4)


async def test_a_dead_delivery_is_not_claimed(database: Database, item_id: str) -> None:
    await database.write(outbox.enqueue_show, item_id, "slack:C1", "r", NOW)
    (row,) = await claim(database, "c1")
    await database.write(outbox.mark_dead, row.id, "c1", "channel_not_found", NOW)

    assert await claim(database, "c2", seconds=10_000) == []
    assert await database.read(outbox.counts) == {"dead": 1}


def test_a_lease_is_longer_than_twice_the_longest_deadline() -> None:
    longest_total_deadline_s = 30

    assert outbox.LEASE.total_seconds() > 2 * longest_total_deadline_s
