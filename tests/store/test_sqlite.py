"""The database on SQLite: durability, one writer, one process."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from receiver.errors import ConfigError, RetryLaterError
from receiver.store.database import Database, open_database, sqlite_path
from receiver.store.sqlite import FileLock
from tests.store.event_rows import add, ids

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


async def test_a_failed_commit_is_reported_and_the_writer_recovers(database: Database, tmp_path: Path) -> None:
    blocker = sqlite3.connect(tmp_path / "casebell.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(RetryLaterError, match="locked"):
            await database.write(add, "e1")
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()

    assert await database.write(add, "e2") == "e2"


async def test_the_writer_syncs_every_commit(database: Database) -> None:
    def promises(connection: Connection) -> tuple[object, ...]:
        return tuple(connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous"))

    assert await database.write(promises) == ("wal", 2)


async def test_waiting_writes_share_a_commit(database: Database) -> None:
    def commits(connection: Connection) -> int:
        return int(connection.execute(text("PRAGMA data_version")).scalar_one())

    blocked = asyncio.gather(*(database.write(add, f"e{n}") for n in range(200)))
    before = await database.read(commits)
    await blocked
    after = await database.read(commits)

    assert len(await database.read(ids)) == 200
    assert after - before < 200


async def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "casebell.db")
    first.write({"url": "http://127.0.0.1:8080"})

    with pytest.raises(ConfigError, match="already uses this database"):
        FileLock(tmp_path / "casebell.db")
    holder = FileLock.holder(tmp_path / "casebell.db")
    first.release()

    assert holder is not None
    assert holder["url"] == "http://127.0.0.1:8080"
    assert FileLock.holder(tmp_path / "casebell.db") is None


def test_an_unsupported_address_is_refused_with_an_example() -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///casebell\.db"):
        sqlite_path("mysql://host/db")
