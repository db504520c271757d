"""What is done is not kept for ever: first the bodies of events, then events, then resolved items with all about them.

Beside the walk. Looking is a reader's work and may take its time; erasing is a write of a few hundred rows, so that an
event that arrives never waits for it. The same statements serve both databases; run side by side they erase the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, and_, delete, exists, func, or_, select, update

from receiver.store.schema import action, history, inbox, item, message, outbox, token

MOST_ROWS = 300
LONGEST_BODY = timedelta(days=30)
_OF_AN_ITEM: tuple[Table, ...] = (history, action, token, message, outbox)


@dataclass(frozen=True, slots=True)
class Kept:
    """For how long: events, and resolved items. A body serves to look into a fault, so it goes sooner than its event."""

    events: timedelta = timedelta(days=90)
    items: timedelta = timedelta(days=400)

    @property
    def bodies(self) -> timedelta:
        """30 days, or a third of the events' time if that is less."""
        return min(LONGEST_BODY, self.events / 3)


def with_old_bodies(connection: Connection, before: datetime) -> list[int]:
    """Events done before then whose body is still there. One set aside keeps its body, for it may be tried again."""
    is_old = and_(inbox.c.state == "done", inbox.c.done_at < before, func.length(inbox.c.body) > 0)
    return list(connection.execute(select(inbox.c.id).where(is_old).limit(MOST_ROWS)).scalars())


def erase_bodies(connection: Connection, ids: Sequence[int]) -> int:
    """Leave the envelope: the same event is still known when it comes again."""
    erased = {"body": b"", "headers": "{}", "reason": None}
    return connection.execute(update(inbox).where(inbox.c.id.in_(ids)).values(erased)).rowcount


def old_events(connection: Connection, before: datetime) -> list[int]:
    """Events that were done, or set aside, before then."""
    is_old = and_(inbox.c.state != "new", inbox.c.done_at < before)
    return list(connection.execute(select(inbox.c.id).where(is_old).limit(MOST_ROWS)).scalars())


def forget_events(connection: Connection, ids: Sequence[int]) -> int:
    return connection.execute(delete(inbox).where(inbox.c.id.in_(ids), inbox.c.state != "new")).rowcount


def old_items(connection: Connection, before: datetime) -> list[str]:
    """Items resolved before then for which nothing is still to be told."""
    waits = exists().where(outbox.c.item_id == item.c.id, outbox.c.state == "due")
    is_old = and_(item.c.state == "resolved", item.c.resolved_at < before, ~waits)
    return list(connection.execute(select(item.c.id).where(is_old).limit(MOST_ROWS)).scalars())


def forget_item(connection: Connection, item_id: str, before: datetime) -> int:
    """Erase up to MOST_ROWS rows of what hangs on the item, and when nothing does any more, the item; how many rows.

    0 when it was reopened, or has something to tell, since it was found.
    """
    if item_id not in _still_old(connection, item_id, before):
        return 0
    left = MOST_ROWS
    for table in _OF_AN_ITEM:
        key = table.primary_key.columns[0]
        ids = connection.execute(select(key).where(table.c.item_id == item_id).limit(left)).scalars().all()
        left -= connection.execute(delete(table).where(key.in_(ids))).rowcount if ids else 0
        if left == 0:
            return MOST_ROWS
    return MOST_ROWS - left + connection.execute(delete(item).where(item.c.id == item_id)).rowcount


def _still_old(connection: Connection, item_id: str, before: datetime) -> list[str]:
    waits = exists().where(outbox.c.item_id == item.c.id, outbox.c.state == "due")
    is_old = and_(item.c.id == item_id, item.c.state == "resolved", item.c.resolved_at < before, ~waits)
    return list(connection.execute(select(item.c.id).where(is_old).with_for_update()).scalars())
