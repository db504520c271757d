"""A wake-up on one replica wakes the loops of the others, and nothing depends on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection, text

from receiver.context import Wakeups
from receiver.store.database import Database, open_database

pytestmark = pytest.mark.anyio
PATIENCE_S = 120.0
LISTENERS = "FROM pg_stat_activity WHERE query = 'LISTEN casebell' AND datname = current_database()"


@asynccontextmanager
async def listening(database: Database, me: str) -> AsyncIterator[Wakeups]:
    wakeups = Wakeups()
    before = await count(database)
    task = asyncio.create_task(database.listen(me, wakeups.notify_local))
    await until_listeners(database, before + 1)
    yield wakeups
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def count(database: Database) -> int:
    return await database.read(lambda c: int(c.execute(text(f"SELECT count(*) {LISTENERS}")).scalar_one()))


async def until_listeners(database: Database, n: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await count(database) != n:  # noqa: ASYNC110 - the server reports new listeners to nobody
            await asyncio.sleep(0.02)


@pytest.fixture
async def replica(postgres_url: str) -> AsyncIterator[Database]:
    opened = open_database(postgres_url)
    yield opened
    await opened.close()


async def test_a_notification_reaches_other_replicas_only(replica: Database) -> None:
    async with listening(replica, "a") as a, listening(replica, "b") as b:
        await replica.notify_replicas("a", {"outbox"})
        heard = await b.wait("outbox", PATIENCE_S)
        await replica.notify_replicas("b", {"clicks"})
        heard_back = await a.wait("clicks", PATIENCE_S)

        assert (heard, heard_back) == (True, True)
        assert not await a.wait("outbox", 0)


async def test_a_lost_connection_is_opened_again(replica: Database) -> None:
    def cut(connection: Connection) -> None:
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {LISTENERS}"))

    async with listening(replica, "b") as b:
        await replica.write(cut)
        await until_listeners(replica, 0)
        await until_listeners(replica, 1)
        await replica.notify_replicas("a", {"outbox"})

        assert await b.wait("outbox", PATIENCE_S)


async def test_repeated_wakeups_are_notified_once() -> None:
    wakeups = Wakeups()
    for _ in range(100):
        wakeups.notify("outbox")
    wakeups.notify("clicks")
    wakeups.notify_local("sweep")

    assert await wakeups.wait_unannounced() == {"outbox", "clicks"}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wakeups.wait_unannounced()
