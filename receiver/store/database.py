"""Opens the store: migrates the schema forward, hands out the doors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from receiver.errors import ConfigError
from receiver.store.sqlite import SqliteDatabase

T = TypeVar("T")
MIGRATIONS = Path(__file__).parent / "migrations"


class Database(Protocol):
    """The two doors (and a third for rows that are best written together); see SqliteDatabase for the promises."""

    dialect: str

    async def read(self, work: Callable[..., T], *args: Any) -> T: ...

    async def write(self, work: Callable[..., T], *args: Any) -> T: ...

    async def write_together(self, work: Callable[[Connection, list[Any]], Sequence[T]], row: Any) -> T: ...

    async def close(self) -> None: ...


def sqlite_path(database_url: str) -> Path:
    """The file behind a ``sqlite:///`` address. Raises ConfigError for any other."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise ConfigError(f"database_url: {url.get_backend_name()} is not served yet; write sqlite:///casebell.db")
    return Path(url.database).absolute()


def open_database(database_url: str) -> Database:
    """A migrated database, ready to use."""
    path = sqlite_path(database_url)
    path.parent.mkdir(parents=True, exist_ok=True)
    migrate(f"sqlite:///{path}")
    return SqliteDatabase(path)


def migrate(database_url: str) -> None:
    """Bring the schema forward to this program's; safe to call again."""
    engine = create_engine(database_url)
    try:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def is_ready(connection: Connection) -> bool:
    """Whether the database answers and is migrated."""
    return bool(connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one())
