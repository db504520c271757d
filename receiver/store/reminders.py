"""Sent reminders: a row is written in the transaction that enqueues one, so that none is sent twice."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, exists, select
from sqlalchemy.sql.expression import ColumnElement

from receiver.domain.item import Item
from receiver.store import items, upsert
from receiver.store.payloads import SHOW
from receiver.store.schema import item, message, outbox, reminder

MAX_AT_ONCE = 200
UNKNOWN = "unknown"  # the step for items whose amount or currency stays unknown


def claim(connection: Connection, item_id: str, route: str, step: str, now: datetime) -> bool:
    """Claim one reminder of an item. False: it was sent before, perhaps by another process."""
    values = {"item_id": item_id, "route": route, "step": step, "at": now}
    return connection.execute(upsert.insert(connection, reminder).values(values).on_conflict_do_nothing()).rowcount == 1


def reset(connection: Connection, item_id: str) -> None:
    """Start over: the item was opened again, or its snooze ended."""
    connection.execute(reminder.delete().where(reminder.c.item_id == item_id))


def list_candidates(
    connection: Connection, route: str, step: str, opened_before: datetime, *, is_shown: bool
) -> Iterator[Item]:
    """Open items of that age without this reminder. ``is_shown``: only those with a message of this route."""
    is_sent = exists().where(reminder.c.item_id == item.c.id, reminder.c.route == route, reminder.c.step == step)
    conditions: list[ColumnElement[bool]] = [item.c.state == "open", item.c.opened_at <= opened_before, ~is_sent]
    if is_shown:
        conditions.append(exists().where(message.c.item_id == item.c.id, message.c.route == route))
    chosen = select(item.c.document).where(*conditions).order_by(item.c.opened_at)
    return (items.from_json(document) for document in connection.execute(chosen).scalars())


def list_incomplete_unshown(connection: Connection, opened_before: datetime) -> list[Item]:
    """Open items of that age that were read incompletely and have no delivery and no message anywhere."""
    is_sent = exists().where(reminder.c.item_id == item.c.id, reminder.c.step == UNKNOWN)
    has_delivery = exists().where(outbox.c.item_id == item.c.id, outbox.c.what == SHOW)
    is_shown = exists().where(message.c.item_id == item.c.id)
    conditions = (item.c.state == "open", item.c.opened_at <= opened_before, ~is_sent, ~has_delivery, ~is_shown)
    chosen = (
        select(item.c.document).where(*conditions, item.c.document.contains(items.PARTIAL)).order_by(item.c.opened_at)
    )
    return [items.from_json(document) for document in connection.execute(chosen.limit(MAX_AT_ONCE)).scalars()]


def list_to_wake(connection: Connection, now: datetime) -> list[Item]:
    """Items whose snooze is over, or whose button to undo an automatic decision must be removed."""
    chosen = select(item.c.document).where(item.c.wake_at <= now).order_by(item.c.wake_at).limit(MAX_AT_ONCE)
    return [items.from_json(document) for document in connection.execute(chosen).scalars()]
