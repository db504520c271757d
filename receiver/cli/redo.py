"""``casebell deliveries``, ``retry``, ``events`` and ``replay``: the outbox and the inbox from a terminal.

Reading needs no leave. ``retry`` and ``replay`` put rows back: in the running service when there is one, which goes on
with them at once, else in the database, for the next ``casebell serve``.
"""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from receiver.cli.ledger import read_store, service_of, through_the_service
from receiver.cli.options import with_config, with_json
from receiver.cli.output import plain, progress, show_rows, warn
from receiver.domain.breaker import Breaker, names_over
from receiver.settings import Settings, load
from receiver.store import breakers, events, outbox

MOST_LISTED = 200
_AGO = re.compile(r"([1-9]\d{0,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """A time as ISO 8601, UTC unless it says otherwise, or how long ago: 90m, 4h, 2d."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        if ago := _AGO.fullmatch(str(value)):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-03-02T09:00 (UTC), or how long ago: 90m, 4h, 2d", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.command("deliveries")
@click.option("--state", type=click.Choice(["due", "done", "dead"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1), default=MOST_LISTED, show_default=True, help="The newest, so many.")
@with_json
@with_config
def deliveries_command(config: Path, state: str | None, limit: int, as_json: bool) -> None:
    """List the outbox, newest first, and which destinations are left alone for a while."""
    is_open, rows = asyncio.run(read_store(load(config), lambda connection: _deliveries(connection, state, limit)))
    columns = ("id", "state", "what", "destination", "attempts", "due_at", "key", "reason")
    show_rows(rows, columns, as_json=as_json, empty="No deliveries.")
    if not as_json:
        for one in is_open:
            warn(f"{one.name} is paused until {one.open_until:%F %T} UTC: {one.reason}")


@click.command("retry")
@click.argument("ids", nargs=-1, type=click.IntRange(1), metavar="[ID]...")
@click.option("--all-dead", is_flag=True, help="All dead deliveries.")
@with_config
def retry_command(config: Path, ids: tuple[int, ...], all_dead: bool) -> None:
    """Retry dead deliveries under the ids they have."""
    if bool(ids) == all_dead:
        raise click.UsageError("say which: the ids that `casebell deliveries --state dead` lists, or --all-dead")
    settings = load(config)
    told = asyncio.run(_retry(settings, None if all_dead else list(ids)))
    due, refused = told["due"], told["refused"]
    click.echo(f"{len(due)} due again{_when(settings) if due else ''}")
    for id_, why in refused.items():
        click.echo(plain(f"{id_}: {why}"), err=True)
    if refused and not all_dead:
        raise click.exceptions.Exit(1)


@click.command("events")
@click.option("--state", type=click.Choice(["new", "done", "quarantined"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1), default=MOST_LISTED, show_default=True, help="The newest, so many.")
@with_json
@with_config
def events_command(config: Path, state: str | None, limit: int, as_json: bool) -> None:
    """List what arrived, newest first; what could not be understood is set aside as quarantined, with the reason."""
    found = asyncio.run(read_store(load(config), lambda connection: events.listed(connection, state, limit)))
    rows = [{name: getattr(event, name) for name in events.Listed.__slots__} for event in found]
    columns = ("id", "state", "source", "account", "event_id", "received_at", "attempts", "reason")
    show_rows(rows, columns, as_json=as_json, empty="No events.")


@click.command("replay")
@click.option("--event", metavar="ID", help="This event, as the sender or `casebell events` names it.")
@click.option("--since", type=Moment(), help="All webhooks since then: 2026-03-02T09:00 (UTC), or 90m, 4h, 2d ago.")
@click.option("--quarantined", is_flag=True, help="Only what was set aside, presses included.")
@with_config
def replay_command(config: Path, event: str | None, since: datetime | None, quarantined: bool) -> None:
    """Understand stored events again; what was told once is never told a second time."""
    if event is None and since is None and not quarantined:
        raise click.UsageError("say which: --event ID, --since TIME or --quarantined")
    settings = load(config)
    with progress("putting events back"):
        count = asyncio.run(_replay(settings, event, since, quarantined))
    if event is not None and not count:
        raise click.ClickException(f"no event {event} is stored and at rest; `casebell events` lists them")
    click.echo(f"{count} to be understood again{_when(settings) if count else ''}")


async def _retry(settings: Settings, ids: list[int] | None) -> dict[str, Any]:
    told = await through_the_service(settings, {"do": "retry", "ids": ids})
    if told is not None:
        return told
    from receiver.app import open_adapters
    from receiver.operations.replay import retry

    async with open_adapters(settings) as adapters:
        retried = await retry(adapters, ids)
    return {"due": list(retried.due), "refused": retried.refused}


async def _replay(settings: Settings, event: str | None, since: datetime | None, is_quarantined: bool) -> int:
    wanted = {"event": event, "since": since.isoformat() if since else None, "quarantined": is_quarantined}
    told = await through_the_service(settings, {"do": "replay", **wanted})
    if told is not None:
        return int(told["count"])
    from receiver.app import open_adapters
    from receiver.operations.replay import replay

    async with open_adapters(settings) as adapters:
        return await replay(adapters, event_id=event, since=since, is_quarantined=is_quarantined)


def _deliveries(connection: Connection, state: str | None, most: int) -> tuple[list[Breaker], list[dict[str, Any]]]:
    is_open = breakers.opened(connection)
    by_name = {one.name: one for one in is_open}
    rows = []
    for row in outbox.list_deliveries(connection, state, most):
        over = [by_name[n] for n in names_over(row.destination, is_interactive=row.is_interactive) if n in by_name]
        held = max((one.open_until for one in over if one.open_until), default=None) if row.state == "due" else None
        rows.append({**row._asdict(), "held_until": held})
    return is_open, rows


def _when(settings: Settings) -> str:
    return "" if service_of(settings) else ", once `casebell serve` runs"
