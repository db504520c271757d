"""Adding deliveries, in the transaction of what causes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from receiver.domain import notice
from receiver.store import payloads
from receiver.store.outbox.rows import DEFERRED, DUE, IN_GROUP
from receiver.store.payloads import COMMAND, FRESH_LINK, REPLY, SHOW, UNDO_OFFER, Payload, Show
from receiver.store.schema import outbox

INTERACTIVE = frozenset({REPLY, COMMAND, FRESH_LINK, UNDO_OFFER})  # a person waits for it


def enqueue(
    connection: Connection,
    item_id: str | None,
    destination: str,
    payload: Payload,
    now: datetime,
    *,
    is_interactive: bool = False,
    state: str = DUE,
) -> None:
    """Add a delivery of the payload's kind, due now unless ``state`` says otherwise.

    ``item_id`` None: it is about no single item. ``is_interactive``: it shows the result of a person's click.
    """
    is_interactive = is_interactive or payload.kind in INTERACTIVE
    connection.execute(
        _ENQUEUE, row_values(item_id, destination, payload, now, is_interactive=is_interactive, state=state)
    )


def enqueue_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add deliveries, as ``row_values`` makes them, in one statement."""
    if rows:
        connection.execute(_ENQUEUE, rows)


def row_values(
    item_id: str | None,
    destination: str,
    payload: Payload,
    now: datetime,
    *,
    is_interactive: bool = False,
    state: str = DUE,
) -> dict[str, Any]:
    """A delivery as the table holds it."""
    return {
        "item_id": item_id,
        "destination": destination,
        "what": payload.kind,
        "payload": payloads.encode(payload),
        "state": state,
        "due_at": now,
        "created_at": now,
        "is_interactive": is_interactive,
    }


def enqueue_show(
    connection: Connection,
    item_id: str,
    destination: str,
    route: str,
    now: datetime,
    *,
    is_interactive: bool = False,
    is_deferred: bool = False,
    below: str | None = None,
) -> None:
    """Make the destination show the item. One unclaimed row is enough for any number of changes.

    That row stays locked until this transaction ends, so that whoever claims it renders what changed here.
    ``is_interactive``: a person's click changed the item, and this destination shows it already.
    ``is_deferred``: it waits until quiet hours are over. ``below``: reference of the message whose thread it goes to.
    """
    waiting = connection.execute(_WAITING, {"of_item": item_id, "destination": destination}).first()
    if waiting is None:
        state = DEFERRED if is_deferred else DUE
        enqueue(connection, item_id, destination, Show(route, below), now, is_interactive=is_interactive, state=state)
    elif is_interactive:
        connection.execute(update(outbox).where(outbox.c.id == waiting.id).values(is_interactive=True))


def enqueue_reminder(
    connection: Connection,
    item_id: str,
    destination: str,
    route: str,
    reminder: notice.Reminder,
    now: datetime,
    *,
    is_deferred: bool = False,
) -> None:
    """Send a reminder in the thread of the message that the destination shows of the item."""
    state = DEFERRED if is_deferred else DUE
    enqueue(connection, item_id, destination, payloads.Reminder(route, reminder=reminder), now, state=state)


def pending_shows(connection: Connection, item_id: str) -> dict[str, str]:
    """Route names by destination of the item's due SHOW deliveries, claimed ones included."""
    rows = connection.execute(_ON_THE_WAY, {"of_item": item_id})
    return {destination: payloads.decode(Show, payload).route for destination, payload in rows}


# Built once: every change of an item needs them.
_ENQUEUE = insert(outbox)
_WAITING = (
    select(outbox.c.id)
    .where(
        outbox.c.item_id == bindparam("of_item"),
        outbox.c.destination == bindparam("destination"),
        outbox.c.what == SHOW,
        outbox.c.state.in_((DUE, DEFERRED, IN_GROUP)),
        outbox.c.claim_id.is_(None),
    )
    .with_for_update(skip_locked=True)
)
_ON_THE_WAY = select(outbox.c.destination, outbox.c.payload).where(
    outbox.c.item_id == bindparam("of_item"), outbox.c.what == SHOW, outbox.c.state == DUE
)
