"""Which reminders were given: a row is written in the transaction of what it sends, so that none is given twice."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, exists, select
from sqlalchemy.sql.expression import ColumnElement

from receiver.domain.item import Item
from receiver.store import items, upsert
from receiver.store.payloads import SHOW
from receiver.store.schema import item, message, outbox, reminder

MOST_AT_ONCE = 200
UNKNOWN = "unknown"  # the amount or its currency, for too long


def claim(connection: Connection, item_id: str, route: str, step: str, now: datetime) -> bool:
    """Take one reminder of an item. False: it was given before, here or by another process."""
    values = {"item_id": item_id, "route": route, "step": step, "at": now}
    return connection.execute(upsert.insert(connection, reminder).values(values).on_conflict_do_nothing()).rowcount == 1


def forget(connection: Connection, item_id: str) -> None:
    """Count anew: the item was opened again, or woken."""
    connection.execute(reminder.delete().where(reminder.c.item_id == item_id))


def candidates(
    connection: Connection, route: str, step: str, opened_before: datetime, *, is_shown: bool
) -> Iterator[Item]:
    """Open items of that age without this reminder. ``is_shown``: only those with a message by this route."""
    is_given = exists().where(reminder.c.item_id == item.c.id, reminder.c.route == route, reminder.c.step == step)
    conditions: list[ColumnElement[bool]] = [item.c.state == "open", item.c.opened_at <= opened_before, ~is_given]
    if is_shown:
        conditions.append(exists().where(message.c.item_id == item.c.id, message.c.route == route))
    chosen = select(item.c.document).where(*conditions).order_by(item.c.opened_at)
    return (items.whole(text) for text in connection.execute(chosen).scalars())


def unknown_and_unshown(connection: Connection, opened_before: datetime) -> list[Item]:
    """Open items of that age that were read in part and are meant for no destination, nor were before."""
    is_given = exists().where(reminder.c.item_id == item.c.id, reminder.c.step == UNKNOWN)
    is_meant = exists().where(outbox.c.item_id == item.c.id, outbox.c.what == SHOW)
    is_shown = exists().where(message.c.item_id == item.c.id)
    waits = (item.c.state == "open", item.c.opened_at <= opened_before, ~is_given, ~is_meant, ~is_shown)
    chosen = select(item.c.document).where(*waits, item.c.document.contains(items.PARTIAL)).order_by(item.c.opened_at)
    return [items.whole(text) for text in connection.execute(chosen.limit(MOST_AT_ONCE)).scalars()]


def woken(connection: Connection, now: datetime) -> list[Item]:
    """Items whose snooze is over, or whose button to undo what a rule did has had its time."""
    chosen = select(item.c.document).where(item.c.wake_at <= now).order_by(item.c.wake_at).limit(MOST_AT_ONCE)
    return [items.whole(text) for text in connection.execute(chosen).scalars()]
