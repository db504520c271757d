"""Online backup: one consistent state in one SQLite file, which is verified before it gets its name.

SQLite copies itself (VACUUM INTO reads one snapshot and blocks nobody). A PostgreSQL database is copied into a file by
``copying``, besides the backups that its server makes. Each backup is a complete database that ``database_url`` may
name.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from receiver.errors import ConfigError
from receiver.store import copying
from receiver.store.database import is_shared, lock_database, migrate, open_engine, sqlite_path
from receiver.store.files import make_private
from receiver.store.postgres import connect_args, postgres_url


@contextmanager
def open_snapshot(database_url: str) -> Iterator[Connection]:
    """One consistent state of a database that may be in use, to read. Raises ConfigError when there is none."""
    if is_shared(database_url):
        url = postgres_url(database_url)
        args = connect_args(url)
        engine = create_engine(url, connect_args=args, isolation_level="REPEATABLE READ", hide_parameters=True)
    else:
        engine = _read_only_engine(_existing(database_url))
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


def back_up(
    database_url: str, path: Path, on_progress: copying.Progress = lambda _table, _done, _total: None
) -> dict[str, int]:
    """Write a backup to ``path``; the number of rows by table.

    Raises ConfigError when ``path`` exists, or when the written file fails verification. Then nothing is left.
    """
    if path.exists():
        raise ConfigError(f"{path} is there already; a backup never overwrites, give another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.growing")
    partial.unlink(missing_ok=True)
    try:
        if is_shared(database_url):
            migrate(f"sqlite:///{partial}")
            with open_engine(f"sqlite:///{partial}") as target, open_snapshot(database_url) as source:
                copying.copy(source, target, on_progress)
        else:
            _copy_sqlite(_existing(database_url), partial)
        counted = verify(partial)
        _publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return counted


def verify(path: Path) -> dict[str, int]:
    """Verify a backup without changing it: open it, check every page and reference, count every table.

    Raises ConfigError for an incomplete or damaged file.
    """
    engine = _read_only_engine(path)
    try:
        with engine.connect() as connection:
            problems = list(connection.execute(text("PRAGMA integrity_check")).scalars())
            orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
            if problems != ["ok"] or orphans:
                raise ConfigError(f"{path}: damaged ({', '.join(map(str, problems))[:200]}; {len(orphans)} stray rows)")
            return copying.count_rows(connection)
    except DatabaseError as error:
        raise ConfigError(f"{path}: damaged ({error.orig})") from error
    finally:
        engine.dispose()


def copy_to(database_url: str, target_url: str, on_progress: copying.Progress) -> dict[str, int]:
    """Copy a database into another one, which is migrated first; the number of rows by table.

    Raises ConfigError for a target that is the source, or that contains other rows.
    """
    if _is_same(database_url, target_url):
        raise ConfigError("--to names the database that is in use already")
    with lock_database(target_url, None):
        migrate(target_url)
        with open_engine(target_url) as target, open_snapshot(database_url) as source:
            return copying.copy(source, target, on_progress)


def _is_same(database_url: str, other_url: str) -> bool:
    if is_shared(database_url) or is_shared(other_url):
        return make_url(database_url) == make_url(other_url)
    return sqlite_path(database_url) == sqlite_path(other_url)


def _existing(database_url: str) -> Path:
    path = sqlite_path(database_url)
    if not path.exists():
        raise ConfigError(f"{path}: no database there; database_url names another, or the service never ran")
    return path


def _copy_sqlite(path: Path, into: Path) -> None:
    engine = _read_only_engine(path)
    try:
        with closing(engine.raw_connection()) as raw:
            make_private(into)  # VACUUM INTO accepts an empty file, and keeps its mode
            raw.cursor().execute("VACUUM INTO ?", (str(into),))
    finally:
        engine.dispose()


def _publish(partial: Path, path: Path) -> None:
    """Flush, then rename: a backup under its final name is complete, also after a power cut."""
    for target, flags in ((partial, os.O_RDWR), (path.parent, os.O_RDONLY)):
        handle = os.open(target, flags)
        os.fsync(handle)
        os.close(handle)
        if target == partial:
            partial.rename(path)


def _read_only_engine(path: Path) -> Engine:
    url = f"sqlite+pysqlite:///{path.absolute().as_uri()}?mode=ro&uri=true"
    return create_engine(url, isolation_level="AUTOCOMMIT")
