"""A SQLite file with all tables for each test: the migrations run once a process."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from receiver.store.database import migrate


def lay(folder: Path, name: str = "casebell.db") -> str:
    """Put a migrated file without rows into ``folder``; its address."""
    path = folder / name
    path.write_bytes(_migrated())
    return f"sqlite:///{path}"


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "casebell.db")
        migrate(f"sqlite:///{path}")
        return path.read_bytes()
