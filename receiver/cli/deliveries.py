"""``casebell deliveries`` and ``retry``: lists the outbox, and retries dead deliveries.

``retry`` goes to the running service, which continues at once; without one it changes the database, and the next
``casebell serve`` sends them.
"""

import asyncio
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from receiver.cli.options import LIMIT, with_config, with_json
from receiver.cli.output import as_printable, print_rows, print_warning
from receiver.cli.service import find_service, read_store, run_command
from receiver.domain.breaker import Breaker, breakers_for
from receiver.settings import Settings, load
from receiver.store import breakers, outbox

COLUMNS = ("id", "state", "what", "destination", "attempts", "due_at", "key", "reason")


@click.command("deliveries")
@click.option("--state", type=click.Choice(["due", "done", "dead"]), help="Only deliveries in this state.")
@click.option("--limit", **LIMIT)
@with_json
@with_config
def deliveries_command(config: Path, state: str | None, limit: int, as_json: bool) -> None:
    """List the outbox, newest first, and the destinations that are paused."""
    opened, rows = asyncio.run(read_store(load(config), lambda connection: _read_outbox(connection, state, limit)))
    print_rows(rows, COLUMNS, as_json=as_json, empty="No deliveries.")
    if not as_json:
        for breaker in opened:
            print_warning(f"{breaker.name} is paused until {breaker.open_until:%F %T} UTC: {breaker.reason}")


@click.command("retry")
@click.argument("ids", nargs=-1, type=click.IntRange(1), metavar="[ID]...")
@click.option("--all-dead", is_flag=True, help="All dead deliveries.")
@with_config
def retry_command(config: Path, ids: tuple[int, ...], all_dead: bool) -> None:
    """Retry dead deliveries; they keep their ids."""
    if bool(ids) == all_dead:
        raise click.UsageError("give either ids, as `casebell deliveries --state dead` lists them, or --all-dead")
    settings = load(config)
    answer = asyncio.run(run_command(settings, {"do": "retry", "ids": None if all_dead else list(ids)}))
    due, refused = answer["due"], answer["refused"]
    click.echo(f"{len(due)} due again{format_when(settings) if due else ''}")
    for id_, why in refused.items():
        click.echo(as_printable(f"{id_}: {why}"), err=True)
    if refused and not all_dead:
        raise click.exceptions.Exit(1)


def format_when(settings: Settings) -> str:
    """When the work is done, as the end of a sentence: empty if a service runs and does it now."""
    return "" if find_service(settings) else ", once `casebell serve` runs"


def _read_outbox(connection: Connection, state: str | None, most: int) -> tuple[list[Breaker], list[dict[str, Any]]]:
    """The open breakers, and each delivery with the time until which its destination is paused."""
    opened = breakers.list_open(connection)
    by_name = {breaker.name: breaker for breaker in opened}
    rows = []
    for row in outbox.list_deliveries(connection, state, most):
        over = [by_name[n] for n in breakers_for(row.destination, is_interactive=row.is_interactive) if n in by_name]
        until = max((each.open_until for each in over if each.open_until), default=None) if row.state == "due" else None
        rows.append({**row._asdict(), "held_until": until})
    return opened, rows
