"""``read`` and ``write``: an answered write is stored, a failed one undoes only itself."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from receiver.errors import RetryLaterError
from receiver.store.database import Database, open_database, open_existing
from receiver.store.schema import metadata
from tests.store.event_rows import add, ids

pytestmark = pytest.mark.anyio


def add_and_fail(connection: Connection, event_id: str) -> str:
    add(connection, event_id)
    raise ValueError(event_id)


async def test_an_answered_write_is_visible_to_other_connections(database: Database, database_url: str) -> None:
    await database.write(add, "e1")

    other = open_existing(database_url)
    seen = await other.read(ids)
    await other.close()

    assert seen == {"e1"}


async def test_rows_of_one_commit_get_their_own_results(database: Database) -> None:
    def add_all(connection: Connection, names: list[str]) -> list[str]:
        return [add(connection, name).upper() for name in names]

    answers = await asyncio.gather(*(database.write_batched(add_all, f"e{n}") for n in range(200)))

    assert answers == [f"E{n}" for n in range(200)]
    assert len(await database.read(ids)) == 200


async def test_a_failing_row_of_a_batch_undoes_only_itself(database: Database) -> None:
    def add_all(connection: Connection, names: list[str]) -> list[str]:
        return [add(connection, name) for name in names]

    results = await asyncio.gather(
        *(database.write_batched(add_all, name) for name in ("e1", "e1", "e2")), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["IntegrityError", "str", "str"]
    assert await database.read(ids) == {"e1", "e2"}


async def test_a_failing_write_of_a_commit_undoes_only_itself(database: Database) -> None:
    results = await asyncio.gather(
        database.write(add, "good"),
        database.write(add_and_fail, "bad"),
        database.write(add, "better"),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [str, ValueError, str]
    assert await database.read(ids) == {"good", "better"}


async def test_a_row_that_the_database_refuses_undoes_only_itself(database: Database) -> None:
    await database.write(add, "known")

    results = await asyncio.gather(
        database.write(add, "good"),
        database.write(add, "known"),
        database.write(add, "better"),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [str, IntegrityError, str]
    assert await database.read(ids) == {"known", "good", "better"}


@pytest.mark.parametrize(
    ("odd", "kept"), [("a\0b", "a\ufffdb"), ("half \ud83d pair", "half ? pair"), ("\U0001f514", "\U0001f514")]
)
async def test_text_that_databases_refuse_is_stored_with_replacements(database: Database, odd: str, kept: str) -> None:
    await database.write(add, odd)

    assert await database.read(ids) == {kept}


async def test_a_cancelled_caller_does_not_stop_the_writer(database: Database) -> None:
    task = asyncio.create_task(database.write(add, "left"))
    await asyncio.sleep(0)
    task.cancel()

    await database.write(add, "next")

    assert await database.read(ids) == {"left", "next"}


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(RetryLaterError, match=r"read-?only"):
        await database.read(add, "e1")


async def test_answered_writes_exist_after_a_restart(database_url: str) -> None:
    first = open_database(database_url)
    await first.write(add, "kept")
    await first.close()

    second = open_database(database_url)
    found = await second.read(ids)
    await second.close()

    assert found == {"kept"}


async def test_migrations_create_exactly_the_tables_of_the_schema(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await database.read(differences) == []
