"""The database on SQLite: one thread owns the only writing connection, readers are ``query_only``.

The writer commits all waiting writes in one transaction (``group_commit.py``), then answers them. With
``synchronous=FULL`` an answered write survives a power cut. Checkpoints run on the writer's connection, and each
transaction begins with ``BEGIN IMMEDIATE``: docs/vendors/webhooks.md#sqlite has the reasons.
"""

import asyncio
import fcntl
import json
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from receiver.errors import ConfigError, RetryLaterError
from receiver.observability import log
from receiver.store import group_commit
from receiver.store.group_commit import WriteQueue, WriteRequest

T = TypeVar("T")
READERS = 4
IDLE_S = 0.2  # without writes, then a checkpoint runs; under load only every WAL_PAGES
WAL_PAGES = 8_192  # of 4 kB
CACHE_KB = 16_000  # of the writer: ids are random, so each write touches many index pages
MAX_LOCK_TRIES, LOCK_RETRY_S = 100, 0.01
BUSY_TIMEOUT_S = 2.0  # while another process writes; then senders are asked to retry

_File = tuple[int, int] | None
"""Device and inode: the identity of a file, whatever its name."""


class SqliteDatabase:
    """``read`` and ``write`` take functions of a connection. Nothing else touches the file."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting = WriteQueue()
        self._writer_engine = _engine(path, is_writer=True)
        self._reader_engine = _engine(path, is_writer=False)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="casebell-read")
        self._files: tuple[_File, _File] = (None, None)
        self._thread = threading.Thread(target=self._write_forever, name="casebell-write", daemon=True)
        self._thread.start()

    def now(self) -> datetime:
        """The clock of this machine: no other process uses the file."""
        return datetime.now(UTC)

    async def write(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(connection, *args)`` in a transaction and return after its commit.

        Raises what ``work`` raises (its own changes are undone, others' are not) and RetryLaterError when the store
        cannot commit. ``work`` may run twice and must change nothing but the database.
        """
        return await self._waiting.put(work, args, is_shared=False)  # type: ignore[no-any-return]

    async def write_batched(self, work: Callable[[Connection, list[Any]], Sequence[T]], row: Any) -> T:
        """Like ``write`` for one row: ``work(connection, rows)`` gets all waiting rows and returns results in order."""
        return await self._waiting.put(work, (row,), is_shared=True)  # type: ignore[no-any-return]

    async def read(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(connection, *args)`` on a reader that sees one consistent state."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work, args)

    async def notify_replicas(self, me: str, names: Collection[str]) -> None:
        """Does nothing: there are no replicas."""

    async def listen(self, me: str, on_notify: Callable[[str], None]) -> None:
        """Returns at once: there are no replicas."""

    async def close(self) -> None:
        """Finish waiting writes, checkpoint, then close the connections."""
        self._waiting.end()
        await asyncio.to_thread(self._thread.join)
        self._readers.shutdown()
        self._writer_engine.dispose()
        self._reader_engine.dispose()

    def _read(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        with group_commit.translate_errors(), self._reader_engine.connect() as connection:
            return work(connection, *args)

    def _write_forever(self) -> None:
        connection: Connection | None = None
        while requests := self._next(connection):
            try:
                if connection is None:
                    connection = self._writer_engine.connect()
                    self._files = (_file_id(self.path), None)
                group_commit.commit(connection, requests)
                self._check_files(connection)
            except BaseException as error:  # noqa: BLE001 - the thread outlives any write; the error goes to the callers
                _discard(connection)
                connection = None
                group_commit.fail(requests, error)
            group_commit.answer(requests)
        if connection is not None:
            _checkpoint(connection, "TRUNCATE")
            connection.close()

    def _check_files(self, connection: Connection) -> None:
        """Raise RetryLaterError when the database or its WAL was moved or deleted: a restart would not find the writes.

        Commits so far go to the moved file, which is checkpointed and not used any more.
        """
        database, log = self._files
        found = (_file_id(self.path), _file_id(self.path.with_name(self.path.name + "-wal")))
        if found == (database, log or found[1]):  # the WAL exists from the first commit on
            self._files = found
            return
        _checkpoint(connection, "PASSIVE")
        self._reader_engine.dispose()
        raise RetryLaterError(
            "store_unavailable",
            f"{self.path.name} or its log was moved or deleted; bring it back, or restart to begin with an empty one",
            after_s=group_commit.STORE_RETRY_S,
        )

    def _next(self, connection: Connection | None) -> list[WriteRequest]:
        """The next writes. An empty list: the queue is closed. Checkpoints while nothing waits."""
        if connection is None:
            return self._waiting.take()
        try:
            return self._waiting.take(IDLE_S)
        except queue.Empty:
            _checkpoint(connection, "PASSIVE")
            return self._waiting.take()


def _checkpoint(connection: Connection, how: str) -> None:
    """Checkpoint the WAL, outside any transaction, without blocking readers.

    Never raises: what could not be checkpointed, such as on a full disk, stays in the WAL.
    """
    raw = connection.connection.dbapi_connection
    try:
        if raw is not None:
            raw.execute(f"PRAGMA wal_checkpoint({how})")
    except sqlite3.Error as error:
        log.warning("store.checkpoint.failed", reason=str(error))


def _file_id(path: Path) -> _File:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _discard(connection: Connection | None) -> None:
    if connection is not None:
        connection.invalidate()
        connection.close()


def _engine(path: Path, *, is_writer: bool) -> Engine:
    engine = create_engine(
        # mode=rw: a file that was removed is not created again
        f"sqlite+pysqlite:///{path.as_uri()}?mode=rw&uri=true",
        poolclass=NullPool if is_writer else QueuePool,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        hide_parameters=True,  # errors are logged, values must not be
    )

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # BEGIN is explicit, below
        if is_writer:
            raw.execute("PRAGMA journal_mode=WAL")
            raw.execute("PRAGMA synchronous=FULL")
            raw.execute("PRAGMA foreign_keys=ON")
            raw.execute("PRAGMA secure_delete=ON")  # overwrites what retention deletes
            raw.execute("PRAGMA journal_size_limit=67108864")
            raw.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            raw.execute(f"PRAGMA cache_size=-{CACHE_KB}")
        else:
            raw.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine


class FileLock:
    """Keeps a second process away from the database. The holder writes its pid and its URL into the lock file."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        holder: dict[str, Any] | None = None
        for _ in range(MAX_LOCK_TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = self.holder(path)
                if holder is not None:
                    break
                time.sleep(LOCK_RETRY_S)  # another process only asks for the holder, and unlocks at once
            else:
                self.write({})
                return
        os.close(self._file)
        raise ConfigError(
            f"{path}: process {(holder or {}).get('pid', '?')} already uses this database; SQLite serves one process. "
            "Stop the other one, or move to PostgreSQL to run several."
        )

    def write(self, about: dict[str, str]) -> None:
        """Write where this process listens, for commands that call it."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"pid": os.getpid(), **about}).encode(), 0)

    def release(self) -> None:
        """Unlock the database."""
        os.ftruncate(self._file, 0)
        os.close(self._file)

    @staticmethod
    def holder(path: Path) -> dict[str, Any] | None:
        """Pid and URL of the process that has the lock; None without one."""
        lock = path.with_name(path.name + ".lock")
        try:
            file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            # shared, so that two that ask do not see each other as holder
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse_holder(os.pread(file, 4096, 0))
        else:
            return None
        finally:
            os.close(file)


def _parse_holder(raw: bytes) -> dict[str, Any]:
    try:
        about = json.loads(raw)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}
