"""A press on one of our own pages or in a terminal: stored like any other, then awaited for a moment."""

import asyncio
import time

from sqlalchemy import Connection

from receiver.desk import Desk
from receiver.domain.action import Click
from receiver.domain.refusal import SENTENCES
from receiver.ingest import accept, own_click
from receiver.store import actions, inbox

WAIT_S = 3.0
LOOK_AGAIN_S = 0.03


async def press_and_wait(desk: Desk, click: Click, locale: str) -> str | None:
    """Store the press; None once it was taken, or is still being looked at after three seconds; else why not."""
    await accept(desk, own_click(click, desk))
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        is_settled, reason = await desk.database.read(_what_came_of, click)
        if is_settled:
            return None if reason is None else desk.teller.say(locale, SENTENCES.get(reason, reason))
        await asyncio.sleep(LOOK_AGAIN_S)
    return None


def _what_came_of(connection: Connection, click: Click) -> tuple[bool, str | None]:
    action = actions.by_identity(connection, click.identity)
    if action is not None:
        return True, action.reason if action.state == "refused" else None
    event = inbox.state_of(connection, click.via, click.identity)
    if event is None or event[0] == "new":
        return False, None
    return True, event[1] or "unknown_item"
