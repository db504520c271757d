"""The two doors of the store: what is answered is on disk, what fails undoes only itself."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, insert, text
from sqlalchemy.exc import IntegrityError

from receiver.errors import ConfigError, RetryLaterError
from receiver.store.database import Database, migrate, open_database, sqlite_path
from receiver.store.schema import inbox, metadata
from receiver.store.sqlite import FileLock
from tests.factories import NOW

pytestmark = pytest.mark.anyio


def add(connection: Connection, event_id: str) -> str:
    values = {"source": "s", "account": "a", "event_id": event_id, "headers": "{}", "body": b"", "state": "new"}
    connection.execute(insert(inbox).values(received_at=NOW, due_at=NOW, **values))
    return event_id


def add_and_fail(connection: Connection, event_id: str) -> str:
    add(connection, event_id)
    raise ValueError(event_id)


def events(connection: Connection) -> set[str]:
    return set(connection.execute(text("SELECT event_id FROM inbox")).scalars())


async def test_a_write_is_seen_by_another_connection_once_it_is_answered(database: Database, tmp_path: Path) -> None:
    await database.write(add, "e1")

    with sqlite3.connect(tmp_path / "casebell.db") as other:
        assert other.execute("SELECT event_id FROM inbox").fetchall() == [("e1",)]


async def test_writes_that_wait_together_share_a_commit(database: Database) -> None:
    def commits(connection: Connection) -> int:
        return int(connection.execute(text("PRAGMA data_version")).scalar_one())

    blocked = asyncio.gather(*(database.write(add, f"e{n}") for n in range(200)))
    before = await database.read(commits)
    await blocked
    after = await database.read(commits)

    assert len(await database.read(events)) == 200
    assert after - before < 200


async def test_one_piece_that_fails_undoes_itself_and_nothing_else(database: Database) -> None:
    results = await asyncio.gather(
        database.write(add, "good"),
        database.write(add_and_fail, "bad"),
        database.write(add, "better"),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [str, ValueError, str]
    assert await database.read(events) == {"good", "better"}


async def test_a_row_the_database_refuses_undoes_itself_and_nothing_else(database: Database) -> None:
    await database.write(add, "known")

    results = await asyncio.gather(
        database.write(add, "good"),
        database.write(add, "known"),
        database.write(add, "better"),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [str, IntegrityError, str]
    assert await database.read(events) == {"known", "good", "better"}


@pytest.mark.parametrize(
    ("odd", "kept"), [("a\0b", "a\ufffdb"), ("half \ud83d pair", "half ? pair"), ("\U0001f514", "\U0001f514")]
)
async def test_text_no_database_can_hold_is_stored_all_the_same(database: Database, odd: str, kept: str) -> None:
    await database.write(add, odd)

    assert await database.read(events) == {kept}


async def test_a_caller_that_goes_away_does_not_stop_the_writer(database: Database) -> None:
    task = asyncio.create_task(database.write(add, "left"))
    await asyncio.sleep(0)
    task.cancel()

    await database.write(add, "next")

    assert await database.read(events) == {"left", "next"}


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(RetryLaterError, match="readonly"):
        await database.read(add, "e1")


async def test_a_store_that_cannot_commit_says_so_and_heals(database: Database, tmp_path: Path) -> None:
    blocker = sqlite3.connect(tmp_path / "casebell.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(RetryLaterError, match="locked"):
            await database.write(add, "e1")
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()

    assert await database.write(add, "e2") == "e2"


async def test_the_writer_promises_durability_across_a_power_cut(database: Database) -> None:
    def promises(connection: Connection) -> tuple[object, ...]:
        return tuple(connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous"))

    assert await database.write(promises) == ("wal", 2)


async def test_everything_answered_is_there_after_closing_and_opening_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'casebell.db'}"
    first = open_database(url)
    await first.write(add, "kept")
    await first.close()

    second = open_database(url)
    found = await second.read(events)
    await second.close()

    assert found == {"kept"}


async def test_migrations_make_exactly_the_tables_the_program_knows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'm.db'}"
    migrate(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()

    assert differences == []


async def test_a_second_process_is_refused_with_the_first_ones_number(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "casebell.db")
    first.write({"url": "http://127.0.0.1:8080"})

    with pytest.raises(ConfigError, match="already uses this database"):
        FileLock(tmp_path / "casebell.db")
    holder = FileLock.holder(tmp_path / "casebell.db")
    first.release()

    assert holder is not None
    assert holder["url"] == "http://127.0.0.1:8080"
    assert FileLock.holder(tmp_path / "casebell.db") is None


def test_an_address_that_is_not_served_is_told_what_would_be() -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///casebell\.db"):
        sqlite_path("mysql://host/db")
