"""Faults of SQLite's files: writers get an error, no answered write is lost, and the database recovers."""

import asyncio
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert, text

from receiver.errors import RetryLaterError
from receiver.store import sqlite
from receiver.store.database import Database, open_database
from receiver.store.schema import event as event_table
from receiver.store.sqlite import SqliteDatabase
from tests.factories import NOW

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


def add(connection: Connection, event_id: str, size: int = 20_000) -> str:
    values = {"source": "s", "account": "a", "event_id": event_id, "headers": "{}", "state": "new"}
    connection.execute(insert(event_table).values(received_at=NOW, due_at=NOW, body=b"x" * size, **values))
    return event_id


def events(connection: Connection) -> set[str]:
    return set(connection.execute(text("SELECT event_id FROM event")).scalars())


def file_of(tmp_path: Path) -> Path:
    return tmp_path / "casebell.db"


@contextmanager
def files_of_this_process_stay_below(most_bytes: int) -> Iterator[None]:
    """Like a full disk: the kernel refuses writes beyond this size of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_reported_and_writes_recover(database: Database) -> None:
    await database.write(add, "before")
    assert await database.read(events) == {"before"}

    with files_of_this_process_stay_below(4096):
        with pytest.raises(RetryLaterError):
            await database.write(add, "lost")
        assert await database.read(events) == {"before"}

    assert await database.write(add, "after") == "after"
    assert await database.read(events) == {"before", "after"}


async def test_a_checkpoint_on_a_full_disk_does_not_end_the_writer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint fails there too, and the writer thread must survive it."""
    monkeypatch.setattr(sqlite, "IDLE_S", 0.01)
    await database.write(add, "in the log")

    with files_of_this_process_stay_below(4096):
        await asyncio.sleep(0.2)
        with pytest.raises(RetryLaterError):
            await database.write(add, "lost", 100_000)

    assert await database.write(add, "after") == "after"


async def test_a_full_database_is_reported_and_writes_recover(database: Database) -> None:
    assert isinstance(database, SqliteDatabase)
    pages = ["1"]

    @event.listens_for(database._writer_engine, "begin")
    def fill(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages[0]}")  # the current size

    with pytest.raises(RetryLaterError, match="full"):
        await database.write(add, "lost", 200_000)
    pages[0] = "1073741823"

    assert await database.write(add, "after", 200_000) == "after"


@pytest.mark.parametrize("what", ["casebell.db", "casebell.db-wal"])
async def test_a_moved_file_is_not_written_until_it_is_back(database: Database, tmp_path: Path, what: str) -> None:
    await database.write(add, "before")
    (tmp_path / what).rename(tmp_path / "elsewhere")

    with pytest.raises(RetryLaterError, match="was moved or deleted"):
        await database.write(add, "while away")
    if what == "casebell.db":
        with pytest.raises(RetryLaterError, match="unable to open"):
            await database.write(add, "while away")
        with pytest.raises(RetryLaterError, match="unable to open"):
            await database.read(events)
        assert not file_of(tmp_path).exists(), "an empty one must not take its place"
    (tmp_path / "elsewhere").rename(tmp_path / what)

    assert await database.write(add, "after") == "after"
    assert await database.read(events) >= {"before", "after"}


async def test_a_deleted_wal_loses_no_answered_write(database: Database, tmp_path: Path) -> None:
    await database.write(add, "before")
    for end in ("-wal", "-shm"):
        file_of(tmp_path).with_name(f"casebell.db{end}").unlink()

    with pytest.raises(RetryLaterError, match="was moved or deleted"):
        await database.write(add, "told to come again")

    await database.write(add, "after")
    with closing(sqlite3.connect(file_of(tmp_path))) as other:
        assert {row[0] for row in other.execute("SELECT event_id FROM event")} >= {"before", "after"}


async def test_a_replaced_file_is_used_from_then_on(tmp_path: Path, sqlite_url: str) -> None:
    """As when an operator restores a backup without a restart."""
    first = open_database(sqlite_url)
    await first.write(add, "in the backup")
    await first.close()
    shutil.copy(file_of(tmp_path), tmp_path / "backup")
    running = open_database(sqlite_url)
    await running.write(add, "later")
    await running.read(events)

    for end in ("", "-wal", "-shm"):
        file_of(tmp_path).with_name(f"casebell.db{end}").unlink()
    (tmp_path / "backup").rename(file_of(tmp_path))
    with pytest.raises(RetryLaterError):
        await running.write(add, "told to come again")
    await running.write(add, "after")
    found = await running.read(events)
    await running.close()

    assert found == {"in the backup", "after"}


async def test_deleted_content_is_overwritten_in_the_file(database: Database, tmp_path: Path) -> None:
    marked = b"MARK OF A DEBTOR"

    def add_marked(connection: Connection) -> None:
        add(connection, "e")
        connection.execute(event_table.update().values(body=marked * 1000))

    await database.write(add_marked)
    await database.write(lambda connection: connection.execute(event_table.update().values(body=b"")).rowcount)
    await database.close()

    assert marked not in file_of(tmp_path).read_bytes()


async def test_errors_do_not_contain_stored_values(database: Database) -> None:
    await database.write(add, "same")

    with pytest.raises(Exception, match="UNIQUE") as failed:
        await database.write(add, "same")

    assert "[parameters:" not in f"{failed.value} {failed.value.__cause__}"
