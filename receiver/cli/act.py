"""``casebell act``: decides or changes an item, as a button does.

The click goes to the running service. If none runs on a SQLite file, the command does its work itself; on PostgreSQL it
stores the click for the next replica that claims it.
"""

import asyncio
import getpass
import secrets
from pathlib import Path

import click
from pydantic import TypeAdapter

from receiver.cli.items import NO_SUCH_ITEM, format_problem
from receiver.cli.options import with_config
from receiver.cli.output import print_warning
from receiver.cli.service import find_service, read_store, send_command
from receiver.domain.action import VERBS, ActionInput, Click, PlanInput
from receiver.domain.item import Item
from receiver.domain.people import Person
from receiver.settings import Settings, load
from receiver.store import events, items, outbox
from receiver.store.database import is_shared

WORK_FOR_S = 30.0
LOOKS = 50  # at the item, for the answer of the source
PAUSE_S = 0.1
_click = TypeAdapter(Click)


@click.command("act")
@click.argument("key")
@click.argument("verb", type=click.Choice(sorted(VERBS)))
@click.option("--note", help="For reject, reopen and note, and to explain a validation.")
@click.option("--text", help="The message of a reply.")
@click.option("--as", "email", help="Your email address: for the audit, as sender of a reply, and for four eyes.")
@click.option("--until", help="With snooze: 1h, 4h, tomorrow, monday, or a date.")
@click.option("--to", help="With assign: a colleague's email address.")
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
    """Decide or change an item, as a button does."""
    settings = load(config)
    item = asyncio.run(read_store(settings, lambda connection: items.find_by_key(connection, key)))
    if item is None:
        raise click.ClickException(NO_SUCH_ITEM.format(key=key))
    person = Person(email=email.lower() if email else None, name=email or f"{getpass.getuser()} (terminal)")
    plan = PlanInput(months, start, first_payment) if verb == "update_plan" else None
    terms = ActionInput(until, Person(email=to.lower()) if to else None, plan)
    identity = f"cli:{secrets.token_hex(12)}"
    submitted = Click(item.id, item.version, verb, person, "cli", identity, note=note, text=text, terms=terms)
    refusal, after = asyncio.run(_act(settings, submitted))
    if refusal:
        raise click.ClickException(refusal)
    if after is not None and (problem := format_problem(after)):
        raise click.ClickException(problem)
    click.echo(f"{key}: {_format_state(after) if after else 'gone'}")


def _format_state(item: Item) -> str:
    if item.proposal:
        return f"{item.state}, {item.proposal.verb} is proposed: a second person must confirm it"
    return f"{item.state} ({item.outcome})" if item.outcome else item.state


async def _act(settings: Settings, submitted: Click) -> tuple[str | None, Item | None]:
    """The refusal, if any, and the item afterwards."""
    url = find_service(settings)
    if url:
        answer = await send_command(settings, url, {"do": "act", "click": _click.dump_json(submitted).decode()})
        refusal: str | None = answer.get("refusal")
    elif is_shared(settings.database_url):
        refusal = await _store_click(settings, submitted)
    else:
        refusal = await _act_alone(settings, submitted)
    return refusal, await _wait_for_source(settings, submitted.item_id)


async def _store_click(settings: Settings, submitted: Click) -> str | None:
    from receiver.app import open_adapters
    from receiver.web.submit_action import submit_action

    async with open_adapters(settings) as adapters:
        refusal = await submit_action(adapters, submitted, "en")
        if await adapters.database.read(events.find_state, submitted.via, submitted.identity) == ("new", None):
            print_warning("stored; no replica has claimed it yet, the next one that runs carries it out")
    return refusal


async def _act_alone(settings: Settings, submitted: Click) -> str | None:
    """Run the loops in this process until the item is decided and nothing is due."""
    from receiver.app import open_adapters
    from receiver.jobs import worker
    from receiver.web.submit_action import submit_action

    stop = asyncio.Event()
    async with open_adapters(settings) as adapters:
        work = asyncio.create_task(worker.run(adapters, stop))
        try:
            refusal = await submit_action(adapters, submitted, "en")
            until = asyncio.get_running_loop().time() + WORK_FOR_S
            while not refusal and asyncio.get_running_loop().time() < until:
                current = await adapters.database.read(items.find, submitted.item_id)
                due, _ = await adapters.database.read(outbox.due_backlog, adapters.now())
                if current is not None and current.state != "acting" and not due:
                    break
                await asyncio.sleep(PAUSE_S)
        finally:
            stop.set()
            await work
    return refusal


async def _wait_for_source(settings: Settings, item_id: str) -> Item | None:
    """The item once its source has answered, or after a few seconds without an answer."""
    current: Item | None = None
    for _ in range(LOOKS):
        current = await read_store(settings, lambda connection: items.find(connection, item_id))
        if current is None or current.attempt is None or current.attempt.is_accepted:
            break
        await asyncio.sleep(PAUSE_S)
    return current
