"""Leases: one holder at a time, for as long as it says that it lives."""

from datetime import timedelta

import pytest

from receiver.store import leases
from receiver.store.database import Database
from tests.factories import NOW

pytestmark = pytest.mark.anyio
LASTS = timedelta(seconds=20)


async def acquire(database: Database, holder: str, seconds: float = 0) -> bool:
    return await database.write(leases.acquire, "sweep", holder, NOW + timedelta(seconds=seconds), LASTS)


async def renew(database: Database, holder: str, seconds: float = 0) -> bool:
    return await database.write(leases.renew, "sweep", holder, NOW + timedelta(seconds=seconds), LASTS)


async def test_a_lease_has_one_holder_until_it_runs_out(database: Database) -> None:
    taken = [await acquire(database, "a"), await acquire(database, "b", 20), await acquire(database, "b", 21)]

    assert taken == [True, False, True]


async def test_a_holder_that_lives_keeps_it(database: Database) -> None:
    await acquire(database, "a")
    kept = [await renew(database, "a", seconds) for seconds in (15, 30, 45)]

    assert kept == [True] * 3
    assert not await acquire(database, "b", 60)
    assert await acquire(database, "a", 60)


async def test_who_lost_it_cannot_renew(database: Database) -> None:
    await acquire(database, "a")

    assert not await renew(database, "a", 21)
    assert not await renew(database, "b", 1)


async def test_what_is_let_go_is_free_at_once_and_only_by_its_holder(database: Database) -> None:
    await acquire(database, "a")
    await database.write(leases.release, "sweep", "b")
    before = await acquire(database, "b", 1)
    await database.write(leases.release, "sweep", "a")

    assert (before, await acquire(database, "b", 1)) == (False, True)


async def test_a_process_alone_ends_all_leases_at_its_start(database: Database) -> None:
    await acquire(database, "killed")
    await database.write(leases.expire_leases, NOW)

    assert await acquire(database, "restarted")
