"""The writer outlives whatever happens to it, and nobody is told that a row is stored which is not."""

import asyncio
import fcntl
import os
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from receiver.errors import RetryLaterError
from receiver.store.database import Database, open_database
from receiver.store.sqlite import FileLock
from tests.store.event_rows import add, ids

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """What a full disk or a quota does to whoever writes past the end of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_fills_while_the_log_is_folded_in_does_not_end_the_writer(
    database: Database, tmp_path: Path
) -> None:
    def add_much(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE much (body BLOB)"))
        connection.execute(text("INSERT INTO much VALUES (zeroblob(40000))"))

    await database.write(add, "e0")
    await asyncio.sleep(0.5)
    size = (tmp_path / "casebell.db").stat().st_size
    with no_file_grows_beyond(size):
        await database.write(add_much)
        await asyncio.sleep(0.5)

    async with asyncio.timeout(60):
        assert await database.write(add, "e1") == "e1"


async def test_nobody_is_told_that_a_row_is_stored_when_the_disk_fills_behind_it(database: Database) -> None:
    def fill(connection: Connection) -> None:
        connection.execute(text("INSERT INTO much VALUES (zeroblob(4000000))"))

    def poison(_connection: Connection) -> None:
        raise ValueError("poison")

    def little_room(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE much (body BLOB)"))
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}")

    await database.write(little_room)

    results = await asyncio.gather(
        database.write(add, "before"),
        database.write(poison),
        database.write(fill),
        database.write(add, "behind"),
        return_exceptions=True,
    )

    told = {result for result in results if isinstance(result, str)}
    assert await database.read(ids) == told
    assert isinstance(results[2], RetryLaterError)


async def test_an_error_that_no_future_takes_keeps_no_other_caller_waiting(database: Database) -> None:
    def ends(_connection: Connection) -> str:
        return next(iter(()))  # no default: StopIteration

    async with asyncio.timeout(60):
        results = await asyncio.gather(database.write(ends), database.write(add, "behind"), return_exceptions=True)

    assert isinstance(results[0], Exception)
    assert results[1] == "behind"


def test_asking_who_holds_the_file_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "casebell.db"
    FileLock(path).release()
    asking = os.open(f"{path}.lock", os.O_RDWR)
    fcntl.flock(asking, fcntl.LOCK_SH)  # what `holder` does, caught in the middle
    threading.Timer(0.1, os.close, [asking]).start()

    assert FileLock.holder(path) is None
    FileLock(path).release()
