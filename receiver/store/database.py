"""Opens the store: migrates the schema forward, hands out the doors."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url

from receiver.errors import ConfigError
from receiver.observability import log
from receiver.store import group_commit, locks
from receiver.store.files import make_private, only_name_of
from receiver.store.postgres import PostgresDatabase, postgres_url, reaching
from receiver.store.sqlite import FileLock, SqliteDatabase

T = TypeVar("T")
MIGRATIONS = Path(__file__).parent / "migrations"


class Database(Protocol):
    """The two doors (and a third for rows that are best written together); see SqliteDatabase for the promises."""

    dialect: str

    def now(self) -> datetime:
        """The clock that leases go by."""

    async def read(self, work: Callable[..., T], *args: Any) -> T: ...

    async def write(self, work: Callable[..., T], *args: Any) -> T: ...

    async def write_batched(self, work: Callable[[Connection, list[Any]], Sequence[T]], row: Any) -> T: ...

    async def notify_replicas(self, me: str, names: Collection[str]) -> None:
        """Wake these loops on the other replicas."""

    async def listen(self, me: str, heard: Callable[[str], None]) -> None:
        """Hear what other replicas ring, until cancelled; returns at once where there cannot be any."""

    async def close(self) -> None: ...


def is_shared(database_url: str) -> bool:
    """Whether several processes may use this database at the same time."""
    return database_url.startswith("postgresql")


def sqlite_path(database_url: str) -> Path:
    """The file behind a ``sqlite:///`` address. Raises ConfigError for any other."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise ConfigError(
            f"database_url: {url.get_backend_name()} is not served; write sqlite:///casebell.db or "
            "postgresql://user@host/db"
        )
    if url.query or url.database.startswith(("file:", ":memory:")):
        raise ConfigError("database_url: SQLite takes only the path of a file here; write sqlite:///casebell.db")
    return only_name_of(Path(url.database))


@contextmanager
def held(database_url: str, listens_at: str | None) -> Iterator[None]:
    """A SQLite file is ours alone while this lasts, and says where we listen; PostgreSQL is shared.

    Raises ConfigError when another process has the file.
    """
    if is_shared(database_url):
        yield
        return
    path = sqlite_path(database_url)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.write({"url": listens_at} if listens_at else {})
        yield
    finally:
        lock.release()


def open_database(database_url: str) -> Database:
    """A migrated database, ready to use. Raises RetryLaterError when PostgreSQL does not answer."""
    if is_shared(database_url):
        migrate(database_url)
        return PostgresDatabase(postgres_url(database_url))
    migrate(database_url)
    return SqliteDatabase(sqlite_path(database_url))


def open_as_it_is(database_url: str) -> Database:
    """The database beside whoever uses it, to read. Raises ConfigError when the service has never made it."""
    cure = "`casebell serve` or `casebell reconcile` makes it"
    if is_shared(database_url):
        url = postgres_url(database_url)
        if not _has_tables(database_url):
            raise ConfigError(f"{_place(database_url)}: no Casebell database yet; {cure}")
        return PostgresDatabase(url)
    path = sqlite_path(database_url)
    if not path.exists():
        raise ConfigError(f"{path}: no database there yet; {cure}")
    return SqliteDatabase(path)


def migrate(database_url: str) -> None:
    """Bring the schema forward to this program's; safe to call again, and by replicas that start together.

    A newer program may have brought it further: then it stays, and this one works on it (docs/decisions/0022).
    """
    if not is_shared(database_url):
        make_private(sqlite_path(database_url))
    with group_commit.in_our_words(), _engine(database_url) as engine, engine.begin() as connection:
        locks.hold(connection, ["migration"])
        there, newest = _revision(connection), newest_revision()
        if there == newest:
            return
        from alembic import command  # a fifth of what a start loads, needed at the first start of a version only
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        if there and there not in {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}:
            place = _place(database_url)
            if not inspect(connection).has_table("item"):
                what = f"{place}: another program's tables are there (its schema is at {there!r})"
                raise ConfigError(f"{what}; give Casebell a database of its own")
            if there < newest:
                what = f"{place}: its schema {there!r} is older than version 0.1.0, which cannot upgrade it"
                raise ConfigError(f"{what}; give Casebell an empty database")
            log.warning("store.schema.newer", revision=there)
            return
        command.upgrade(config, "head")


def newest_revision() -> str:
    """This program's schema: what the name of its newest migration begins with."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def is_ready(connection: Connection) -> bool:
    """Whether the database answers and is migrated."""
    return bool(connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one())


def _revision(connection: Connection) -> str | None:
    """The schema that is there."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _place(database_url: str) -> str:
    """The database as a person may see it named, without the password."""
    if not is_shared(database_url):
        return str(sqlite_path(database_url))
    url = postgres_url(database_url)
    return f"{url.host or 'the server'}/{url.database}"


def _has_tables(database_url: str) -> bool:
    with group_commit.in_our_words(), _engine(database_url) as engine, engine.connect() as connection:
        return inspect(connection).has_table("item")


@contextmanager
def _engine(database_url: str) -> Iterator[Engine]:
    """Connections without the doors' limits, for a moment."""
    if is_shared(database_url):
        url = postgres_url(database_url)
        engine = create_engine(url, connect_args=reaching(url), hide_parameters=True)
    else:
        engine = create_engine(URL.create("sqlite", database=str(sqlite_path(database_url))), hide_parameters=True)
    try:
        yield engine
    finally:
        engine.dispose()
