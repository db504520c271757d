import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from receiver.store.database import Database, open_database
from tests import sqlite_file
from tests.faults.much import IS_LONG, times
from tests.postgres import NoPostgresError, SharedServer, empty, fresh_database

# Else every process that a test starts would compile the whole program.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Drawing the frames of a traceback takes half a second; structlog does that for whoever does not set it up.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
SHARED = "CASEBELL_TEST_SHARED_FOLDER"

# How long a machine takes is measured by `make bench`, never by a test.
# Fixed examples in short runs, so that a run is as the one before; CASEBELL_FAULTS=long looks for new ones.
settings.register_profile(
    "casebell",
    deadline=None,
    max_examples=times(40, 1_000),
    derandomize=not IS_LONG,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("casebell")


def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores: most of the time a test waits for a process, a socket or a moment to come."""
    return len(os.sched_getaffinity(0)) + 2 if hasattr(os, "sched_getaffinity") else 4


def pytest_configure(config: pytest.Config) -> None:
    """The controller of a run makes a folder for what its workers share."""
    if not hasattr(config, "workerinput"):
        os.environ[SHARED] = tempfile.mkdtemp(prefix="casebell-run-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shared = Path(os.environ.pop(SHARED))
        SharedServer(shared).stop()
        shutil.rmtree(shared)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs PostgreSQL, by a fixture or as one of the two databases."""
    for item in items:
        wanted = {*getattr(item, "fixturenames", ())}
        if callspec := getattr(item, "callspec", None):
            wanted |= {value for value in callspec.params.values() if isinstance(value, str)}
        if wanted & {"postgres", "postgresql"}:
            item.add_marker("postgres")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> str:
    """The PostgreSQL server of this run, started when the first test asks for it."""
    try:
        return SharedServer(Path(os.environ[SHARED])).url()
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL here: {error}")


@pytest.fixture(scope="session")
def worker_database(postgres: str) -> Iterator[str]:
    """The one database of this worker, with all tables."""
    with fresh_database(postgres) as url:
        yield url


@pytest.fixture
def postgres_url(worker_database: str) -> str:
    """A migrated database without rows."""
    empty(worker_database)
    return worker_database


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A migrated file without rows."""
    return sqlite_file.lay(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Both databases, one after the other: what the store promises is promised by each."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(database_url)
    yield opened
    await opened.close()
