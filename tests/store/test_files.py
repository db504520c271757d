"""The files of a SQLite database: one canonical path, readable by the owner only."""

import os
from pathlib import Path

import pytest

from receiver.errors import ConfigError
from receiver.store import backup
from receiver.store.database import lock_database, open_database, sqlite_path
from receiver.store.files import make_private

pytestmark = pytest.mark.anyio


def modes(folder: Path) -> dict[str, str]:
    return {file.name: f"{file.stat().st_mode & 0o777:o}" for file in folder.iterdir() if file.is_file()}


def other_names(folder: Path) -> dict[str, str]:
    """Other addresses of the file ``casebell.db`` in this folder."""
    (folder / "link.db").symlink_to(folder / "casebell.db")
    (folder / "far").symlink_to(folder)
    (folder / "second.db").symlink_to("link.db")
    return {
        "a link": f"sqlite:///{folder / 'link.db'}",
        "a link to a link": f"sqlite:///{folder / 'second.db'}",
        "a linked folder": f"sqlite:///{folder / 'far' / 'casebell.db'}",
        "dots": f"sqlite:///{folder}/far/../{folder.name}/./casebell.db",
        "a relative path": f"sqlite:///{os.path.relpath(folder / 'casebell.db')}",
        "a driver": f"sqlite+pysqlite:///{folder / 'casebell.db'}",
    }


def test_a_second_process_is_refused_for_every_name_of_the_file(tmp_path: Path) -> None:
    refused = []
    with lock_database(f"sqlite:///{tmp_path / 'casebell.db'}", None):
        make_private(tmp_path / "casebell.db")
        for name, url in other_names(tmp_path).items():
            with pytest.raises(ConfigError, match="already uses this database"), lock_database(url, None):
                pass
            refused.append(name)

    assert len(refused) == 6
    assert sorted(tmp_path.glob("*.lock")) == [tmp_path / "casebell.db.lock"]


def test_a_file_behind_a_link_is_locked_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to("casebell.db")  # does not exist yet

    with (
        lock_database(f"sqlite:///{tmp_path / 'link.db'}", None),
        pytest.raises(ConfigError, match="already uses"),
        lock_database(f"sqlite:///{tmp_path / 'casebell.db'}", None),
    ):
        pass


def test_a_file_with_hard_links_is_refused(tmp_path: Path) -> None:
    make_private(tmp_path / "casebell.db")
    (tmp_path / "twin.db").hardlink_to(tmp_path / "casebell.db")

    for name in ("casebell.db", "twin.db"):
        with pytest.raises(ConfigError, match=r"2 names.*find / -samefile"):
            sqlite_path(f"sqlite:///{tmp_path / name}")
    (tmp_path / "twin.db").unlink()
    assert sqlite_path(f"sqlite:///{tmp_path / 'casebell.db'}") == (tmp_path / "casebell.db").resolve()


@pytest.mark.parametrize("what", ["file:casebell.db", "file:casebell.db?uri=true", "casebell.db?mode=ro", ":memory:"])
def test_an_address_that_is_not_a_plain_path_is_refused(what: str) -> None:
    with pytest.raises(ConfigError, match="only the path of a file"):
        sqlite_path(f"sqlite:///{what}")


def test_a_loop_of_links_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.db").symlink_to("b.db")
    (tmp_path / "b.db").symlink_to("a.db")

    with pytest.raises(ConfigError, match=r"a\.db"), lock_database(f"sqlite:///{tmp_path / 'a.db'}", None):
        pass


async def test_all_files_are_created_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        url, store = f"sqlite:///{tmp_path / 'casebell.db'}", tmp_path / "kept"
        with lock_database(url, "http://127.0.0.1:1"):
            database = open_database(url)
            await database.write(
                lambda connection: connection.exec_driver_sql("INSERT INTO lease VALUES ('a', 'b', 1)")
            )
            found = modes(tmp_path)
            backup.back_up(url, store / "backup.db")
            await database.close()
        backup.copy_to(url, f"sqlite:///{store / 'copy.db'}", lambda _table, _done, _total: None)
    finally:
        os.umask(before)

    assert set(found) == {"casebell.db", "casebell.db-wal", "casebell.db-shm", "casebell.db.lock"}
    assert {*found.values(), *modes(store).values()} == {"600"}
    assert {"backup.db", "copy.db"} <= set(modes(store))


async def test_readable_files_are_made_private_at_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'casebell.db'}"
    await open_database(url).close()
    (tmp_path / "casebell.db").chmod(0o664)
    await open_database(url).close()

    assert modes(tmp_path)["casebell.db"] == "600"


async def test_a_copy_into_the_same_database_is_refused_for_every_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'casebell.db'}"
    await open_database(url).close()

    for other in other_names(tmp_path).values():
        with pytest.raises(ConfigError, match="in use already"):
            backup.copy_to(url, other, lambda _table, _done, _total: None)
