"""Rows that a wrong clock dated into the future are corrected, and no others."""

from datetime import timedelta

import pytest

from receiver.domain.fact import SourceReported
from receiver.domain.routing import Route
from receiver.pipeline.apply import apply_fact
from receiver.store import clock_skew, events, items, outbox
from receiver.store.database import Database
from receiver.store.events import Arrival
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio

LATER = NOW + timedelta(hours=2)  # the time of the wrong clock; the real time is NOW
SOON = NOW + timedelta(seconds=1)


async def store(database: Database, event_id: str) -> None:
    await database.write(events.append, [Arrival("getbill", "main", event_id, {}, b"{}", LATER)])


async def test_an_event_from_the_future_is_due_now(database: Database) -> None:
    await store(database, "e1")
    claim = (events.claim, ("getbill",), "main", SOON, "c", 10)
    assert await database.write(*claim) == []

    assert await database.write(clock_skew.correct_future_rows, NOW) == 1

    assert len(await database.write(*claim)) == 1


async def test_a_lease_from_the_future_ends_now(database: Database) -> None:
    await store(database, "e1")
    await database.write(events.claim, ("getbill",), "main", LATER, "killed", 10)

    await database.write(clock_skew.correct_future_rows, NOW)

    assert len(await database.write(events.claim, ("getbill",), "main", SOON, "c", 10)) == 1


async def test_a_delivery_keeps_the_length_of_its_wait(database: Database) -> None:
    await database.write(apply_fact, SourceReported(make_snapshot(), LATER), LATER, (Route("none"),))
    item = await database.read(items.find_by_key, make_snapshot().key)
    assert item is not None
    await database.write(outbox.enqueue_show, item.id, "slack:C1", "r", LATER)
    (row,) = await database.write(outbox.claim, LATER, "c1", 10, (), 4)
    wait = timedelta(minutes=10)
    await database.write(
        lambda connection: outbox.release(connection, row.id, "c1", LATER + wait, "quiet hours", maybe_delivered=False)
    )

    await database.write(clock_skew.correct_future_rows, NOW)

    assert await database.write(outbox.claim, NOW + wait - timedelta(seconds=1), "c2", 10, (), 4) == []
    assert len(await database.write(outbox.claim, NOW + wait + timedelta(seconds=1), "c3", 10, (), 4)) == 1


async def test_regular_waits_are_not_changed(database: Database) -> None:
    await store(database, "e1")
    await database.write(clock_skew.correct_future_rows, LATER)
    (row,) = await database.write(events.claim, ("getbill",), "main", LATER, "c", 10)
    assert await database.write(clock_skew.correct_future_rows, LATER) == 0, "its lease is as long as every lease"
    await database.write(events.release, [row.id], "c", LATER + timedelta(seconds=300), "server_error")

    assert await database.write(clock_skew.correct_future_rows, LATER) == 0


async def test_a_fact_replaces_one_from_the_future(database: Database) -> None:
    """Otherwise a resolved item would stay open until that time."""
    await database.write(apply_fact, SourceReported(make_snapshot(), LATER), LATER, (Route("none"),))

    closed = SourceReported(make_snapshot(is_open=False, outcome="validated"), NOW)
    await database.write(apply_fact, closed, NOW, (Route("none"),))

    item = await database.read(items.find_by_key, make_snapshot().key)
    assert item is not None
    assert item.state == "resolved"
