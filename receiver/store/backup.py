"""A backup while the service runs: one consistent state in one SQLite file, opened and counted before it is done.

SQLite copies itself (VACUUM INTO reads one state and waits for nobody); a PostgreSQL store is carried into a file by
``copying``, beside whatever backups its server has of its own. Either file is a store: ``database_url`` may name it.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DatabaseError

from receiver.errors import ConfigError
from receiver.store import copying
from receiver.store.database import held, is_shared, migrate, sqlite_path
from receiver.store.files import make_private
from receiver.store.postgres import postgres_url, reaching


@contextmanager
def source_of(database_url: str) -> Iterator[Connection]:
    """One consistent state of a store, to read, whoever else uses it. Raises ConfigError when there is none."""
    if is_shared(database_url):
        url = postgres_url(database_url)
        engine = create_engine(url, connect_args=reaching(url), isolation_level="REPEATABLE READ", hide_parameters=True)
    else:
        path = sqlite_path(database_url)
        if not path.exists():
            raise ConfigError(f"{path}: no database there; database_url names another, or the service never ran")
        engine = _reading(path)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


def back_up(database_url: str, path: Path, told: copying.Told = lambda _table, _done, _total: None) -> dict[str, int]:
    """Write a backup to ``path``; how many rows each table has in it.

    Raises ConfigError when ``path`` is taken, or when what was written does not stand the test; then nothing is left.
    """
    if path.exists():
        raise ConfigError(f"{path} is there already; a backup never overwrites, give another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    growing = path.with_name(f".{path.name}.growing")
    growing.unlink(missing_ok=True)
    try:
        if is_shared(database_url):
            _carry(database_url, growing, told)
        else:
            _vacuum(sqlite_path(database_url), growing)
        counted = verify(growing)
        _put_down(growing, path)
    finally:
        growing.unlink(missing_ok=True)
    return counted


def verify(path: Path) -> dict[str, int]:
    """Restore ``path`` in a way that changes nothing: open it, check every page and reference, count every table.

    Raises ConfigError when it is not a whole store.
    """
    engine = _reading(path)
    try:
        with engine.connect() as connection:
            found = list(connection.execute(text("PRAGMA integrity_check")).scalars())
            strays = connection.execute(text("PRAGMA foreign_key_check")).all()
            if found != ["ok"] or strays:
                raise ConfigError(f"{path}: damaged ({', '.join(map(str, found))[:200]}; {len(strays)} stray rows)")
            return copying.counts(connection)
    except DatabaseError as error:
        raise ConfigError(f"{path}: damaged ({error.orig})") from error
    finally:
        engine.dispose()


def copy_to(database_url: str, target_url: str, told: copying.Told) -> dict[str, int]:
    """Carry a store into another database, migrated first; how many rows each table has on both sides.

    Raises ConfigError for a target that is the source, or that holds anything else.
    """
    if _is_same(database_url, target_url):
        raise ConfigError("--to names the database that is in use already")
    with held(target_url, None):
        migrate(target_url)
        target = _writing(target_url)
        try:
            with source_of(database_url) as source:
                return copying.copy(source, target, told)
        finally:
            target.dispose()


def _is_same(database_url: str, other_url: str) -> bool:
    if is_shared(database_url) or is_shared(other_url):
        return make_url(database_url) == make_url(other_url)
    return sqlite_path(database_url) == sqlite_path(other_url)


def _vacuum(path: Path, into: Path) -> None:
    if not path.exists():
        raise ConfigError(f"{path}: no database there; database_url names another, or the service never ran")
    engine = _reading(path)
    try:
        with closing(engine.raw_connection()) as raw:
            make_private(into)  # an empty file is taken, and keeps its mode
            raw.cursor().execute("VACUUM INTO ?", (str(into),))
    finally:
        engine.dispose()


def _carry(database_url: str, into: Path, told: copying.Told) -> None:
    migrate(f"sqlite:///{into}")
    target = _writing(f"sqlite:///{into}")
    try:
        with source_of(database_url) as source:
            copying.copy(source, target, told)
    finally:
        target.dispose()


def _put_down(growing: Path, path: Path) -> None:
    """On the disk, then under its name: a backup that is there is whole, whenever the power goes."""
    for place, flags in ((growing, os.O_RDWR), (path.parent, os.O_RDONLY)):
        handle = os.open(place, flags)
        os.fsync(handle)
        os.close(handle)
        if place == growing:
            growing.rename(path)


def _reading(path: Path) -> Engine:
    return create_engine(
        f"sqlite+pysqlite:///{path.absolute().as_uri()}?mode=ro&uri=true", isolation_level="AUTOCOMMIT"
    )


def _writing(database_url: str) -> Engine:
    if is_shared(database_url):
        url = postgres_url(database_url)
        return create_engine(url, connect_args=reaching(url), hide_parameters=True)
    return create_engine(URL.create("sqlite", database=str(sqlite_path(database_url))), hide_parameters=True)
