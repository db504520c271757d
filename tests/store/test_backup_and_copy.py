"""Backups and copies to another database: complete, counted on both sides, resumable."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, update

from receiver.domain.fact import SourceReported
from receiver.domain.item import Item
from receiver.domain.routing import Route
from receiver.errors import ConfigError
from receiver.pipeline.apply import apply_fact
from receiver.store import backup, copying, events, items
from receiver.store.database import Database, migrate, open_database
from receiver.store.events import Arrival
from receiver.store.schema import item as item_table
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio
BATCH, ITEMS = 50, 123  # two full batches and a rest


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "ROWS_IN_ONE_COMMIT", BATCH)


async def fill(database: Database) -> None:
    for n in range(ITEMS):
        arrival = Arrival("getbill", "main", f"id:{n}", {"x": "y"}, b"\x00\xff" + str(n).encode(), NOW)
        await database.write_batched(events.append, arrival)
    for n in range(0, ITEMS, 3):
        fact = SourceReported(make_snapshot(key=f"getbill:main:debtor_request:{n}"), NOW)
        await database.write(apply_fact, fact, NOW, (Route("r", slack=("C1",)),))


async def list_items(database: Database) -> list[Item]:
    return await database.read(lambda connection: list(items.list_items(connection)))


def ignore_progress(_table: str, _done: int, _total: int) -> None:
    pass


async def test_a_backup_of_a_database_in_use_is_complete(database: Database, database_url: str, tmp_path: Path) -> None:
    await fill(database)

    counted = backup.back_up(database_url, tmp_path / "backup" / "casebell.db")

    restored = open_database(f"sqlite:///{tmp_path}/backup/casebell.db")
    assert await list_items(restored) == await list_items(database)
    assert (counted["event"], counted["item"], counted["outbox"]) == (ITEMS, 41, 41)
    assert await restored.write(events.append, [Arrival("getbill", "main", "id:7", {}, b"", NOW)]) == [False]
    await restored.close()
    assert [path.name for path in (tmp_path / "backup").iterdir() if path.name.startswith(".")] == []


async def test_a_backup_never_overwrites_a_file(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")

    with pytest.raises(ConfigError, match="never overwrites"):
        backup.back_up(sqlite_url, tmp_path / "there")

    assert (tmp_path / "there").read_text() == "mine"


async def test_a_damaged_backup_fails_verification(sqlite_url: str, tmp_path: Path) -> None:
    database = open_database(sqlite_url)
    await fill(database)
    await database.close()
    backup.back_up(sqlite_url, tmp_path / "backup.db")
    raw = bytearray((tmp_path / "backup.db").read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 8_192] = b"\x5a" * 8_192
    (tmp_path / "backup.db").write_bytes(raw)

    with pytest.raises(ConfigError, match="damaged"):
        backup.verify(tmp_path / "backup.db")


async def test_a_copy_contains_every_row_and_ids_continue(sqlite_url: str, postgres_url: str) -> None:
    before = open_database(sqlite_url)
    await fill(before)
    there = await list_items(before)
    await before.close()

    counted = backup.copy_to(sqlite_url, postgres_url, ignore_progress)

    after = open_database(postgres_url)
    assert await list_items(after) == there
    assert counted["event"] == ITEMS
    assert await after.write_batched(events.append, Arrival("getbill", "main", "id:new", {}, b"", NOW)) is True
    assert await after.write_batched(events.append, Arrival("getbill", "main", "id:3", {}, b"", NOW)) is False
    await after.close()


async def test_an_interrupted_copy_is_completed_by_the_next(sqlite_url: str, postgres_url: str) -> None:
    before = open_database(sqlite_url)
    await fill(before)
    await before.close()

    class CutOffError(Exception):
        pass

    def interrupt(table: str, done: int, _total: int) -> None:
        if table == "event" and done > copying.ROWS_IN_ONE_COMMIT:
            raise CutOffError

    with pytest.raises(CutOffError):
        backup.copy_to(sqlite_url, postgres_url, interrupt)
    _change_one_item(sqlite_url)  # the service ran in between
    counted = backup.copy_to(sqlite_url, postgres_url, ignore_progress)

    after = open_database(postgres_url)
    assert await after.read(copying.count_rows) == counted
    states = {item.snapshot.reference for item in await list_items(after)}
    await after.close()
    assert states == {make_snapshot().reference}


async def test_a_target_with_other_rows_is_refused(sqlite_url: str, postgres_url: str) -> None:
    database = open_database(sqlite_url)
    await database.close()
    other = open_database(postgres_url)
    await other.write_batched(events.append, Arrival("getbill", "other", "id:1", {}, b"", NOW))
    await other.close()

    with pytest.raises(ConfigError, match="event: 0 here, 1 there"):
        backup.copy_to(sqlite_url, postgres_url, ignore_progress)


async def test_a_database_is_not_copied_onto_itself(sqlite_url: str) -> None:
    migrate(sqlite_url)

    with pytest.raises(ConfigError, match="in use already"):
        backup.copy_to(sqlite_url, sqlite_url, ignore_progress)


def _change_one_item(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        chosen = connection.execute(select(item_table.c.id).limit(1)).scalar_one()
        connection.execute(
            update(item_table).where(item_table.c.id == chosen).values(changed_at=NOW + timedelta(days=1))
        )
    engine.dispose()
