"""The database on PostgreSQL: shared by several processes, each with a few connections on threads.

A write is a READ COMMITTED transaction. What must not run twice at a time takes a lock by name or by row (``locks.py``,
claims of events and of the outbox). Rows of many callers can share a commit (``group_commit.py``). A connection is
checked before use, and a server that is away raises RetryLaterError.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from receiver.errors import ConfigError
from receiver.store import clock, group_commit, pg_notify
from receiver.store.group_commit import WriteQueue

T = TypeVar("T")
WRITERS = 4
READERS = 4
MAX_TRIES = 6
FIRST_PAUSE_S = 0.01
RETRYABLE = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
CONNECT_ARGS = {  # libpq parameters; the address may set others
    "application_name": "casebell",
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
LIMITS_MS = {"statement_timeout": 30_000, "lock_timeout": 10_000, "idle_in_transaction_session_timeout": 60_000}
_SET_LIMITS = "SELECT " + ", ".join(f"set_config('{name}', '{ms}', false)" for name, ms in LIMITS_MS.items())


class PostgresDatabase:
    """``read`` and ``write`` take functions of a connection. ``now`` is the clock of the server."""

    dialect = "postgresql"

    def __init__(self, url: URL, ticks: Callable[[], float] = clock.ticks) -> None:
        """Raises RetryLaterError when the server does not answer."""
        self.url = url
        self._writing = _engine(url, WRITERS + 1, is_writer=True)
        self._reading = _engine(url, READERS, is_writer=False)
        self._clock = clock.ServerClock(ticks)
        with group_commit.translate_errors(), self._writing.begin() as connection:
            self._clock.sync(connection)
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="casebell-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="casebell-read")
        self._waiting = WriteQueue()
        self._thread = threading.Thread(target=self._commit_forever, name="casebell-commit", daemon=True)
        self._thread.start()

    def now(self) -> datetime:
        """The clock of the server, which leases use."""
        return self._clock.now()

    async def write(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(connection, *args)`` in a transaction and return after its commit.

        Raises what ``work`` raises (then nothing is changed) and RetryLaterError when the store cannot commit.
        ``work`` may run again after a deadlock, so it must change nothing but the database.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writers, self._write, work, args)

    async def write_batched(self, work: Callable[[Connection, list[Any]], Sequence[T]], row: Any) -> T:
        """Like ``write`` for one row: ``work(connection, rows)`` gets all waiting rows and returns results in order."""
        return await self._waiting.put(work, (row,), is_shared=True)  # type: ignore[no-any-return]

    async def read(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(connection, *args)`` in a transaction that cannot write and sees one consistent state."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work, args)

    async def notify_replicas(self, me: str, names: Collection[str]) -> None:
        """Wake the loops of these names on the other replicas. Raises RetryLaterError."""
        await self.write(pg_notify.notify, me, names)

    async def listen(self, me: str, on_notify: Callable[[str], None]) -> None:
        """Call ``on_notify`` with each wake-up of another replica, until cancelled."""
        await pg_notify.listen(self.url, connect_args(self.url), me, on_notify)

    async def close(self) -> None:
        """Finish waiting writes, then close the connections."""
        self._waiting.end()
        await asyncio.to_thread(self._thread.join)
        for threads in (self._writers, self._readers):
            await asyncio.to_thread(threads.shutdown)
        self._writing.dispose()
        self._reading.dispose()

    def _write(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        def run() -> T:
            with self._writing.begin() as connection:
                self._clock.sync(connection)
                return work(connection, *args)

        with group_commit.translate_errors():
            return _with_retries(run)

    def _read(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        with group_commit.translate_errors(), self._reading.connect() as connection:
            return work(connection, *args)

    def _commit_forever(self) -> None:
        while requests := self._waiting.take():

            def run(requests: list[group_commit.WriteRequest] = requests) -> None:
                with self._writing.connect() as connection:
                    group_commit.commit(connection, requests)

            try:
                _with_retries(run)
            except BaseException as error:  # noqa: BLE001 - the thread outlives any write; the error goes to the callers
                group_commit.fail(requests, error)
            group_commit.answer(requests)


def postgres_url(database_url: str) -> URL:
    """The address for SQLAlchemy. Raises ConfigError, which never quotes it: it may contain a password."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise ConfigError("database_url cannot be read; write postgresql://user@host/db") from None
    if url.drivername not in {"postgresql", "postgresql+psycopg"}:
        raise ConfigError(f"database_url: {url.drivername}:// is not served; write postgresql://user@host/db")
    return url.set(drivername="postgresql+psycopg")


def connect_args(url: URL) -> dict[str, str]:
    """Connection parameters that the address does not set, so that a dead server is noticed."""
    return {name: value for name, value in CONNECT_ARGS.items() if name not in url.query}


def _with_retries(run: Callable[[], T]) -> T:
    """Run again, a few times, when the server rolled the transaction back because of a conflict with another one."""
    for attempt in range(1, MAX_TRIES):
        try:
            return run()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in RETRYABLE:
                raise
            time.sleep(random.uniform(0, FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - spreads load, guards nothing
    return run()


def _engine(url: URL, size: int, *, is_writer: bool) -> Engine:
    from psycopg import IsolationLevel  # a service on SQLite does not load psycopg

    engine = create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_use_lifo=True,
        connect_args=connect_args(url),
        hide_parameters=True,  # errors are logged, values must not be
    )

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _record: object) -> None:
        raw.autocommit = True
        raw.execute(_SET_LIMITS)
        raw.autocommit = False
        if not is_writer:
            raw.isolation_level = IsolationLevel.REPEATABLE_READ
            raw.read_only = True

    return engine
