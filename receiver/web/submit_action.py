"""A press on one of our own pages or in a terminal: stored like any other, then awaited for a moment."""

import asyncio
import time

from sqlalchemy import Connection

from receiver.context import Adapters
from receiver.domain.action import MAX_NOTE, MAX_REPLY, Click
from receiver.domain.item import Item
from receiver.domain.plan import MOST_MONTHS, digits_of
from receiver.domain.refusal import SENTENCES, why_stale
from receiver.pipeline.ingest import accept, click_arrival
from receiver.store import actions, events, items

WAIT_S = 3.0
LOOK_AGAIN_S = 0.03
LATE = frozenset({"already_acting", "already_resolved", "resolved_elsewhere", "stale"})


async def submit_action(adapters: Adapters, click: Click, locale: str) -> str | None:
    """Store the press; None once it was taken, or is still being looked at after three seconds; else why not."""
    await accept(adapters, click_arrival(click, adapters))
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        is_settled, reason, item = await adapters.database.read(_what_came_of, click)
        if is_settled:
            return None if reason is None else _sentence(adapters, locale, reason, item, click)
        await asyncio.sleep(LOOK_AGAIN_S)
    return None


def _sentence(adapters: Adapters, locale: str, reason: str, item: Item | None, click: Click) -> str:
    if reason not in SENTENCES:
        return reason
    if reason in LATE and item is not None:  # it may have moved on again since, and says now who was first
        code, values = why_stale(item)
        return adapters.translator.say(locale, SENTENCES[code], **values)
    return adapters.translator.say(locale, SENTENCES[reason], **_values(reason, item, click))


def _values(reason: str, item: Item | None, click: Click) -> dict[str, str]:
    """What fills the sentence of a refusal; only its code was written down."""
    who = item.claimed_by if item else None
    if reason == "not_a_resolver":
        who = click.terms.to.label if click.terms.to else None
    elif item and item.proposal:
        who = item.proposal.person.label
    most = MOST_MONTHS if reason == "plan_months" else MAX_REPLY if click.verb == "reply" else MAX_NOTE
    digits = digits_of(item.snapshot.amount) if item else ""
    return {"who": who or "", "most": str(most), "digits": str(digits), "verb": "", "outcome": ""}


def _what_came_of(connection: Connection, click: Click) -> tuple[bool, str | None, Item | None]:
    """Whether the press was looked at, why it was refused if it was, and the item as it is now."""
    item = items.find(connection, click.item_id)
    action = actions.by_identity(connection, click.identity)
    if action is not None:
        return True, action.reason if action.state == "refused" else None, item
    event = events.state_of(connection, click.via, click.identity)
    if event is None or event[0] == "new":
        return False, None, item
    return True, event[1] or "unknown_item", item
