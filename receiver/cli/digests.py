"""``casebell digest`` and ``addresses``: digests outside their schedule, and addresses that get no mail."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from receiver.cli.options import with_config, with_json
from receiver.cli.output import as_printable, print_rows
from receiver.cli.service import find_service, read_store, run_command, send_command
from receiver.domain.digest import DigestRule, Edition
from receiver.errors import ConfigError
from receiver.settings import Settings, load
from receiver.store import digests, suppression

SEND_FOR = timedelta(seconds=60)


@click.command("digest")
@click.argument("name")
@click.option("--now", "is_now", is_flag=True, help="Send it now.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Print it, and send nothing.")
@with_config
def digest_command(config: Path, name: str, is_now: bool, is_dry: bool) -> None:
    """Send or print a digest outside its schedule; without an option, show when it is due and its destinations."""
    if is_now and is_dry:
        raise click.UsageError("give either --now or --dry-run")
    settings = load(config)
    rule = _find_rule(settings, name)
    if is_now:
        destinations = asyncio.run(_send_now(settings, name))
        click.echo(f"{name}: goes to {', '.join(destinations) or 'nobody: every address is unsubscribed'}")
    elif is_dry:
        click.echo("\n".join(map(as_printable, asyncio.run(_render(settings, rule)).splitlines())))
    else:
        _print_schedule(settings, rule)


@click.command("addresses")
@click.option("--allow", "allowed", metavar="ADDRESS", help="Send mail to this address again.")
@with_json
@with_config
def addresses_command(config: Path, allowed: str | None, as_json: bool) -> None:
    """List addresses that get no mail, and why."""
    settings = load(config)
    if allowed:
        if not asyncio.run(run_command(settings, {"do": "allow", "address": allowed}))["lifted"]:
            raise click.ClickException(f"{allowed} is not on the list")
        click.echo(f"{allowed}: mail is sent there again")
        return
    rows = asyncio.run(read_store(settings, lambda connection: suppression.list_active(connection, datetime.now(UTC))))
    listed = [{**asdict(row), "list": row.list or "every mail"} for row in rows]
    print_rows(
        listed, ("address", "list", "reason", "at", "until"), as_json=as_json, empty="Mail is sent to every address."
    )


def _find_rule(settings: Settings, name: str) -> DigestRule:
    from receiver.app.rules import digest_rule_of

    rule = next((rule for rule in settings.digests if rule.name == name), None)
    if rule is None:
        known = ", ".join(rule.name for rule in settings.digests) or "there is none"
        raise ConfigError(f"no [[digests]] is named {name!r}; the names: {known}")
    return digest_rule_of(rule)


def _print_schedule(settings: Settings, rule: DigestRule) -> None:
    try:
        last = asyncio.run(read_store(settings, lambda connection: digests.find_last_run(connection, rule.name)))
    except ConfigError:  # no database yet, so it was never sent
        last = None
    next_at = rule.schedule.next_after(datetime.now(UTC))
    click.echo(f"{rule.name}: next at {_format_time(next_at, rule)}, to {', '.join(rule.destinations())}")
    if last is not None and last.sent_to:
        click.echo(f"last made at {_format_time(last.made_at, rule)}, for {last.sent_to}")
    click.echo("--now sends it, --dry-run shows it")


def _format_time(at: datetime | None, rule: DigestRule) -> str:
    from zoneinfo import ZoneInfo

    return "never" if at is None else f"{at.astimezone(ZoneInfo(rule.schedule.timezone)):%F %H:%M %Z}"


async def _render(settings: Settings, rule: DigestRule) -> str:
    """The plain text of the mail, from the database as it is; no source is asked."""
    from receiver.app import render_mail_digest
    from receiver.app.rules import route_of
    from receiver.operations.digests import FIRST_COVERS, build_from_store

    now = datetime.now(UTC)
    routes = tuple(route_of(route) for route in settings.routes)

    def count(connection: Any) -> Any:
        last = digests.find_last_run(connection, rule.name)
        return build_from_store(connection, rule, last.made_at if last else now - FIRST_COVERS, now, routes)

    digest = await read_store(settings, count)
    items = [entry.item for part in digest.parts for entry in part.entries]
    links = {item.id: item.snapshot.solution_url for item in items if item.snapshot.solution_url}
    mail = render_mail_digest(Edition(digest, {}, links))
    text = mail.get_body(("plain",))
    return str(text.get_content()) if text else ""


async def _send_now(settings: Settings, name: str) -> list[str]:
    url = find_service(settings)
    if url is not None:
        return list((await send_command(settings, url, {"do": "digest", "name": name}))["destinations"])
    from receiver.app import open_adapters
    from receiver.jobs import worker
    from receiver.operations.digests import make_now
    from receiver.store import outbox

    stop = asyncio.Event()
    async with open_adapters(settings) as adapters:
        destinations = await make_now(adapters, name)
        work = asyncio.create_task(worker.run(adapters, stop))
        until = datetime.now(UTC) + SEND_FOR
        while datetime.now(UTC) < until:
            due, _ = await adapters.database.read(outbox.due_backlog, adapters.now())
            if not due:
                break
            await asyncio.sleep(0.1)
        stop.set()
        await work
    return destinations
