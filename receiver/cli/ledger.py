"""``casebell items``, ``item``, ``act`` and ``reconcile``: the ledger from a terminal.

Reading needs no leave. SQLite serves one process: ``act`` and ``reconcile`` go to the running service when there is
one, signed with ``secret_keys``, and work on the database themselves when there is none. On PostgreSQL ``reconcile`` is
one more replica for a moment, and ``act`` stores the press for whichever replica takes it.
"""

import asyncio
import getpass
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
from pydantic import TypeAdapter

from receiver.cli.options import with_config, with_json
from receiver.cli.output import plain, progress, show_json, show_table, warn
from receiver.domain.action import VERBS, ActionInput, Click, PlanWish
from receiver.domain.item import Item
from receiver.domain.money import format_money
from receiver.domain.people import Person
from receiver.domain.token import Tokens
from receiver.domain.totals import Totals, add_up
from receiver.errors import CasebellError, ConfigError
from receiver.settings import Settings, load
from receiver.store import events, outbox
from receiver.store import items as ledger
from receiver.store.database import is_shared, open_as_it_is, sqlite_path
from receiver.store.sqlite import FileLock

WORK_FOR_S = 30.0
TRANSITIONS = ("opened", "changed", "resolved", "reopened", "rang")
_click = TypeAdapter(Click)


@click.command("items")
@click.option("--open", "is_open", is_flag=True, help="Only what is not resolved.")
@click.option("--kind", help="Only this kind.")
@click.option("--account", help="Only this account.")
@with_json
@with_config
def items_command(config: Path, is_open: bool, kind: str | None, account: str | None, as_json: bool) -> None:
    """List items, what blocks first, then by age."""
    settings = load(config)
    found = asyncio.run(
        read_store(
            settings, lambda connection: list(ledger.listed(connection, is_open=is_open, kind=kind, account=account))
        )
    )
    if as_json:
        show_json([document_of(item) for item in found])
        return
    rows = [
        (i.snapshot.urgency, i.state, i.kind, i.snapshot.reference, _amount(i), f"{i.opened_at:%Y-%m-%d %H:%M}", i.key)
        for i in found
    ]
    show_table(("urgency", "state", "kind", "reference", "amount", "opened (UTC)", "key"), rows, empty="No items.")
    if found:
        click.echo(summary(add_up(found, datetime.now(UTC))))


@click.command("item")
@click.argument("key")
@with_json
@with_config
def item_command(config: Path, key: str, as_json: bool) -> None:
    """Show one item with its whole timeline."""
    settings = load(config)
    found, events, deliveries = asyncio.run(read_store(settings, lambda connection: _whole(connection, key)))
    if found is None:
        raise click.ClickException(f"no item has the key {key}; `casebell items` lists them")
    if as_json:
        show_json({**document_of(found), "timeline": [asdict(event) for event in events]})
        return
    print_item(found, events, deliveries)


@click.command("act")
@click.argument("key")
@click.argument("verb", type=click.Choice(sorted(VERBS)))
@click.option("--note", help="For reject, reopen and note, and to explain a validation.")
@click.option("--text", help="The message of a reply.")
@click.option("--as", "email", help="Your e-mail address, for the audit, as sender of a reply, and for four eyes.")
@click.option("--until", help="With snooze: 1h, 4h, tomorrow, monday, or a date.")
@click.option("--to", help="With assign: a colleague's e-mail address.")
@click.option("--months", default="", help="With update_plan: months of the plan.")
@click.option("--start", default="", help="With update_plan: its first day, as 2026-04-01.")
@click.option("--first-payment", default="", help="With update_plan: the first payment.")
@with_config
def act_command(
    config: Path,
    key: str,
    verb: str,
    note: str | None,
    text: str | None,
    email: str | None,
    until: str | None,
    to: str | None,
    months: str,
    start: str,
    first_payment: str,
) -> None:
    """Do what a button does."""
    settings = load(config)
    found = asyncio.run(read_store(settings, lambda connection: ledger.by_key(connection, key)))
    if found is None:
        raise click.ClickException(f"no item has the key {key}; `casebell items` lists them")
    person = Person(email=email.lower() if email else None, name=email or f"{getpass.getuser()} (terminal)")
    wish = PlanWish(months, start, first_payment) if verb == "update_plan" else None
    terms = ActionInput(until, Person(email=to.lower()) if to else None, wish)
    identity = f"cli:{secrets.token_hex(12)}"
    pressed = Click(found.id, found.version, verb, person, "cli", identity, note=note, text=text, terms=terms)
    refusal, after = asyncio.run(_act(settings, pressed))
    if refusal:
        raise click.ClickException(refusal)
    if after is not None and (reason := why_not(after)):
        raise click.ClickException(reason)
    click.echo(f"{key}: {_now(after) if after else 'gone'}")


@click.command("reconcile")
@click.option("--account", help="Only accounts of this name.")
@click.option("--full", is_flag=True, help="Everything since the beginning, not only recent items.")
@with_json
@with_config
def reconcile_command(config: Path, account: str | None, full: bool, as_json: bool) -> None:
    """Compare with the sources now, and apply what changed."""
    with progress("asking the sources"):
        counts = asyncio.run(_reconcile(load(config), account, full))
    if not counts:
        raise ConfigError(f"no account is called {account!r}; `casebell check` shows those that are configured")
    silent = {name: told["error"] for name, told in counts.items() if "error" in told}
    if as_json:
        show_json(counts)
    else:
        heard = [(name, *(told[word] for word in TRANSITIONS)) for name, told in counts.items() if name not in silent]
        show_table(("account", *TRANSITIONS), heard, empty="No account was to be heard.")
        for name, why in silent.items():
            warn(f"{name}: {why}; nothing was concluded about it")
    if silent:
        raise click.exceptions.Exit(1)


def _now(item: Item) -> str:
    if item.proposal:
        return f"{item.state}, {item.proposal.verb} is proposed: a second person must confirm it"
    return f"{item.state} ({item.outcome})" if item.outcome else item.state


async def _act(settings: Settings, pressed: Click) -> tuple[str | None, Item | None]:
    url = service_of(settings)
    if url:
        answer = await _control(settings, url, {"do": "act", "click": _click.dump_json(pressed).decode()})
        refusal: str | None = answer.get("refusal")
    elif is_shared(settings.database_url):
        refusal = await _act_beside_others(settings, pressed)
    else:
        refusal = await _act_alone(settings, pressed)
    return refusal, await _settled(settings, pressed.item_id)


async def _act_beside_others(settings: Settings, pressed: Click) -> str | None:
    from receiver.app import open_adapters
    from receiver.web.submit_action import submit_action

    async with open_adapters(settings) as adapters:
        refusal = await submit_action(adapters, pressed, "en")
        if await adapters.database.read(events.state_of, pressed.via, pressed.identity) == ("new", None):
            warn("stored, and no replica has taken it yet: it acts as soon as one runs")
    return refusal


async def _act_alone(settings: Settings, pressed: Click) -> str | None:
    from receiver.app import open_adapters
    from receiver.jobs import worker
    from receiver.web.submit_action import submit_action

    stop = asyncio.Event()
    async with open_adapters(settings) as adapters:
        work = asyncio.create_task(worker.run(adapters, stop))
        try:
            refusal = await submit_action(adapters, pressed, "en")
            until = asyncio.get_running_loop().time() + WORK_FOR_S
            while not refusal and asyncio.get_running_loop().time() < until:
                current = await adapters.database.read(ledger.find, pressed.item_id)
                due, _ = await adapters.database.read(outbox.due_backlog, adapters.now())
                if current is not None and current.state != "acting" and not due:
                    break
                await asyncio.sleep(0.1)
        finally:
            stop.set()
            await work
    return refusal


async def _settled(settings: Settings, item_id: str) -> Item | None:
    """The item once the source was asked, or after a while all the same."""
    current: Item | None = None
    for _ in range(50):
        current = await read_store(settings, lambda connection: ledger.find(connection, item_id))
        if current is None or current.attempt is None or current.attempt.is_accepted:
            break
        await asyncio.sleep(0.1)
    return current


async def _reconcile(settings: Settings, account: str | None, full: bool) -> dict[str, dict[str, Any]]:
    url = service_of(settings)
    if url:
        return await _control(settings, url, {"do": "reconcile", "account": account, "full": full})
    from receiver.app import open_adapters
    from receiver.sync.reconcile import reconcile_each

    async with open_adapters(settings) as adapters:
        return await reconcile_each(adapters, account, is_full=full)


def service_of(settings: Settings) -> str | None:
    """Where the service listens that owns the database; None when none does, as on PostgreSQL, which many share.

    Raises ConfigError when it listens nowhere.
    """
    if is_shared(settings.database_url):
        return None
    holder = FileLock.holder(sqlite_path(settings.database_url))
    if holder is None:
        return None
    url = holder.get("url")
    if not url:
        raise ConfigError(f"process {holder.get('pid')} uses the database and listens nowhere; wait for it to end")
    return str(url)


async def _control(settings: Settings, url: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the service answers to a signed command. Raises CasebellError with its word."""
    token = Tokens([key.get_secret_value() for key in settings.secret_keys]).make("control.v1", wanted)
    async with httpx.AsyncClient(timeout=120.0, trust_env=False) as client:
        reply = await client.post(f"{url}/control", content=token)
    answer: dict[str, Any] = reply.json()
    if reply.status_code != httpx.codes.OK:
        raise CasebellError(answer.get("error", "refused"), answer.get("message", f"the service at {url} refused"))
    return answer


async def through_the_service(settings: Settings, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """What the running service answers to a command; None when none runs."""
    url = service_of(settings)
    return None if url is None else await _control(settings, url, wanted)


async def read_store(settings: Settings, work: Any) -> Any:
    """What ``work(connection)`` finds, read beside a running service or without one. Raises ConfigError."""
    async with reading(settings) as read:
        return await read(work)


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """The door for reading, beside a running service or without one. Raises ConfigError."""
    database = await asyncio.to_thread(open_as_it_is, settings.database_url)
    try:
        yield database.read
    finally:
        await database.close()


def _whole(connection: Any, key: str) -> tuple[Item | None, list[ledger.Event], Any]:
    found = ledger.by_key(connection, key)
    if found is None:
        return None, [], []
    return found, ledger.timeline(connection, found.id), outbox.list_of_item(connection, found.id)


def summary(totals: Totals) -> str:
    """What of the items listed waits now, and what it comes to; on one line."""
    told = [f"{totals.waiting} open", f"{totals.blocking} hold up collection"]
    told += [f"{totals.snoozed} snoozed"] if totals.snoozed else []
    sums = [format_money(one.total, "en") for one in totals.at_risk]
    sums += [f"{totals.unknown} with an amount or currency not known yet"] if totals.unknown else []
    return ", ".join(told) + (f"; at risk: {' + '.join(sums)}" if sums else "")


def document_of(item: Item) -> dict[str, Any]:
    """The item for programs; its key, which every other command takes, comes first."""
    document: dict[str, Any] = TypeAdapter(Item).dump_python(item, mode="json", exclude_none=True)
    return {"key": item.key, **document}


def why_not(item: Item) -> str | None:
    """Why what was asked of the source came back, on one line; None when it did not."""
    if item.problem == "still_open":
        return f"{item.snapshot.source} took the request, but this is still open there"
    if item.problem == "still_closed":
        return f"{item.snapshot.source} took the request to reopen this, but it is still closed there"
    if item.problem == "proposal_void":
        return f"what was proposed is void: this changed at {item.snapshot.source} since"
    return f"{item.snapshot.source} refused: {plain(item.problem)}" if item.problem else None


def _moment(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%F %H:%M} UTC"


def _amount(item: Item) -> str:
    money = item.snapshot.amount
    return "–" if money is None else f"{money.amount:,.{money.digits}f} {money.currency or ''}".strip()


def print_item(found: Item, events: list[ledger.Event], deliveries: Any) -> None:
    """What a person decides by, then what happened; all times in UTC."""
    said = found.snapshot
    facts = {
        "key": said.key,
        "state": found.state,
        "version": found.version,
        "kind": said.kind,
        "urgency": said.urgency,
        "title": said.title,
        "asked": said.question,
        "debtor's words": said.quote,
        "debtor": said.debtor,
        "reference": said.reference,
        "amount": _amount(found),
        "collection paused": None
        if said.is_collection_paused is None
        else "yes"
        if said.is_collection_paused
        else "no",
        "created": _moment(said.created_at),
        "deadline": _moment(said.deadline_at),
        "claimed by": found.claimed_by,
        "snoozed until": _moment(found.snoozed_until),
        "proposed": found.proposal and f"{found.proposal.verb} by {found.proposal.person.label}",
        "note": found.note,
        "outcome": found.outcome,
        "resolved by": found.resolved_by,
        "confirmed by": found.confirmed_by,
        "problem": why_not(found),
        "link": said.solution_url,
    }
    show_table(("fact", "value"), [(name, value) for name, value in facts.items() if value is not None])
    click.echo("\ntimeline (UTC)")
    for event in events:
        who = f" by {event.who} via {event.via}" if event.who else ""
        became = event.transition or f"ignored, {event.ignored}"
        click.echo(plain(f"{event.at:%F %T}  v{event.version}  {event.fact} {event.detail or ''}{who}: {became}"))
    click.echo("\ndeliveries (UTC)")
    for row in deliveries:
        reason = f", {row.reason}" if row.reason else ""
        click.echo(
            plain(f"{row.created_at:%F %T}  {row.what} {row.destination}: {row.state}, tries {row.attempts}{reason}")
        )
