"""What the outbox holds, for commands, pages and metrics. Only reads."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, select

from receiver.store.outbox.rows import Delivery, as_delivery, as_instant
from receiver.store.payloads import COMMAND
from receiver.store.schema import item, outbox


def counts(connection: Connection) -> dict[str, int]:
    """The number of rows by state."""
    chosen = select(outbox.c.state, func.count().label("n")).group_by(outbox.c.state)
    return {row.state: row.n for row in connection.execute(chosen)}


def due_backlog(connection: Connection, now: datetime) -> tuple[int, datetime | None]:
    """The number of due rows, and when the oldest became due."""
    chosen = select(func.count(), func.min(outbox.c.due_at))
    n, oldest = connection.execute(chosen.where(outbox.c.state == "due", outbox.c.due_at <= now)).one()
    return n, oldest


def list_of_item(connection: Connection, item_id: str) -> Sequence[Any]:
    """All deliveries of an item, oldest first, for ``casebell item``."""
    columns = (outbox.c[name] for name in ("destination", "what", "state", "attempts", "reason", "created_at"))
    return connection.execute(select(*columns).where(outbox.c.item_id == item_id).order_by(outbox.c.id)).all()


def find_overdue(
    connection: Connection, now: datetime, commands_before: datetime, others_before: datetime, most: int
) -> list[Delivery]:
    """Unclaimed rows that are due since before these times, such as those behind an open breaker, locked."""
    since = case(
        (outbox.c.attempts == 0, outbox.c.due_at), else_=func.coalesce(outbox.c.retried_at, outbox.c.created_at)
    )
    limit = case((outbox.c.what == COMMAND, as_instant(commands_before)), else_=as_instant(others_before))
    chosen = (
        select(*(outbox.c[name] for name in Delivery.__slots__))
        .where(outbox.c.state == "due", outbox.c.due_at <= now, outbox.c.claim_id.is_(None), since < limit)
        .order_by(outbox.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [as_delivery(row) for row in connection.execute(chosen)]


def was_enqueued(connection: Connection, item_id: str, destination: str, what: str, since: datetime) -> bool:
    """Whether such a delivery was enqueued since then, in whatever state it is now."""
    chosen = select(outbox.c.id).where(outbox.c.item_id == item_id, outbox.c.destination == destination)
    recent = chosen.where(outbox.c.what == what, outbox.c.created_at > since)
    return connection.execute(recent.limit(1)).first() is not None


def has_delivered(connection: Connection, destinations: Collection[str], since: datetime) -> bool:
    """Whether anything was delivered to one of the destinations since then."""
    chosen = select(outbox.c.id).where(outbox.c.destination.in_(destinations), outbox.c.state == "done")
    delivered = chosen.where(outbox.c.done_at > since, outbox.c.reason.is_(None))
    return connection.execute(delivered.limit(1)).first() is not None


def list_dead(connection: Connection, ids: Collection[int] | None = None) -> list[Delivery]:
    """Dead rows: all, or those among ``ids``."""
    chosen = select(*(outbox.c[name] for name in Delivery.__slots__)).where(outbox.c.state == "dead")
    if ids is not None:
        chosen = chosen.where(outbox.c.id.in_(ids))
    return [as_delivery(row) for row in connection.execute(chosen.order_by(outbox.c.id))]


def list_deliveries(connection: Connection, state: str | None, most: int) -> Sequence[Any]:
    """Deliveries with the keys of their items, newest first, for ``casebell deliveries``."""
    chosen = select(*(outbox.c[name] for name in _LISTED), item.c.key).select_from(
        outbox.outerjoin(item, item.c.id == outbox.c.item_id)
    )
    if state is not None:
        chosen = chosen.where(outbox.c.state == state)
    return connection.execute(chosen.order_by(outbox.c.id.desc()).limit(most)).all()


_LISTED = (
    "id", "state", "what", "destination", "attempts", "maybe_delivered", "is_interactive", "created_at", "due_at",
    "lease_until", "done_at", "reason",
)  # fmt: skip
