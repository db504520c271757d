"""``casebell items`` and ``item``: lists items, or shows one with its history and deliveries. They only read."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter

from receiver.cli.options import with_config, with_json
from receiver.cli.output import as_printable, print_json, print_table
from receiver.cli.service import read_store
from receiver.domain.item import Item
from receiver.domain.money import format_money
from receiver.domain.totals import Totals, sum_items
from receiver.settings import load
from receiver.store import items, outbox

NO_SUCH_ITEM = "no item has the key {key}; `casebell items` lists them"


@click.command("items")
@click.option("--open", "is_open", is_flag=True, help="Only items that are not resolved.")
@click.option("--kind", help="Only this kind.")
@click.option("--account", help="Only this account.")
@with_json
@with_config
def items_command(config: Path, is_open: bool, kind: str | None, account: str | None, as_json: bool) -> None:
    """List items, blocking ones first, then by age."""

    def read(connection: Any) -> list[Item]:
        return list(items.list_items(connection, is_open=is_open, kind=kind, account=account))

    listed = asyncio.run(read_store(load(config), read))
    if as_json:
        print_json([as_document(item) for item in listed])
        return
    columns = ("urgency", "state", "kind", "reference", "amount", "opened (UTC)", "key")
    print_table(columns, [_row(item) for item in listed], empty="No items.")
    if listed:
        click.echo(format_totals(sum_items(listed, datetime.now(UTC))))


@click.command("item")
@click.argument("key")
@with_json
@with_config
def item_command(config: Path, key: str, as_json: bool) -> None:
    """Show one item with its history and its deliveries."""
    item, history, deliveries = asyncio.run(read_store(load(config), lambda connection: _read_item(connection, key)))
    if item is None:
        raise click.ClickException(NO_SUCH_ITEM.format(key=key))
    if as_json:
        print_json({**as_document(item), "timeline": [asdict(event) for event in history]})
        return
    print_item(item, history, deliveries)


def as_document(item: Item) -> dict[str, Any]:
    """The item as JSON; its key, which other commands take, comes first."""
    document: dict[str, Any] = TypeAdapter(Item).dump_python(item, mode="json", exclude_none=True)
    return {"key": item.key, **document}


def format_totals(totals: Totals) -> str:
    """How many items are open, and their total amount at risk, on one line."""
    counts = [f"{totals.waiting} open", f"{totals.blocking} hold up collection"]
    counts += [f"{totals.snoozed} snoozed"] if totals.snoozed else []
    sums = [format_money(each.total, "en") for each in totals.at_risk]
    sums += [f"{totals.unknown} with an amount or currency not known yet"] if totals.unknown else []
    return ", ".join(counts) + (f"; at risk: {' + '.join(sums)}" if sums else "")


def format_problem(item: Item) -> str | None:
    """Why the source did not do what was asked, on one line; None if there is no problem."""
    if item.problem == "still_open":
        return f"{item.snapshot.source} took the request, but this is still open there"
    if item.problem == "still_closed":
        return f"{item.snapshot.source} took the request to reopen this, but it is still closed there"
    if item.problem == "proposal_void":
        return f"the proposal is void: this changed at {item.snapshot.source} since"
    return f"{item.snapshot.source} refused: {as_printable(item.problem)}" if item.problem else None


def print_item(item: Item, history: Sequence[items.HistoryEntry], deliveries: Any) -> None:
    """What people need for a decision, then the history and the deliveries; all times in UTC."""
    facts = _facts(item)
    print_table(("fact", "value"), [(name, value) for name, value in facts.items() if value is not None])
    click.echo("\ntimeline (UTC)")
    for event in history:
        who = f" by {event.who} via {event.via}" if event.who else ""
        result = event.transition or f"ignored, {event.ignored}"
        line = f"{event.at:%F %T}  v{event.version}  {event.fact} {event.detail or ''}{who}: {result}"
        click.echo(as_printable(line))
    click.echo("\ndeliveries (UTC)")
    for row in deliveries:
        reason = f", {row.reason}" if row.reason else ""
        line = f"{row.created_at:%F %T}  {row.what} {row.destination}: {row.state}, tries {row.attempts}{reason}"
        click.echo(as_printable(line))


def _read_item(connection: Any, key: str) -> tuple[Item | None, list[items.HistoryEntry], Any]:
    item = items.find_by_key(connection, key)
    if item is None:
        return None, [], []
    return item, items.list_timeline(connection, item.id), outbox.list_of_item(connection, item.id)


def _row(item: Item) -> tuple[object, ...]:
    snapshot, opened = item.snapshot, f"{item.opened_at:%Y-%m-%d %H:%M}"
    return snapshot.urgency, item.state, item.kind, snapshot.reference, _format_amount(item), opened, item.key


def _facts(item: Item) -> dict[str, object]:
    snapshot = item.snapshot
    return {
        "key": snapshot.key,
        "state": item.state,
        "version": item.version,
        "kind": snapshot.kind,
        "urgency": snapshot.urgency,
        "title": snapshot.title,
        "asked": snapshot.question,
        "debtor's words": snapshot.quote,
        "debtor": snapshot.debtor,
        "reference": snapshot.reference,
        "amount": _format_amount(item),
        "collection paused": {None: None, True: "yes", False: "no"}[snapshot.is_collection_paused],
        "created": _format_time(snapshot.created_at),
        "deadline": _format_time(snapshot.deadline_at),
        "claimed by": item.claimed_by,
        "snoozed until": _format_time(item.snoozed_until),
        "proposed": item.proposal and f"{item.proposal.verb} by {item.proposal.person.label}",
        "note": item.note,
        "outcome": item.outcome,
        "resolved by": item.resolved_by,
        "confirmed by": item.confirmed_by,
        "problem": format_problem(item),
        "link": snapshot.solution_url,
    }


def _format_time(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%F %H:%M} UTC"


def _format_amount(item: Item) -> str:
    money = item.snapshot.amount
    return "–" if money is None else f"{money.amount:,.{money.digits}f} {money.currency or ''}".strip()
