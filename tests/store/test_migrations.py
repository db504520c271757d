"""Every released schema is migrated with its rows, and each migration lets the version before it go on."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from receiver.domain.action import Click
from receiver.domain.fact import SourceReported
from receiver.domain.people import People, Person
from receiver.domain.routing import Route
from receiver.errors import ConfigError
from receiver.pipeline.actions import Taken, take_action
from receiver.pipeline.apply import apply_fact
from receiver.store import database as store
from receiver.store import events, items, messages, outbox
from receiver.store.database import Database, open_database
from receiver.store.events import Arrival
from receiver.store.messages import PostedMessage
from tests import sqlite_file
from tests.factories import NOW, make_snapshot
from tests.newer.migrations import newer_migrations
from tests.postgres import fresh_database

pytestmark = pytest.mark.anyio
ROUTES = (Route("all", slack=("C1",)),)
PEOPLE = People(resolvers=frozenset({"@creditor.example"}))
ANNA = Person(email="anna@creditor.example", name="Anna")
STEPS = [one.revision for one in ScriptDirectory(str(store.MIGRATIONS)).walk_revisions()][::-1]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    with fresh_database(request.getfixturevalue("postgres"), is_migrated=False) as url:
        yield url


@contextmanager
def engine_of(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def upgrade(connection: sa.Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(store.MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def fill(database: Database) -> None:
    """Store an event, an open item with a message, an item with a click, and their deliveries."""
    await database.write_batched(events.append, Arrival("getbill", "main", "id:1", {"a": "b"}, b"{}", NOW))
    for key in ("getbill:main:debtor_request:1", "getbill:main:debtor_request:2"):
        await database.write(apply_fact, SourceReported(make_snapshot(key=key), NOW), NOW, ROUTES)
    shown, decided = await database.read(_both)
    await database.write(messages.save, shown.id, PostedMessage("slack:C1", "C1/1.0", "all", 1, "open"), NOW)
    click = Click(decided.id, decided.version, "validate", ANNA, "slack", "p1")
    assert isinstance(await database.write(take_action, click, NOW, ROUTES, PEOPLE), Taken)


def _both(connection: sa.Connection) -> list[Any]:
    return sorted(items.list_items(connection), key=lambda item: item.key)


def rows_of(engine: sa.Engine) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table, unconverted."""
    found = sa.MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(sa.select(table))]
            for table in found.sorted_tables
            if table.name != "alembic_version"
        }


def insert_fitting(engine: sa.Engine, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Insert the rows as an older version would: only its tables and columns."""
    found = sa.MetaData()
    found.reflect(engine)
    with engine.begin() as connection:
        for table in found.sorted_tables:
            for row in rows.get(table.name, ()):
                known = {name: value for name, value in row.items() if name in table.columns}
                connection.execute(table.insert().values(**known))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], dict[str, list[dict[str, Any]]]]:
    """Both items and the rows of each table, as this version stores them."""
    url = sqlite_file.lay(tmp_path_factory.mktemp("today"))

    async def filled() -> list[Any]:
        today = open_database(url)
        await fill(today)
        both = await today.read(_both)
        await today.close()
        return both

    both = asyncio.run(filled())
    with engine_of(url) as engine:
        return both, rows_of(engine)


@pytest.mark.parametrize("revision", STEPS)
async def test_rows_of_an_older_version_are_usable_after_the_upgrade(
    empty_url: str, stored: tuple[list[Any], dict[str, list[dict[str, Any]]]], revision: str
) -> None:
    before, rows = stored
    with engine_of(empty_url) as engine:
        with engine.begin() as connection:
            upgrade(connection, revision)
        insert_fitting(engine, rows)

    database = open_database(empty_url)
    found = await database.read(_both)
    claimed = await database.write(events.claim, ("getbill",), "main", NOW, "c1", 10)
    due = await database.write(outbox.claim, NOW + timedelta(hours=1), "c2", 50, (), 4)
    is_new = await database.write(events.append, [Arrival("getbill", "main", "id:1", {}, b"{}", NOW)])
    await database.close()

    assert found == before
    assert [event.body for event in claimed] == [b"{}"]
    assert sorted(row.what for row in due) == ["command", "show", "show"]
    assert is_new == [False]


def test_each_migration_only_adds_optional_columns_and_tables(empty_url: str) -> None:
    """So that the version before can run beside the new one, and again after it (docs/decisions/0022)."""
    with engine_of(empty_url) as engine:
        for revision in STEPS:
            before = _schema(engine)
            with engine.begin() as connection:
                upgrade(connection, revision)
            after = _schema(engine)
            for table, columns in before.items():
                assert columns.keys() <= after[table].keys(), f"{revision} takes a column of {table} away"
                added = [column for name, column in after[table].items() if name not in columns]
                hard = [one["name"] for one in added if not one["nullable"] and one["default"] is None]
                assert hard == [], f"{revision}: whoever does not know them cannot insert into {table}"


def test_the_newest_migration_is_named_for_its_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.newest_revision() == STEPS[-1]
    monkeypatch.setattr(store, "MIGRATIONS", newer_migrations(tmp_path))
    assert store.newest_revision() == "9000"


def _schema(engine: sa.Engine) -> dict[str, dict[str, Any]]:
    looks = sa.inspect(engine)
    return {name: {one["name"]: one for one in looks.get_columns(name)} for name in looks.get_table_names()}


async def test_a_schema_of_a_newer_version_is_used_unchanged(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr(store, "MIGRATIONS", newer_migrations(tmp_path))
        store.migrate(empty_url)

    database = open_database(empty_url)
    await fill(database)
    found = await database.read(_both)
    await database.close()

    assert [item.state for item in found] == ["open", "acting"]
    with engine_of(empty_url) as engine, engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all() == ["9000"]


def test_the_tables_of_another_program_are_refused(empty_url: str) -> None:
    with engine_of(empty_url) as engine, engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('7f3a')"))

    with pytest.raises(ConfigError, match=r"another program's tables.*'7f3a'.*database of its own"):
        store.migrate(empty_url)


@pytest.mark.parametrize("unreleased", ["0017", "202611280000"])
def test_an_unreleased_schema_is_refused_by_its_revision(empty_url: str, unreleased: str) -> None:
    store.migrate(empty_url)
    with engine_of(empty_url) as engine, engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :old"), {"old": unreleased})

    with pytest.raises(ConfigError, match=rf"'{unreleased}' is older than version 0\.1\.0.*an empty database"):
        store.migrate(empty_url)


def test_a_revision_is_the_minute_of_its_creation_and_there_is_one_head() -> None:
    names = [path.name for path in (store.MIGRATIONS / "versions").glob("[0-9]*.py")]

    assert [name for name in names if not re.match(r"20\d{10}_\w+\.py$", name)] == []
    assert sorted(name.partition("_")[0] for name in names) == STEPS
    assert len(ScriptDirectory(str(store.MIGRATIONS)).get_heads()) == 1
