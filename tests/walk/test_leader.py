"""Loops of which one runs at a time, whatever happens to the process that runs it."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select

from notifiers.i18n.translator import Translator
from receiver.context import Adapters
from receiver.domain.token import Tokens
from receiver.errors import RetryLaterError
from receiver.jobs import leader
from receiver.jobs.leader import LEASE, RENEWALS, run_as_leader
from receiver.observability import Metrics
from receiver.store import leases
from receiver.store.schema import lease
from tests.factories import NOW, make_rules
from tests.virtual_time import VirtualLoop

pytestmark = pytest.mark.anyio
SHORT_LEASE = timedelta(seconds=20)
PATIENCE_S = 120


class Store:
    """A SQLite file behind the one door that leases need, without threads, so that time may be virtual.

    What leases promise on both databases is held by ``tests/store/test_leases.py``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.error: Exception | None = None  # while the line is cut

    async def write(self, work: Callable[..., Any], *args: Any) -> Any:
        if self.error is not None:
            raise self.error
        with self._engine.begin() as connection:
            return work(connection, *args)


def now() -> datetime:
    return NOW + timedelta(seconds=asyncio.get_running_loop().time())


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualLoop}


@pytest.fixture
def store(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(leader, "ticks", lambda: asyncio.get_running_loop().time())
    engine = create_engine(sqlite_url)
    yield Store(engine)
    engine.dispose()


def replica(store: Store, holder: str) -> Adapters:
    tokens = Tokens(["0123456789abcdef"])
    database: Any = store
    return Adapters(database, make_rules(tokens=tokens), Translator(), Metrics(), now=now, holder=holder)


class Loop:
    """Says when it runs and when it was ended."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self.ended_at: datetime | None = None

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended_at = now()
            self.ended.set()


async def happens(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await event.wait()


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_of_two_runs_and_the_other_follows_when_it_stops(store: Store) -> None:
    first, second = Loop(), Loop()
    running = asyncio.create_task(run_as_leader(replica(store, "a"), "sweep", first, lease=SHORT_LEASE))
    await happens(first.begun)
    waiting = asyncio.create_task(run_as_leader(replica(store, "b"), "sweep", second, lease=SHORT_LEASE))
    await asyncio.sleep(2 * SHORT_LEASE.total_seconds())  # several renewals
    began_beside = second.begun.is_set()
    await stop(running)
    await happens(second.begun)
    await stop(waiting)

    assert (began_beside, first.ended.is_set()) == (False, True)


async def test_one_that_died_is_followed_when_its_lease_ends(store: Store) -> None:
    await store.write(leases.acquire, "sweep", "dead", now(), SHORT_LEASE)
    follower = Loop()
    task = asyncio.create_task(run_as_leader(replica(store, "b"), "sweep", follower, lease=SHORT_LEASE))

    await happens(follower.begun)
    await stop(task)


def test_a_follower_begins_within_thirty_seconds() -> None:
    longest = LEASE + LEASE / RENEWALS

    assert longest <= timedelta(seconds=30)


async def test_a_loop_whose_lease_was_taken_is_ended(store: Store) -> None:
    loop = Loop()
    task = asyncio.create_task(run_as_leader(replica(store, "a"), "sweep", loop, lease=SHORT_LEASE))
    await happens(loop.begun)

    def steal(connection: Any, now: datetime) -> bool:
        leases.expire_leases(connection, now)
        return leases.acquire(connection, "sweep", "thief", now, timedelta(hours=1))

    await store.write(steal, now())
    await happens(loop.ended)
    await stop(task)


@pytest.mark.parametrize("error", [RetryLaterError("store_unavailable"), ValueError("a fault of ours")])
async def test_a_loop_that_cannot_renew_is_ended_before_its_lease(store: Store, error: Exception) -> None:
    loop = Loop()
    task = asyncio.create_task(run_as_leader(replica(store, "a"), "sweep", loop, lease=SHORT_LEASE))
    await happens(loop.begun)
    await asyncio.sleep(2 * SHORT_LEASE.total_seconds())  # several renewals
    store.error = error
    loop.begun.clear()
    await happens(loop.ended)
    store.error = None
    until = await store.write(lambda connection: connection.execute(select(lease.c.until)).scalar_one())
    await happens(loop.begun)
    await stop(task)

    assert loop.ended_at is not None
    assert until - SHORT_LEASE < loop.ended_at < until


async def test_a_loop_that_ends_by_itself_lets_go(store: Store) -> None:
    async def once() -> None:
        return

    await run_as_leader(replica(store, "a"), "sweep", once, lease=SHORT_LEASE)

    assert await store.write(leases.acquire, "sweep", "b", now(), SHORT_LEASE)
