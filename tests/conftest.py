import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from receiver.store.database import Database, open_database
from tests import postgres as postgres_server

# How long a machine takes is measured by `make bench`, never by a test.
settings.register_profile("casebell", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("casebell")


def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores: most of the time a test waits for a process, a socket or a moment to come."""
    ours = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return len(ours) + 2


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of this worker's own, started when the first test asks for it."""
    try:
        with postgres_server.running() as url, postgres_server.template(url):
            yield url
    except postgres_server.NoPostgresError as error:
        pytest.skip(f"no PostgreSQL here: {error}")


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """A fresh database on it."""
    with postgres_server.fresh_database(postgres) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'casebell.db'}"


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
