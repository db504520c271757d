"""The database on PostgreSQL: recovery, the clock of the server, replicas that start together."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from receiver.errors import ConfigError, RetryLaterError
from receiver.store import events
from receiver.store.clock import ticks
from receiver.store.database import is_ready, open_database, open_existing
from receiver.store.events import Arrival
from receiver.store.postgres import PostgresDatabase, postgres_url
from tests import postgres as postgres_server
from tests.harness import ROOT, free_port
from tests.store.event_rows import add, ids

pytestmark = pytest.mark.anyio
TWO_HOURS_S = 7_200.0


@asynccontextmanager
async def opened(url: str, *, ahead_s: float = 0.0) -> AsyncIterator[PostgresDatabase]:
    """The database of a replica whose machine's clock is ``ahead_s`` seconds ahead."""
    database = PostgresDatabase(postgres_url(url), lambda: ticks() + ahead_s)
    try:
        yield database
    finally:
        await database.close()


async def claimed(database: PostgresDatabase, claim_id: str) -> int:
    return len(await database.write(events.claim, ("getbill",), "main", database.now(), claim_id, 10))


@pytest.mark.parametrize("ahead_s", [TWO_HOURS_S, -TWO_HOURS_S], ids=["ahead", "behind"])
async def test_a_replica_with_a_wrong_clock_respects_leases(postgres_url: str, ahead_s: float) -> None:
    def lease_s(connection: Connection) -> float:
        us = "lease_until - CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
        return float(connection.execute(text(f"SELECT ({us}) / 1000000.0 FROM event")).scalar_one())

    async with opened(postgres_url) as right, opened(postgres_url, ahead_s=ahead_s) as wrong:
        await right.write(events.append, [Arrival("getbill", "main", "e1", {}, b"", right.now())])
        taken = [await claimed(right, "c1"), await claimed(wrong, "c2")]
        a_moment_ago = right.now() - timedelta(seconds=1)  # two readings of one clock differ by milliseconds
        await right.write(events.release, [1], "c1", a_moment_ago, "again")
        taken_by_wrong = await claimed(wrong, "c3")
        held_for_s = await wrong.read(lease_s)

    assert (taken, taken_by_wrong) == ([1, 0], 1)
    assert 50 < held_for_s <= events.LEASE.total_seconds()


async def test_the_clock_is_that_of_the_server(postgres_url: str) -> None:
    now = 1_000.0
    database = PostgresDatabase(make_url(postgres_url).set(drivername="postgresql+psycopg"), lambda: now)
    before = database.now()
    now += 3_600.0
    later = database.now()
    await database.write(add, "a look at the server's clock goes with it")
    looked = database.now()
    await database.close()

    assert later - before == timedelta(hours=1)
    assert looked - before < timedelta(minutes=1)


async def test_conflicting_transactions_are_both_committed(postgres_url: str) -> None:
    """A deadlock: the server rolls one of the two back, and it is run again."""
    both = asyncio.Barrier(2)
    loop = asyncio.get_running_loop()
    runs = []

    def swap(connection: Connection, first: str, second: str) -> None:
        runs.append(first)
        statement = text("UPDATE event SET attempts = attempts + 1 WHERE event_id = :id")
        connection.execute(statement, {"id": first})
        if len(runs) <= 2:
            asyncio.run_coroutine_threadsafe(both.wait(), loop).result(10)
        connection.execute(statement, {"id": second})

    async with opened(postgres_url) as database:
        for name in ("a", "b"):
            await database.write(add, name)
        await asyncio.gather(database.write(swap, "a", "b"), database.write(swap, "b", "a"))
        counted = await database.read(lambda c: c.execute(text("SELECT sum(attempts) FROM event")).scalar_one())

    assert counted == 4
    assert len(runs) in {3, 4}  # 4 when the server rolls back both


async def test_an_absent_server_raises_retry_later_and_recovers() -> None:
    try:
        with postgres_server.own_server() as server:
            database = open_database(server.url("postgres"))
            await database.write(add, "before")
            server.stop(signal.SIGQUIT)
            heard = await asyncio.gather(
                database.write(add, "lost"),
                database.write_batched(lambda c, names: [add(c, name) for name in names], "lost too"),
                database.read(ids),
                return_exceptions=True,
            )
            server.start()
            await database.write(add, "after")
            found = await database.read(ids)
            await database.close()
    except postgres_server.NoPostgresError as error:
        pytest.skip(str(error))

    assert [type(error) for error in heard] == [RetryLaterError] * 3
    assert found == {"before", "after"}


async def test_the_transaction_of_a_hanging_process_is_ended(postgres_url: str) -> None:
    def limits(connection: Connection) -> list[str]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return [str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in names]

    async with opened(postgres_url) as database:
        assert await database.write(limits) == await database.read(limits) == ["30s", "10s", "1min"]


async def test_replicas_that_start_together_migrate_once(postgres: str) -> None:
    code = "import sys; from receiver.store.database import migrate; migrate(sys.argv[1])"
    with postgres_server.fresh_database(postgres, is_migrated=False) as url:
        words = [sys.executable, "-c", code, url]
        started = [await asyncio.create_subprocess_exec(*words, cwd=ROOT) for _ in range(3)]
        ended = [await process.wait() for process in started]
        async with opened(url) as database:
            ready = await database.read(is_ready)

    assert (ended, ready) == ([0, 0, 0], True)


async def test_opening_an_empty_database_says_how_to_create_it(postgres: str) -> None:
    with postgres_server.fresh_database(postgres, is_migrated=False) as url, pytest.raises(ConfigError, match="serve"):
        open_existing(url)


def test_errors_never_contain_the_password() -> None:
    with pytest.raises(RetryLaterError) as away:
        open_database(f"postgresql://casebell:s3cret-word@127.0.0.1:{free_port()}/casebell")
    with pytest.raises(ConfigError) as odd:
        open_database("postgresql+pg8000://casebell:s3cret-word@host/casebell")
    with pytest.raises(ConfigError) as broken:
        open_database("postgresql://casebell:s3cret-word@host:port/casebell")

    assert [error for error in (away, odd, broken) if "s3cret" in str(error.value)] == []
