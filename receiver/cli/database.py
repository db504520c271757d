"""``casebell db``: migrates, backs up, copies and purges the database."""

import asyncio
from collections import Counter
from pathlib import Path

import click

from receiver.cli.options import with_config
from receiver.cli.output import Step, progress_bar
from receiver.cli.service import run_command
from receiver.settings import Settings, load
from receiver.store import backup
from receiver.store.copying import Progress
from receiver.store.database import lock_database, migrate


@click.group("db")
def db_command() -> None:
    """The database: migrations, backups, and the move to PostgreSQL."""


@db_command.command()
@with_config
def upgrade(config: Path) -> None:
    """Migrate the database to this version; `serve` does it too."""
    settings = load(config)
    with lock_database(settings.database_url, None):
        migrate(settings.database_url)
    click.echo("The tables are those of this version.")


@db_command.command("backup")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@with_config
def backup_command(config: Path, path: Path) -> None:
    """Copy the database into one SQLite file at PATH while the service runs, and check the copy."""
    settings = load(config)
    with progress_bar("backing up") as step:
        counted = backup.back_up(settings.database_url, path, _sum_progress(step))
    click.echo(f"{path}: whole, {_rows(counted)}. To restore, let database_url name a copy of it: sqlite:///{path}")


@db_command.command("copy")
@click.option("--to", "target", required=True, metavar="URL", help="An empty database, e.g. postgresql://user@host/db.")
@with_config
def copy_command(config: Path, target: str) -> None:
    """Copy everything into another database. Stop the service first; repeat the command if it was interrupted."""
    settings = load(config)
    with lock_database(settings.database_url, None), progress_bar("copying") as step:
        counted = backup.copy_to(settings.database_url, target, _sum_progress(step))
    click.echo(f"Copied and counted on both sides: {_rows(counted)}. Now let database_url name it, and start.")


@db_command.command("purge")
@with_config
def purge_command(config: Path) -> None:
    """Erase now what `retention` does not keep; the service does it every hour."""
    settings = load(config)
    with progress_bar("erasing") as step:
        counted = asyncio.run(_purge(settings, step))
    erased = ", ".join(f"{n} {what}" for what, n in counted.items() if n)
    click.echo(f"Erased {erased}." if erased else "Nothing is older than what is kept.")


async def _purge(settings: Settings, step: Step) -> Counter[str]:
    counted: Counter[str] = Counter()
    is_all = False
    while not is_all:
        answer = await run_command(settings, {"do": "purge"})
        counted.update(answer["erased"])
        step(counted.total())
        is_all = answer["is_all"]
    return counted


def _sum_progress(step: Step) -> Progress:
    """Reports the progress of all tables as one."""
    done: dict[str, int] = {}
    total: dict[str, int] = {}

    def report(table: str, so_far: int, of: int) -> None:
        done[table], total[table] = so_far, of
        step(sum(done.values()), sum(total.values()))

    return report


def _rows(counted: dict[str, int]) -> str:
    return ", ".join(f"{n} {table}" for table, n in counted.items() if n) or "no rows yet"
