"""``casebell events`` and ``replay``: lists stored events (webhooks and clicks), and processes them again.

``replay`` goes to the running service, which continues at once; without one it changes the database, and the next
``casebell serve`` processes them.
"""

import asyncio
from datetime import datetime
from pathlib import Path

import click

from receiver.cli.deliveries import format_when
from receiver.cli.options import LIMIT, TimeParam, with_config, with_json
from receiver.cli.output import print_rows, progress_bar
from receiver.cli.service import read_store, run_command
from receiver.settings import load
from receiver.store import events

COLUMNS = ("id", "state", "source", "account", "event_id", "received_at", "attempts", "reason")


@click.command("events")
@click.option("--state", type=click.Choice(["new", "done", "quarantined"]), help="Only events in this state.")
@click.option("--limit", **LIMIT)
@with_json
@with_config
def events_command(config: Path, state: str | None, limit: int, as_json: bool) -> None:
    """List stored events, newest first; those that cannot be processed are quarantined, with the reason."""
    listed = asyncio.run(read_store(load(config), lambda connection: events.list_events(connection, state, limit)))
    rows = [{name: getattr(event, name) for name in events.EventSummary.__slots__} for event in listed]
    print_rows(rows, COLUMNS, as_json=as_json, empty="No events.")


@click.command("replay")
@click.option("--event", metavar="ID", help="This event: its id at the sender, as `casebell events` lists it.")
@click.option("--since", type=TimeParam(), help="All webhooks since then: 2026-03-02T09:00 (UTC), or 90m, 4h, 2d ago.")
@click.option("--quarantined", is_flag=True, help="Only quarantined events, clicks included.")
@with_config
def replay_command(config: Path, event: str | None, since: datetime | None, quarantined: bool) -> None:
    """Process stored events again; this never sends a second alert."""
    if event is None and since is None and not quarantined:
        raise click.UsageError("give --event ID, --since TIME or --quarantined")
    settings = load(config)
    with progress_bar("putting events back"):
        wanted = {"event": event, "since": since.isoformat() if since else None, "quarantined": quarantined}
        count = asyncio.run(run_command(settings, {"do": "replay", **wanted}))["count"]
    if event is not None and not count:
        raise click.ClickException(f"no finished event has the id {event}; `casebell events` lists them")
    click.echo(f"{count} to be processed again{format_when(settings) if count else ''}")
