"""Stored events: stored once, claimed under a lease, never lost, never retried for ever."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from receiver.store import events
from receiver.store.database import Database
from receiver.store.events import Arrival
from tests.factories import NOW

pytestmark = pytest.mark.anyio


def arrival(event_id: str, source: str = "getbill") -> Arrival:
    return Arrival(source, "main", event_id, {"content-type": "application/json"}, b"{}", NOW)


async def claim(database: Database, claim_id: str = "c1", seconds: float = 0) -> list[events.ClaimedEvent]:
    now = NOW + timedelta(seconds=seconds)
    return await database.write(events.claim, ("getbill",), "main", now, claim_id, 10)


async def test_the_same_event_is_stored_once_even_within_one_commit(database: Database) -> None:
    are_new = await database.write(events.append, [arrival("e1"), arrival("e1"), arrival("e2")])
    again = await database.write(events.append, [arrival("e1")])

    assert are_new == [True, False, True]
    assert again == [False]
    assert await database.read(events.counts) == {"new": 2}


async def test_the_same_event_id_of_another_source_is_another_event(database: Database) -> None:
    are_new = await database.write(events.append, [arrival("e1"), arrival("e1", source="debitura")])

    assert are_new == [True, True]


async def test_a_claimed_event_is_claimed_again_only_after_its_lease(database: Database) -> None:
    await database.write(events.append, [arrival("e1")])

    first = await claim(database, "c1")
    second = await claim(database, "c2", seconds=59)
    third = await claim(database, "c3", seconds=61)

    assert [len(rows) for rows in (first, second, third)] == [1, 0, 1]
    assert [rows[0].attempts for rows in (first, third)] == [1, 2]


async def test_a_lost_lease_cannot_finish_the_event(database: Database) -> None:
    await database.write(events.append, [arrival("e1")])
    (row,) = await claim(database, "c1")
    await claim(database, "c2", seconds=61)

    await database.write(events.finish, [row.id], "c1", NOW)

    assert await database.read(events.counts) == {"new": 1}


async def test_a_released_event_waits_until_it_is_due(database: Database) -> None:
    await database.write(events.append, [arrival("e1")])
    (row,) = await claim(database, "c1")
    await database.write(events.release, [row.id], "c1", NOW + timedelta(seconds=30), "server_error")

    assert await claim(database, "c2", seconds=29) == []
    assert len(await claim(database, "c3", seconds=31)) == 1


async def test_a_release_does_not_count_as_an_attempt(database: Database) -> None:
    """A source that is down for hours must not use up the attempts of an event."""
    await database.write(events.append, [arrival("e1")])
    for n in range(events.MAX_ATTEMPTS + 2):
        (row,) = await claim(database, f"c{n}", seconds=n)
        await database.write(events.release, [row.id], f"c{n}", NOW, "server_error")

    (row,) = await claim(database, "last", seconds=99)

    assert row.attempts == 1


async def test_suspects_are_claimed_alone_and_last(database: Database) -> None:
    """One event of a batch kills the process each time; the others must get through."""
    await database.write(events.append, [arrival("e1"), arrival("e2")])
    died = [await claim(database, f"c{n}", seconds=61 * n) for n in range(events.SUSPECT_AFTER)]
    await database.write(events.append, [arrival("e3")])

    fresh = await claim(database, "fresh", seconds=1000)
    alone = await database.write(events.claim_suspect, ("getbill",), "main", NOW + timedelta(seconds=1000), "alone")

    assert [len(rows) for rows in died] == [2] * events.SUSPECT_AFTER
    assert ([row.attempts for row in fresh], [row.attempts for row in alone]) == ([1], [events.SUSPECT_AFTER + 1])


async def test_a_renewed_lease_lasts_and_a_lost_one_stays_lost(database: Database) -> None:
    await database.write(events.append, [arrival("e1")])
    (row,) = await claim(database, "c1")

    await database.write(events.renew, [row.id], "c1", NOW + timedelta(seconds=50))
    await database.write(events.renew, [row.id], "another", NOW + timedelta(seconds=500))

    assert await claim(database, "c2", seconds=100) == []
    assert len(await claim(database, "c3", seconds=111)) == 1


async def test_an_unreadable_event_is_quarantined_with_its_reason(database: Database) -> None:
    await database.write(events.append, [arrival("e1")])
    (row,) = await claim(database, "c1")
    await database.write(events.quarantine, row.id, "c1", "not JSON", NOW)

    assert await claim(database, "c2", seconds=100) == []
    assert await database.read(events.find_state, "getbill", "e1") == ("quarantined", "not JSON")


async def test_the_body_is_stored_unchanged(database: Database) -> None:
    body = bytes(range(256))

    def stored(connection: Connection) -> bytes:
        return events.claim(connection, ("getbill",), "main", NOW, "c", 1)[0].body

    await database.write(events.append, [Arrival("getbill", "main", "e", {}, body, NOW)])

    assert await database.write(stored) == body
