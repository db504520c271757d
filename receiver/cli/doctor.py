"""``casebell doctor``: does every outside system answer and accept us, and does the public URL lead here?"""

import asyncio
import secrets
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import httpx
from sqlalchemy import Connection

from receiver.cli.options import with_config, with_json
from receiver.cli.output import progress, show_json, show_table
from receiver.domain.admin_alert import refuses_place
from receiver.domain.breaker import Breaker
from receiver.domain.token import Tokens
from receiver.errors import CasebellError
from receiver.ports import Health
from receiver.settings import Settings, load
from receiver.store.database import is_shared, open_as_it_is

PATIENCE_S = 15.0
MOST_DEAD = 1_000
LONG_BEHIND = timedelta(minutes=10)
LATER = "ask again in a while; nothing is lost meanwhile"


@click.command("doctor")
@with_json
@with_config
def doctor_command(config: Path, as_json: bool) -> None:
    """Ask every outside system whether it answers and accepts the credentials; exit 1 if anything is red."""
    settings = load(config)
    with progress("asking every system"):
        rows = asyncio.run(_examine(settings))
    if as_json:
        show_json([asdict(row) for row in rows])
    else:
        marks = [("ok" if r.is_well else "RED", r.name, r.detail, "" if r.is_well else r.cure or LATER) for r in rows]
        show_table(("", "what", "found", "what to do"), marks)
    sys.exit(0 if all(row.is_well for row in rows) else 1)


async def _examine(settings: Settings) -> list[Health]:
    from receiver.app import systems_of

    systems = systems_of(settings)
    try:
        asked = await asyncio.gather(
            *(_ask(name, system.health) for name, system in systems.items()),
            _public_url(settings),
            _interactions(settings),
            _server(settings),
        )
    finally:
        for system in systems.values():
            await system.close()
    return [*(row for rows in asked for row in rows), *await _deliveries(settings), *await _addresses(settings)]


async def _deliveries(settings: Settings) -> list[Health]:
    """What keeps messages from where they belong, each reason with its cure; nothing when all is well."""
    from receiver.app import cure_of
    from receiver.cli.ledger import read_store

    now = datetime.now(UTC)
    try:
        sick, behind, dead = await read_store(settings, lambda connection: _ills(connection, now))
    except CasebellError:
        return []
    found = [
        Health(one.name, is_well=False, detail=one.reason or "", cure=cure_of(one.name.partition(":")[0], _code(one)))
        for one in sick
    ]
    if behind:
        what = f"{behind} messages show an older state than their item has since more than ten minutes"
        cure = "they are tried again by themselves; `casebell deliveries --state dead` says what is in the way"
        found.append(Health("messages", is_well=False, detail=what, cure=cure))
    for (channel, code), count in sorted(dead.items()):
        cure = " ".join(filter(None, (cure_of(channel, code), "Then: casebell retry --all-dead")))
        found.append(Health(f"deliveries {channel}", is_well=False, detail=f"{count} dead: {code}", cure=cure))
    return found


def _ills(connection: Connection, now: datetime) -> tuple[list[Breaker], int, Counter[tuple[str, str]]]:
    """What is left alone, how many messages are behind for long, and what died within a day, by channel and code."""
    from receiver.store import breakers, messages, outbox

    dead = Counter(
        (row.destination.partition(":")[0], (row.reason or "").partition(":")[0])
        for row in outbox.list_deliveries(connection, "dead", MOST_DEAD)
        if row.done_at is not None and now - row.done_at < timedelta(days=1)
    )
    sick = [one for one in breakers.troubled(connection) if one.name.startswith(("slack", "mail"))]
    is_long = [one for one in sick if one.state == "open" or refuses_place(one.reason)]
    return is_long, messages.out_of_sync(connection, now - LONG_BEHIND), dead


def _code(one: Breaker) -> str:
    return (one.reason or "").partition(":")[0]


async def _addresses(settings: Settings) -> list[Health]:
    """Addresses of the configuration that get no mail: refused ones are red, who unsubscribed only is told."""
    from receiver.cli.ledger import read_store
    from receiver.store import suppression

    named = {address.lower() for route in settings.routes for address in route.email}
    named |= {address.lower() for route in settings.routes if route.escalate_to for address in route.escalate_to.email}
    named |= {address.lower() for digest in settings.digests for address in digest.to}
    try:
        found = await read_store(settings, lambda connection: suppression.listed(connection, datetime.now(UTC)))
    except CasebellError:  # no database yet, or none that is to be had: nothing is known of addresses
        return []
    rows = []
    for one in found:
        if one.address not in named:
            continue
        is_well = one.reason == suppression.UNSUBSCRIBED
        what = (
            f"{one.reason} from the digest {one.list}"
            if is_well
            else f"gets no mail until {one.until:%F}: {one.reason}"
        )
        cure = f"correct the address in the configuration, or: casebell addresses --allow {one.address}"
        rows.append(Health(one.address, is_well=is_well, detail=what, cure=cure))
    return rows


async def _ask(name: str, health: object) -> Sequence[Health]:
    assert callable(health)
    try:
        async with asyncio.timeout(PATIENCE_S):
            rows: Sequence[Health] = await health()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one system is a row, and the others are still asked
        return [Health(name, is_well=False, detail=str(error) or type(error).__name__, cure="see the detail")]
    return rows


async def _server(settings: Settings) -> Sequence[Health]:
    """PostgreSQL, where that is the store; a file of SQLite needs nobody to answer."""
    if not is_shared(settings.database_url):
        return []
    try:
        database = await asyncio.to_thread(open_as_it_is, settings.database_url)
    except CasebellError as error:
        cure = "start the server, and let this machine in; `casebell serve` makes the tables"
        return [Health("database", is_well=False, detail=error.message, cure=cure)]
    off_s = abs((database.now() - datetime.now(UTC)).total_seconds())
    await database.close()
    return [Health("database", is_well=True, detail=f"answers; its clock and ours differ by {off_s:.0f} s")]


async def _interactions(settings: Settings) -> Sequence[Health]:
    """The question Slack asks an address, signed with our own secret: a firewall may know only Slack's path."""
    from receiver.app import slack_challenge

    name, word = "slack interactions", secrets.token_hex(8)
    asked = slack_challenge(settings, word, datetime.now(UTC))
    if asked is None:
        return []
    body, headers = asked
    url = f"{settings.public_url.rstrip('/')}/slack/interactions"
    cure = f"let the proxy (or its firewall) pass POST {url} on unchanged"
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=settings.public_url.startswith("https:")) as client:
            reply = await client.post(url, content=body, headers={**headers, "content-type": "application/json"})
        said = reply.json() if reply.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError) as error:
        return [Health(name, is_well=False, detail=f"no answer: {type(error).__name__}", cure=cure)]
    if isinstance(said, dict) and said.get("challenge") == word:
        return [Health(name, is_well=True, detail="Slack's way to the buttons is open")]
    if reply.status_code == httpx.codes.UNAUTHORIZED:
        cure = "the service runs with other slack.signing_secrets: restart it"
    return [Health(name, is_well=False, detail=f"something else answers (HTTP {reply.status_code})", cure=cure)]


async def _public_url(settings: Settings) -> Sequence[Health]:
    """A signed ping to the public URL: only this service, with these keys, answers it with our own word."""
    name, word = f"public url {settings.public_url}", secrets.token_hex(8)
    token = Tokens([key.get_secret_value() for key in settings.secret_keys]).make(
        "control.v1", {"do": "ping", "word": word}
    )
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=settings.public_url.startswith("https:")) as client:
            reply = await client.post(f"{settings.public_url.rstrip('/')}/control", content=token)
        is_ours = reply.status_code == httpx.codes.OK and reply.json().get("pong") == word
    except (httpx.HTTPError, ValueError) as error:
        cure = "start `casebell serve`, and let the proxy pass every path of it on"
        return [Health(name, is_well=False, detail=f"no answer: {type(error).__name__}", cure=cure)]
    if is_ours:
        return [Health(name, is_well=True, detail="reaches this service")]
    cure = "let the proxy (or its firewall) pass POST requests on; both sides need the same secret_keys"
    return [Health(name, is_well=False, detail=f"something else answers (HTTP {reply.status_code})", cure=cure)]
