from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.store.database import Database, open_database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'casebell.db'}")
    yield opened
    await opened.close()
