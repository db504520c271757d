"""The migrations of a later version: today's and one more."""

import shutil
from pathlib import Path

from alembic.script import ScriptDirectory

from receiver.store.database import MIGRATIONS

ONE_MORE = Path(__file__).with_name("one_more.py")


def newer_migrations(folder: Path) -> Path:
    """A copy of today's migrations with one behind them, in ``folder``."""
    there = folder / "migrations"
    shutil.copytree(MIGRATIONS, there, ignore=shutil.ignore_patterns("__pycache__"))
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    text = ONE_MORE.read_text().replace("HEAD OF TODAY", str(head))
    (there / "versions" / "9000_add_what_nobody_knows_yet.py").write_text(text)
    return there
