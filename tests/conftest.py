from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from receiver.store.database import Database, open_database

# How long a machine takes is measured by `make bench`, never by a test.
settings.register_profile("casebell", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("casebell")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'casebell.db'}")
    yield opened
    await opened.close()
