"""SQLite behind the two doors: one thread owns the only writing connection, readers cannot write.

Group commit (``group_commit.py``): the writer takes everything that waits into one transaction, then answers all. With
``synchronous=FULL`` an answered write survives a power cut. Checkpoints run on the writer's own connection, which keeps
clear of the WAL-reset fault of SQLite before 3.51.3 (reliability.md, 0.7). ``BEGIN IMMEDIATE`` because a busy timeout
does not save a transaction that reads first and writes later (reliability.md, 0.8).
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
QUIET_S = 0.2  # then the log is folded into the file; under load only every LOG_PAGES
LOG_PAGES = 8_192  # of 4 kB
CACHE_KB = 16_000  # of the writer: ids are random, so rows that are written together are apart in every index
ASKED_AT_MOST, ASKED_FOR_S = 100, 0.01
LOCK_PATIENCE_S = 2.0  # with somebody else who writes to the file; then senders are told to come again

_File = tuple[int, int] | None
"""Device and inode: which file it is, whatever its name."""


class SqliteDatabase:
    """``read`` and ``write`` take plain functions of a connection; nothing else touches the file."""

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
        """This machine's clock: nobody else uses the file."""
        return datetime.now(UTC)

    async def write(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(connection, *args)`` in a transaction and return after its commit.

        Raises what ``work`` raises (its own changes are undone, others' are not) and RetryLaterError when the store
        cannot commit. ``work`` may run twice and must change nothing but the database.
        """
        return await self._waiting.put(work, args, is_shared=False)  # type: ignore[no-any-return]

    async def write_batched(self, work: Callable[[Connection, list[Any]], Sequence[T]], row: Any) -> T:
        """Like ``write`` for one row of many: ``work(connection, rows)`` gets all that wait and answers in order."""
        return await self._waiting.put(work, (row,), is_shared=True)  # type: ignore[no-any-return]

    async def read(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(connection, *args)`` on a reader that sees one consistent state."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work, args)

    async def notify_replicas(self, me: str, names: Collection[str]) -> None:
        """There is nobody to tell."""

    async def listen(self, me: str, heard: Callable[[str], None]) -> None:
        """There is nobody to hear."""

    async def close(self) -> None:
        """Finish what waits, fold the log into the file, let go."""
        self._waiting.end()
        await asyncio.to_thread(self._thread.join)
        self._readers.shutdown()
        self._writer_engine.dispose()
        self._reader_engine.dispose()

    def _read(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        with group_commit.in_our_words(), self._reader_engine.connect() as connection:
            return work(connection, *args)

    def _write_forever(self) -> None:
        connection: Connection | None = None
        while pieces := self._next(connection):
            try:
                if connection is None:
                    connection = self._writer_engine.connect()
                    self._files = (_file_at(self.path), None)
                group_commit.commit(connection, pieces)
                self._check_files(connection)
            except BaseException as error:  # noqa: BLE001 - the writer outlives any piece; the error goes to the callers
                _discard(connection)
                connection = None
                group_commit.fail(pieces, error)
            group_commit.answer(pieces)
        if connection is not None:
            _checkpoint(connection, "TRUNCATE")
            connection.close()

    def _check_files(self, connection: Connection) -> None:
        """Only what lies under the file's name is found after a restart. Raises RetryLaterError when it was taken away.

        What was committed so far goes where the file went, and nobody reads from there any more.
        """
        database, log = self._files
        found = (_file_at(self.path), _file_at(self.path.with_name(self.path.name + "-wal")))
        if found == (database, log or found[1]):  # the log is there from the first commit on
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
        """What waits, or will; an empty list is the end. Quiet is for checkpoints."""
        if connection is None:
            return self._waiting.take()
        try:
            return self._waiting.take(QUIET_S)
        except queue.Empty:
            _checkpoint(connection, "PASSIVE")
            return self._waiting.take()


def _checkpoint(connection: Connection, how: str) -> None:
    """Fold the log into the file, outside any transaction; readers that still need a part of it are left alone.

    Never raises: what it could not fold, on a full disk, stays safe in the log for the next time.
    """
    raw = connection.connection.dbapi_connection
    try:
        if raw is not None:
            raw.execute(f"PRAGMA wal_checkpoint({how})")
    except sqlite3.Error as error:
        log.warning("store.checkpoint.failed", reason=str(error))


def _file_at(path: Path) -> _File:
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
        # mode=rw: a file that was taken away is missed, not made anew
        f"sqlite+pysqlite:///{path.as_uri()}?mode=rw&uri=true",
        poolclass=NullPool if is_writer else QueuePool,
        connect_args={"timeout": LOCK_PATIENCE_S, "check_same_thread": False},
        hide_parameters=True,  # errors are logged; what was to be stored is not
    )

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves
        if is_writer:
            raw.execute("PRAGMA journal_mode=WAL")
            raw.execute("PRAGMA synchronous=FULL")
            raw.execute("PRAGMA foreign_keys=ON")
            raw.execute("PRAGMA secure_delete=ON")  # what retention erases is overwritten
            raw.execute("PRAGMA journal_size_limit=67108864")
            raw.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
            raw.execute(f"PRAGMA cache_size=-{CACHE_KB}")
        else:
            raw.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine


class FileLock:
    """Keeps a second process away from the file; the holder writes who it is and where it listens."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        holder: dict[str, Any] | None = None
        for _ in range(ASKED_AT_MOST):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = self.holder(path)
                if holder is not None:
                    break
                time.sleep(ASKED_FOR_S)  # somebody only asks who has it, and lets go at once
            else:
                self.write({})
                return
        os.close(self._file)
        raise ConfigError(
            f"{path}: process {(holder or {}).get('pid', '?')} already uses this database; SQLite serves one process. "
            "Stop the other one, or move to PostgreSQL to run several."
        )

    def write(self, about: dict[str, str]) -> None:
        """Say where this process listens, for the commands that want to reach it."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"pid": os.getpid(), **about}).encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)

    @staticmethod
    def holder(path: Path) -> dict[str, Any] | None:
        """Who uses the database now: pid and url, or None."""
        lock = path.with_name(path.name + ".lock")
        try:
            file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask are no holders to each other
        except BlockingIOError:
            return _parsed(os.pread(file, 4096, 0))
        else:
            return None
        finally:
            os.close(file)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        about = json.loads(raw)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}
