"""Submits a click from a page or a terminal: stores it like any other click, then waits a moment for its result."""

import asyncio
import time

from sqlalchemy import Connection

from receiver.context import Adapters
from receiver.domain.action import MAX_NOTE, MAX_REPLY, Click
from receiver.domain.item import Item
from receiver.domain.plan import MAX_MONTHS, payment_digits
from receiver.domain.refusal import SENTENCES, why_stale
from receiver.pipeline.ingest import accept, click_arrival
from receiver.store import actions, events, items

WAIT_S = 3.0
POLL_INTERVAL_S = 0.03
STALE_REASONS = frozenset({"already_acting", "already_resolved", "resolved_elsewhere", "stale"})


async def submit_action(adapters: Adapters, click: Click, locale: str) -> str | None:
    """Store the click. None if it was taken or has no result after three seconds; else why it was refused."""
    await accept(adapters, click_arrival(click, adapters))
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        is_finished, reason, item = await adapters.database.read(_find_result, click)
        if is_finished:
            return None if reason is None else _format_refusal(adapters, locale, reason, item, click)
        await asyncio.sleep(POLL_INTERVAL_S)
    return None


def _format_refusal(adapters: Adapters, locale: str, reason: str, item: Item | None, click: Click) -> str:
    if reason not in SENTENCES:
        return reason
    if reason in STALE_REASONS and item is not None:  # the item may have changed again since the refusal
        code, values = why_stale(item)
        return adapters.translator.say(locale, SENTENCES[code], **values)
    return adapters.translator.say(locale, SENTENCES[reason], **_refusal_values(reason, item, click))


def _refusal_values(reason: str, item: Item | None, click: Click) -> dict[str, str]:
    """The values of the sentence; the store keeps only its code."""
    who = item.claimed_by if item else None
    if reason == "not_a_resolver":
        who = click.terms.to.label if click.terms.to else None
    elif item and item.proposal:
        who = item.proposal.person.label
    most = MAX_MONTHS if reason == "plan_months" else MAX_REPLY if click.verb == "reply" else MAX_NOTE
    digits = payment_digits(item.snapshot.amount) if item else ""
    return {"who": who or "", "most": str(most), "digits": str(digits), "verb": "", "outcome": ""}


def _find_result(connection: Connection, click: Click) -> tuple[bool, str | None, Item | None]:
    """Whether the click was processed, why it was refused (None: it was not), and the item as it is now."""
    item = items.find(connection, click.item_id)
    action = actions.find_by_identity(connection, click.identity)
    if action is not None:
        return True, action.reason if action.state == "refused" else None, item
    event = events.find_state(connection, click.via, click.identity)
    if event is None or event[0] == "new":
        return False, None, item
    return True, event[1] or "unknown_item", item
