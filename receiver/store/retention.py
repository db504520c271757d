"""What is done is not kept for ever: first the bodies of events, then events, then resolved items with all about them.

Looking is a reader's work; erasing is a write of a few hundred rows, so that an event that arrives never waits for it.
The same statements serve both databases; replicas that run them side by side erase the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, select, update

from receiver.store import items
from receiver.store.schema import action, event, history, item, message, outbox, reminder, token

MOST_ROWS = 300
LONGEST_BODY = timedelta(days=30)
_OF_AN_ITEM: tuple[Table, ...] = (history, action, token, message, outbox, reminder)


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """For how long: events, and resolved items."""

    events: timedelta = timedelta(days=90)
    items: timedelta = timedelta(days=400)

    @property
    def bodies(self) -> timedelta:
        """A third of the events' time, 30 days at most: a body only serves to look into a fault."""
        return min(LONGEST_BODY, self.events / 3)


def with_old_bodies(connection: Connection, since: datetime, before: datetime) -> tuple[list[int], datetime]:
    """Events done in this time whose body is still there, oldest first, and when the last of them was done.

    One that was set aside keeps its body as long as it is kept at all, for it may be tried again.
    """
    is_there = and_(event.c.state == "done", event.c.done_at >= since, func.length(event.c.body) > 0)
    chosen = select(event.c.id, event.c.done_at).where(_over(before), is_there).order_by(event.c.done_at)
    rows = connection.execute(chosen.limit(MOST_ROWS)).all()
    return [row.id for row in rows], rows[-1].done_at if rows else since


def erase_bodies(connection: Connection, ids: Sequence[int]) -> int:
    """Leave the envelope: the same event is still known when it comes again."""
    erased = {"body": b"", "headers": "{}", "reason": None}
    return connection.execute(update(event).where(event.c.id.in_(ids)).values(erased)).rowcount


def old_events(connection: Connection, before: datetime) -> list[int]:
    """Events that were done, or set aside, before then."""
    chosen = select(event.c.id).where(_over(before)).order_by(event.c.done_at)
    return list(connection.execute(chosen.limit(MOST_ROWS)).scalars())


def forget_events(connection: Connection, ids: Sequence[int], before: datetime) -> int:
    return connection.execute(delete(event).where(event.c.id.in_(ids), _over(before))).rowcount


def old_deliveries(connection: Connection, before: datetime) -> list[int]:
    """Deliveries about no one item, such as digests, that ended before then; the others go with their item."""
    is_over = and_(outbox.c.item_id.is_(None), outbox.c.state != "due", outbox.c.done_at < before)
    return list(connection.execute(select(outbox.c.id).where(is_over).limit(MOST_ROWS)).scalars())


def forget_deliveries(connection: Connection, ids: Sequence[int]) -> int:
    return connection.execute(delete(outbox).where(outbox.c.id.in_(ids), outbox.c.state != "due")).rowcount


def old_items(connection: Connection, before: datetime) -> list[str]:
    """Items resolved before then about which nothing is still to be told."""
    chosen = select(item.c.id).where(_is_past(before)).order_by(item.c.resolved_at)
    return list(connection.execute(chosen.limit(MOST_ROWS)).scalars())


def forget_item(connection: Connection, item_id: str, before: datetime) -> int:
    """Erase up to MOST_ROWS rows: what hangs on the item and, once nothing does, the item itself. How many rows.

    0 when it was reopened, or has something to tell, since it was found.
    """
    key_if_past = select(item.c.key).where(item.c.id == item_id, _is_past(before))
    items.hold(connection, list(connection.execute(key_if_past).scalars()))
    if connection.execute(key_if_past).first() is None:
        return 0
    left = MOST_ROWS
    for table in _OF_AN_ITEM:
        key = table.primary_key.columns[0]
        chosen = select(key).where(table.c.item_id == item_id).limit(left)
        left -= connection.execute(delete(table).where(key.in_(chosen))).rowcount
        if left <= 0:
            return MOST_ROWS
    left -= connection.execute(delete(item).where(item.c.id == item_id)).rowcount
    return MOST_ROWS - left


def _over(before: datetime) -> ColumnElement[bool]:
    return and_(event.c.state != "new", event.c.done_at < before)


def _is_past(before: datetime) -> ColumnElement[bool]:
    waits = exists().where(outbox.c.item_id == item.c.id, outbox.c.state == "due")
    return and_(item.c.state == "resolved", item.c.resolved_at < before, ~waits)
