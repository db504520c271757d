"""Deletes old rows: first the bodies of events, then events, then resolved items with all that belongs to them.

Searching is read-only. Each deletion is a write of a few hundred rows, so that new events never wait long. Replicas may
run this at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, select, update

from receiver.store import items
from receiver.store.schema import action, event, history, item, message, outbox, reminder, token

MAX_ROWS = 300
LONGEST_BODY = timedelta(days=30)
_OF_AN_ITEM: tuple[Table, ...] = (history, action, token, message, outbox, reminder)


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long events and resolved items are kept."""

    events: timedelta = timedelta(days=90)
    items: timedelta = timedelta(days=400)

    @property
    def bodies(self) -> timedelta:
        """How long bodies are kept, for the analysis of faults: a third of the time of events, 30 days at most."""
        return min(LONGEST_BODY, self.events / 3)


def list_old_bodies(connection: Connection, since: datetime, before: datetime) -> tuple[list[int], datetime]:
    """Events that were done in this time and have a body, oldest first, and when the last of them was done.

    Quarantined events keep their body, because they may be replayed.
    """
    has_body = and_(event.c.state == "done", event.c.done_at >= since, func.length(event.c.body) > 0)
    chosen = select(event.c.id, event.c.done_at).where(_ended_before(before), has_body).order_by(event.c.done_at)
    rows = connection.execute(chosen.limit(MAX_ROWS)).all()
    return [row.id for row in rows], rows[-1].done_at if rows else since


def erase_bodies(connection: Connection, ids: Sequence[int]) -> int:
    """Erase bodies and headers. The row stays, so that the event is still recognized when it is sent again."""
    erased = {"body": b"", "headers": "{}", "reason": None}
    return connection.execute(update(event).where(event.c.id.in_(ids)).values(erased)).rowcount


def list_old_events(connection: Connection, before: datetime) -> list[int]:
    """Events that were done or quarantined before then."""
    chosen = select(event.c.id).where(_ended_before(before)).order_by(event.c.done_at)
    return list(connection.execute(chosen.limit(MAX_ROWS)).scalars())


def delete_events(connection: Connection, ids: Sequence[int], before: datetime) -> int:
    """Delete these events, if they ended before then; how many."""
    return connection.execute(delete(event).where(event.c.id.in_(ids), _ended_before(before))).rowcount


def list_old_deliveries(connection: Connection, before: datetime) -> list[int]:
    """Deliveries without an item, such as digests, that ended before then. The others are deleted with their item."""
    is_over = and_(outbox.c.item_id.is_(None), outbox.c.state != "due", outbox.c.done_at < before)
    return list(connection.execute(select(outbox.c.id).where(is_over).limit(MAX_ROWS)).scalars())


def delete_deliveries(connection: Connection, ids: Sequence[int]) -> int:
    """Delete these deliveries, if they are not due; how many."""
    return connection.execute(delete(outbox).where(outbox.c.id.in_(ids), outbox.c.state != "due")).rowcount


def list_old_items(connection: Connection, before: datetime) -> list[str]:
    """Items that were resolved before then and have no due delivery."""
    chosen = select(item.c.id).where(_is_deletable(before)).order_by(item.c.resolved_at)
    return list(connection.execute(chosen.limit(MAX_ROWS)).scalars())


def delete_item(connection: Connection, item_id: str, before: datetime) -> int:
    """Delete up to ``MAX_ROWS`` rows of an item, and the item when none are left; how many.

    0 when it was reopened or has a due delivery since it was listed.
    """
    key_if_deletable = select(item.c.key).where(item.c.id == item_id, _is_deletable(before))
    items.lock(connection, list(connection.execute(key_if_deletable).scalars()))
    if connection.execute(key_if_deletable).first() is None:
        return 0
    left = MAX_ROWS
    for table in _OF_AN_ITEM:
        key = table.primary_key.columns[0]
        chosen = select(key).where(table.c.item_id == item_id).limit(left)
        left -= connection.execute(delete(table).where(key.in_(chosen))).rowcount
        if left <= 0:
            return MAX_ROWS
    left -= connection.execute(delete(item).where(item.c.id == item_id)).rowcount
    return MAX_ROWS - left


def _ended_before(before: datetime) -> ColumnElement[bool]:
    return and_(event.c.state != "new", event.c.done_at < before)


def _is_deletable(before: datetime) -> ColumnElement[bool]:
    has_due = exists().where(outbox.c.item_id == item.c.id, outbox.c.state == "due")
    return and_(item.c.state == "resolved", item.c.resolved_at < before, ~has_due)
