"""Opens the database of the configuration and migrates its schema. The rest of the store gets connections only."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from receiver.errors import ConfigError
from receiver.observability import log
from receiver.store import group_commit, locks
from receiver.store.files import canonical_path, make_private
from receiver.store.postgres import PostgresDatabase, connect_args, postgres_url
from receiver.store.sqlite import FileLock, SqliteDatabase

T = TypeVar("T")
MIGRATIONS = Path(__file__).parent / "migrations"
EXAMPLES = "sqlite:///casebell.db or postgresql://user@host/db"


class Database(Protocol):
    """The only access to the database. ``SqliteDatabase`` documents the promises of each method."""

    dialect: str

    def now(self) -> datetime:
        """The clock that leases use."""

    async def read(self, work: Callable[..., T], *args: Any) -> T: ...

    async def write(self, work: Callable[..., T], *args: Any) -> T: ...

    async def write_batched(self, work: Callable[[Connection, list[Any]], Sequence[T]], row: Any) -> T: ...

    async def notify_replicas(self, me: str, names: Collection[str]) -> None:
        """Wake the loops of these names on the other replicas."""

    async def listen(self, me: str, on_notify: Callable[[str], None]) -> None:
        """Call ``on_notify`` with each wake-up of another replica, until cancelled. Returns where there are none."""

    async def close(self) -> None: ...


def is_shared(database_url: str) -> bool:
    """Whether several processes may use this database at the same time: PostgreSQL, not SQLite."""
    return database_url.startswith("postgresql")


def sqlite_path(database_url: str) -> Path:
    """The file behind a ``sqlite:///`` address. Raises ConfigError for any other."""
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise ConfigError(f"database_url: this is no address of a database; write {EXAMPLES}") from None
    if url.get_backend_name() != "sqlite" or not url.database:
        raise ConfigError(f"database_url: {url.get_backend_name()} is not served; write {EXAMPLES}")
    if url.query or url.database.startswith(("file:", ":memory:")):
        raise ConfigError("database_url: SQLite takes only the path of a file here; write sqlite:///casebell.db")
    return canonical_path(Path(url.database))


@contextmanager
def lock_database(database_url: str, listens_at: str | None) -> Iterator[None]:
    """Lock a SQLite file for this process, and store ``listens_at`` in the lock file. PostgreSQL is not locked.

    Raises ConfigError when another process has the lock.
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
    """Migrate the database and open it. Raises RetryLaterError when PostgreSQL does not answer."""
    migrate(database_url)
    if is_shared(database_url):
        return PostgresDatabase(postgres_url(database_url))
    return SqliteDatabase(sqlite_path(database_url))


def open_existing(database_url: str) -> Database:
    """Open a database that may be in use, to read. Raises ConfigError when it does not exist."""
    hint = "`casebell serve` or `casebell reconcile` makes it"
    if is_shared(database_url):
        url = postgres_url(database_url)
        with group_commit.translate_errors(), open_engine(database_url) as engine, engine.connect() as connection:
            if not inspect(connection).has_table("item"):
                raise ConfigError(f"{_display_name(database_url)}: no Casebell database yet; {hint}")
        return PostgresDatabase(url)
    path = sqlite_path(database_url)
    if not path.exists():
        raise ConfigError(f"{path}: no database there yet; {hint}")
    return SqliteDatabase(path)


def migrate(database_url: str) -> None:
    """Migrate the schema to the newest revision. Safe to repeat, and when replicas start together.

    A schema of a newer version is left as it is and used (docs/decisions/0022). Raises ConfigError for the schema of
    another program, or of a version before 0.1.0.
    """
    if not is_shared(database_url):
        make_private(sqlite_path(database_url))
    with group_commit.translate_errors(), open_engine(database_url) as engine, engine.begin() as connection:
        locks.acquire(connection, ["migration"])
        current, newest = _revision(connection), newest_revision()
        if current == newest:
            return
        from alembic import command  # slow to import, and needed at the first start of a version only
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if current and current not in known:
            name = _display_name(database_url)
            if not inspect(connection).has_table("item"):
                what = f"{name}: another program's tables are there (its schema is at {current!r})"
                raise ConfigError(f"{what}; give Casebell a database of its own")
            if current < newest:
                what = f"{name}: its schema {current!r} is older than version 0.1.0, which cannot upgrade it"
                raise ConfigError(f"{what}; give Casebell an empty database")
            log.warning("store.schema.newer", revision=current)
            return
        command.upgrade(config, "head")


def newest_revision() -> str:
    """The revision of this program's schema, from the name of its newest migration."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def is_ready(connection: Connection) -> bool:
    """Whether the database answers and has a schema."""
    return bool(connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one())


def _revision(connection: Connection) -> str | None:
    """The revision of the database; None without one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _display_name(database_url: str) -> str:
    """The database in messages to people: without the password."""
    if not is_shared(database_url):
        return str(sqlite_path(database_url))
    url = postgres_url(database_url)
    return f"{url.host or 'the server'}/{url.database}"


@contextmanager
def open_engine(database_url: str) -> Iterator[Engine]:
    """An engine for a migration, a copy or a look at the schema, disposed at the end."""
    if is_shared(database_url):
        url = postgres_url(database_url)
        engine = create_engine(url, connect_args=connect_args(url), hide_parameters=True)
    else:
        engine = create_engine(URL.create("sqlite", database=str(sqlite_path(database_url))), hide_parameters=True)
    try:
        yield engine
    finally:
        engine.dispose()
