"""``casebell digest`` and ``casebell addresses``: digests outside their schedule, and addresses that get no mail."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from receiver.cli.ledger import read_store, through_the_service
from receiver.cli.options import with_config, with_json
from receiver.cli.output import plain, show_rows
from receiver.domain.digest import DigestRule, Edition
from receiver.errors import ConfigError
from receiver.settings import Settings, load
from receiver.store import digests, suppression

PATIENCE_S = 60.0


@click.command("digest")
@click.argument("name")
@click.option("--now", "is_now", is_flag=True, help="Make it and send it.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what it would say, and send nothing.")
@with_config
def digest_command(config: Path, name: str, is_now: bool, is_dry: bool) -> None:
    """A digest outside its schedule; without an option, when it is due and to whom it goes."""
    if is_now and is_dry:
        raise click.UsageError("say either --now or --dry-run")
    settings = load(config)
    rule = _rule(settings, name)
    if is_now:
        destinations = asyncio.run(_make(settings, name))
        click.echo(f"{name}: goes to {', '.join(destinations) or 'nobody: every address is unsubscribed'}")
    elif is_dry:
        click.echo(plain_lines(asyncio.run(_dry(settings, rule))))
    else:
        _tell(settings, rule)


@click.command("addresses")
@click.option("--allow", "allowed", metavar="ADDRESS", help="Send mail to this address again.")
@with_json
@with_config
def addresses_command(config: Path, allowed: str | None, as_json: bool) -> None:
    """Addresses that get no mail, and why."""
    settings = load(config)
    if allowed:
        lifted = asyncio.run(_allow(settings, allowed))
        if not lifted:
            raise click.ClickException(f"{allowed} is not held back")
        click.echo(f"{allowed}: mail goes there again")
        return
    rows = asyncio.run(read_store(settings, lambda connection: suppression.listed(connection, datetime.now(UTC))))
    told = [{**asdict(row), "list": row.list or "every mail"} for row in rows]
    show_rows(told, ("address", "list", "reason", "at", "until"), as_json=as_json, empty="Mail goes to every address.")


def plain_lines(text: str) -> str:
    return "\n".join(plain(line) for line in text.splitlines())


def _rule(settings: Settings, name: str) -> DigestRule:
    from receiver.app.rules import digest_rule_of

    found = next((rule for rule in settings.digests if rule.name == name), None)
    if found is None:
        known = ", ".join(rule.name for rule in settings.digests) or "there is none"
        raise ConfigError(f"no [[digests]] is named {name!r}; the names: {known}")
    return digest_rule_of(found)


def _tell(settings: Settings, rule: DigestRule) -> None:
    try:
        last = asyncio.run(read_store(settings, lambda connection: digests.newest(connection, rule.name)))
    except ConfigError:  # no database yet: it has never been made
        last = None
    next_at = rule.schedule.next_after(datetime.now(UTC))
    click.echo(f"{rule.name}: next at {_moment(next_at, rule)}, to {', '.join(rule.destinations())}")
    if last is not None and last.sent_to:
        click.echo(f"last made at {_moment(last.made_at, rule)}, for {last.sent_to}")
    click.echo("--now sends it, --dry-run shows it")


def _moment(at: datetime | None, rule: DigestRule) -> str:
    from zoneinfo import ZoneInfo

    return "never" if at is None else f"{at.astimezone(ZoneInfo(rule.schedule.timezone)):%F %H:%M %Z}"


async def _dry(settings: Settings, rule: DigestRule) -> str:
    """The text part of the mail, counted from the store as it is; no source is asked."""
    from receiver.app import render_mail_digest
    from receiver.app.rules import route_of
    from receiver.operations.digests import FIRST_COVERS, build_from_store

    now = datetime.now(UTC)
    routes = tuple(route_of(route) for route in settings.routes)

    def count(connection: Any) -> Any:
        last = digests.newest(connection, rule.name)
        return build_from_store(connection, rule, last.made_at if last else now - FIRST_COVERS, now, routes)

    told = await read_store(settings, count)
    shown = [entry.item for part in told.parts for entry in part.entries]
    links = {item.id: item.snapshot.solution_url for item in shown if item.snapshot.solution_url}
    mail = render_mail_digest(Edition(told, {}, links))
    text = mail.get_body(("plain",))
    return str(text.get_content()) if text else ""


async def _make(settings: Settings, name: str) -> list[str]:
    answer = await through_the_service(settings, {"do": "digest", "name": name})
    if answer is not None:
        return list(answer["destinations"])
    from receiver.app import open_adapters
    from receiver.jobs import worker
    from receiver.operations.digests import make_now
    from receiver.store import outbox

    stop = asyncio.Event()
    async with open_adapters(settings) as adapters:
        destinations = await make_now(adapters, name)
        work = asyncio.create_task(worker.run(adapters, stop))
        until = datetime.now(UTC) + timedelta(seconds=PATIENCE_S)
        while datetime.now(UTC) < until:
            due, _ = await adapters.database.read(outbox.due_backlog, adapters.now())
            if not due:
                break
            await asyncio.sleep(0.1)
        stop.set()
        await work
    return destinations


async def _allow(settings: Settings, address: str) -> int:
    answer = await through_the_service(settings, {"do": "allow", "address": address})
    if answer is not None:
        return int(answer["lifted"])
    from receiver.app import open_adapters

    async with open_adapters(settings) as adapters:
        return await adapters.database.write(suppression.lift, address)
