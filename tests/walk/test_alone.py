"""Loops of which one runs at a time, whatever happens to the process that runs it."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from notifiers.teller import Teller
from receiver.alone import LEASE, RENEWALS, run_alone
from receiver.desk import Desk
from receiver.domain.people import People
from receiver.domain.token import Tokens
from receiver.errors import RetryLaterError
from receiver.observe import Metrics
from receiver.store import leases
from receiver.store.database import Database
from receiver.store.schema import lease

pytestmark = pytest.mark.anyio
LASTS = timedelta(seconds=0.6)
PATIENCE_S = 20


def replica(database: Any, holder: str) -> Desk:
    tokens = Tokens(["0123456789abcdef"])
    return Desk(database, (), People(), tokens, Teller(), Metrics(), "http://x", now=database.now, holder=holder)


class Loop:
    """Says when it runs and when it was ended."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def happens(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await event.wait()


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_of_two_runs_and_the_other_follows_when_it_stops(database: Database) -> None:
    first, second = Loop(), Loop()
    running = asyncio.create_task(run_alone(replica(database, "a"), "sweep", first, lasts=LASTS))
    await happens(first.begun)
    waiting = asyncio.create_task(run_alone(replica(database, "b"), "sweep", second, lasts=LASTS))
    await asyncio.sleep(2 * LASTS.total_seconds())  # several renewals
    began_beside = second.begun.is_set()
    await stop(running)
    await happens(second.begun)
    await stop(waiting)

    assert (began_beside, first.ended.is_set()) == (False, True)


async def test_one_that_died_is_followed_when_its_lease_ends(database: Database) -> None:
    await database.write(leases.acquire, "sweep", "dead", database.now(), LASTS)
    follower = Loop()
    task = asyncio.create_task(run_alone(replica(database, "b"), "sweep", follower, lasts=LASTS))

    await happens(follower.begun)
    await stop(task)


def test_a_follower_begins_within_thirty_seconds() -> None:
    longest = LEASE + LEASE / RENEWALS

    assert longest <= timedelta(seconds=30)


async def test_a_loop_whose_lease_was_taken_is_ended(database: Database) -> None:
    loop = Loop()
    task = asyncio.create_task(run_alone(replica(database, "a"), "sweep", loop, lasts=LASTS))
    await happens(loop.begun)

    def steal(connection: Any, now: datetime) -> bool:
        leases.expire_leases(connection, now)
        return leases.acquire(connection, "sweep", "thief", now, timedelta(hours=1))

    await database.write(steal, database.now())
    await happens(loop.ended)
    await stop(task)


class Away:
    """A database that fulfils the port until somebody cuts the line."""

    def __init__(self, inner: Database, error: Exception) -> None:
        self._inner, self._error, self.is_away = inner, error, False
        self.now = inner.now

    async def write(self, work: Callable[..., Any], *args: Any) -> Any:
        if self.is_away:
            raise self._error
        return await self._inner.write(work, *args)


@pytest.mark.parametrize("error", [RetryLaterError("store_unavailable"), ValueError("a fault of ours")])
async def test_a_loop_that_cannot_renew_is_ended_before_its_lease(database: Database, error: Exception) -> None:
    line, loop = Away(database, error), Loop()
    task = asyncio.create_task(run_alone(replica(line, "a"), "sweep", loop, lasts=timedelta(seconds=4)))
    await happens(loop.begun)
    line.is_away = True
    loop.begun.clear()
    await happens(loop.ended)
    ended_at = database.now()
    until = await database.read(lambda connection: connection.execute(select(lease.c.until)).scalar_one())
    line.is_away = False
    await happens(loop.begun)
    await stop(task)

    assert ended_at < until


async def test_a_loop_that_ends_by_itself_lets_go(database: Database) -> None:
    async def once() -> None:
        return

    await run_alone(replica(database, "a"), "sweep", once, lasts=LASTS)

    assert await database.write(leases.acquire, "sweep", "b", database.now(), LASTS)
