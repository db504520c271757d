"""Leases: one holder at a time, as long as it renews."""

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


async def test_a_lease_has_one_holder_until_it_expires(database: Database) -> None:
    taken = [await acquire(database, "a"), await acquire(database, "b", 20), await acquire(database, "b", 21)]

    assert taken == [True, False, True]


async def test_a_renewed_lease_is_kept(database: Database) -> None:
    await acquire(database, "a")
    kept = [await renew(database, "a", seconds) for seconds in (15, 30, 45)]

    assert kept == [True] * 3
    assert not await acquire(database, "b", 60)
    assert await acquire(database, "a", 60)


async def test_a_lost_lease_cannot_be_renewed(database: Database) -> None:
    await acquire(database, "a")

    assert not await renew(database, "a", 21)
    assert not await renew(database, "b", 1)


async def test_only_the_holder_releases_a_lease_and_it_is_free_at_once(database: Database) -> None:
    await acquire(database, "a")
    await database.write(leases.release, "sweep", "b")
    before = await acquire(database, "b", 1)
    await database.write(leases.release, "sweep", "a")

    assert (before, await acquire(database, "b", 1)) == (False, True)


async def test_a_single_process_ends_all_leases_at_start(database: Database) -> None:
    await acquire(database, "killed")
    await database.write(leases.expire_leases, NOW)

    assert await acquire(database, "restarted")
