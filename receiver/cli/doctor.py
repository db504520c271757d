"""``casebell doctor``: checks that every outside system answers and accepts the credentials.

It also checks where the public URL leads, and lists paused destinations, dead deliveries and addresses that get no
mail, each with what to do.
"""

import asyncio
import secrets
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import httpx
from sqlalchemy import Connection

from receiver.cli.options import with_config, with_json
from receiver.cli.output import print_json, print_table, progress_bar
from receiver.domain.admin_alert import is_channel_refusal
from receiver.domain.breaker import Breaker
from receiver.domain.token import Tokens
from receiver.errors import CasebellError
from receiver.ports import Health
from receiver.settings import Settings, load
from receiver.store.database import is_shared, open_existing

ANSWER_WITHIN_S = 15.0
MOST_DEAD = 1_000
LONG_BEHIND = timedelta(minutes=10)
LATER = "try again later; nothing is lost meanwhile"


@click.command("doctor")
@with_json
@with_config
def doctor_command(config: Path, as_json: bool) -> None:
    """Check that every outside system answers and accepts the credentials; exit 1 if a check fails."""
    settings = load(config)
    with progress_bar("asking every system"):
        rows = asyncio.run(_check_all(settings))
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        marks = [("ok" if r.is_well else "RED", r.name, r.detail, "" if r.is_well else r.cure or LATER) for r in rows]
        print_table(("", "what", "found", "what to do"), marks)
    sys.exit(0 if all(row.is_well for row in rows) else 1)


async def _check_all(settings: Settings) -> list[Health]:
    from receiver.app import systems_of

    systems = systems_of(settings)
    try:
        results = await asyncio.gather(
            *(_check_system(name, system.health) for name, system in systems.items()),
            _check_public_url(settings),
            _check_slack_interactions(settings),
            _check_database(settings),
        )
    finally:
        for system in systems.values():
            await system.close()
    return [
        *(row for rows in results for row in rows),
        *await _check_deliveries(settings),
        *await _check_addresses(settings),
    ]


async def _check_deliveries(settings: Settings) -> list[Health]:
    """What prevents deliveries, each reason with its cure; empty if there is no problem."""
    from receiver.app import cure_of
    from receiver.cli.service import read_store

    now = datetime.now(UTC)
    try:
        troubled, behind, dead = await read_store(settings, lambda connection: _delivery_problems(connection, now))
    except CasebellError:
        return []
    rows = []
    for each in troubled:
        reason, channel = each.reason or "", each.name.partition(":")[0]
        rows.append(Health(each.name, is_well=False, detail=reason, cure=cure_of(channel, reason.partition(":")[0])))
    if behind:
        what = f"{behind} messages have shown an outdated state of their item for more than ten minutes"
        cure = "they are retried automatically; `casebell deliveries --state dead` shows why they fail"
        rows.append(Health("messages", is_well=False, detail=what, cure=cure))
    for (channel, code), count in sorted(dead.items()):
        cure = " ".join(filter(None, (cure_of(channel, code), "Then: casebell retry --all-dead")))
        rows.append(Health(f"deliveries {channel}", is_well=False, detail=f"{count} dead: {code}", cure=cure))
    return rows


def _delivery_problems(connection: Connection, now: datetime) -> tuple[list[Breaker], int, Counter[tuple[str, str]]]:
    """Open breakers, the number of outdated messages, and the deliveries that died within a day by channel and code."""
    from receiver.store import breakers, messages, outbox

    dead = Counter(
        (row.destination.partition(":")[0], (row.reason or "").partition(":")[0])
        for row in outbox.list_deliveries(connection, "dead", MOST_DEAD)
        if row.done_at is not None and now - row.done_at < timedelta(days=1)
    )
    troubled = [each for each in breakers.list_failing(connection) if each.name.startswith(("slack", "mail"))]
    lasting = [each for each in troubled if each.state == "open" or is_channel_refusal(each.reason)]
    return lasting, messages.count_outdated(connection, now - LONG_BEHIND), dead


async def _check_addresses(settings: Settings) -> list[Health]:
    """Configured addresses that get no mail: rejected ones are failures, unsubscribed ones are only listed."""
    from receiver.cli.service import read_store
    from receiver.store import suppression

    named = {address.lower() for route in settings.routes for address in route.email}
    named |= {address.lower() for route in settings.routes if route.escalate_to for address in route.escalate_to.email}
    named |= {address.lower() for digest in settings.digests for address in digest.to}
    try:
        listed = await read_store(settings, lambda connection: suppression.list_active(connection, datetime.now(UTC)))
    except CasebellError:  # no database yet, or it does not answer: no address is known
        return []
    rows = []
    for row in listed:
        if row.address not in named:
            continue
        is_well = row.reason == suppression.UNSUBSCRIBED
        until = f"gets no mail until {row.until:%F}" if row.until else ""
        what = f"{row.reason} from the digest {row.list}" if is_well else f"{until}: {row.reason}"
        cure = f"correct the address in the configuration, or: casebell addresses --allow {row.address}"
        rows.append(Health(row.address, is_well=is_well, detail=what, cure=cure))
    return rows


async def _check_system(name: str, health: object) -> Sequence[Health]:
    assert callable(health)
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            rows: Sequence[Health] = await health()
    except Exception as error:  # noqa: BLE001 - an error of one system becomes a row, and the others are still checked
        return [Health(name, is_well=False, detail=str(error) or type(error).__name__, cure="see the detail")]
    return rows


async def _check_database(settings: Settings) -> Sequence[Health]:
    """Whether PostgreSQL answers; a SQLite file needs no check."""
    if not is_shared(settings.database_url):
        return []
    try:
        database = await asyncio.to_thread(open_existing, settings.database_url)
    except CasebellError as error:
        cure = "start the server and allow this machine to connect; `casebell serve` creates the tables"
        return [Health("database", is_well=False, detail=error.message, cure=cure)]
    off_s = abs((database.now() - datetime.now(UTC)).total_seconds())
    await database.close()
    return [Health("database", is_well=True, detail=f"answers; its clock differs by {off_s:.0f} s")]


async def _check_slack_interactions(settings: Settings) -> Sequence[Health]:
    """Slack's URL verification, signed with our own secret: a firewall may block only Slack's path."""
    from receiver.app import slack_challenge

    name, word = "slack interactions", secrets.token_hex(8)
    challenge = slack_challenge(settings, word, datetime.now(UTC))
    if challenge is None:
        return []
    body, headers = challenge
    url = f"{settings.public_url.rstrip('/')}/slack/interactions"
    cure = f"let the proxy (or its firewall) forward POST {url} unchanged"
    try:
        reply = await _post(url, body, {**headers, "content-type": "application/json"})
        answer = reply.json() if reply.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError) as error:
        return [Health(name, is_well=False, detail=f"no answer: {type(error).__name__}", cure=cure)]
    if isinstance(answer, dict) and answer.get("challenge") == word:
        return [Health(name, is_well=True, detail="Slack can reach the buttons")]
    if reply.status_code == httpx.codes.UNAUTHORIZED:
        cure = "the service runs with different slack.signing_secrets: restart it"
    return [Health(name, is_well=False, detail=f"something else answers (HTTP {reply.status_code})", cure=cure)]


async def _check_public_url(settings: Settings) -> Sequence[Health]:
    """A signed ping to the public URL: only this service with these keys can answer it."""
    name, word = f"public url {settings.public_url}", secrets.token_hex(8)
    tokens = Tokens([key.get_secret_value() for key in settings.secret_keys])
    try:
        ping = tokens.make("control.v1", {"do": "ping", "word": word})
        reply = await _post(f"{settings.public_url.rstrip('/')}/control", ping.encode())
        is_ours = reply.status_code == httpx.codes.OK and reply.json().get("pong") == word
    except (httpx.HTTPError, ValueError) as error:
        cure = "start `casebell serve`, and let the proxy forward every path to it"
        return [Health(name, is_well=False, detail=f"no answer: {type(error).__name__}", cure=cure)]
    if is_ours:
        return [Health(name, is_well=True, detail="reaches this service")]
    cure = "let the proxy (or its firewall) forward POST requests; both sides need the same secret_keys"
    return [Health(name, is_well=False, detail=f"something else answers (HTTP {reply.status_code})", cure=cure)]


async def _post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(timeout=ANSWER_WITHIN_S, trust_env=url.startswith("https:")) as client:
        return await client.post(url, content=body, headers=headers)
