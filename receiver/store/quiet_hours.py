"""Deliveries that wait for the end of quiet hours: rows in the state ``deferred``, which are never claimed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from receiver.store import payloads
from receiver.store.outbox import DEFERRED, DUE
from receiver.store.schema import outbox


@dataclass(frozen=True, slots=True)
class DeferredDelivery:
    """A delivery that waits for the end of quiet hours."""

    id: int
    item_id: str
    destination: str
    what: str
    payload: str

    @property
    def route(self) -> str:
        return payloads.decode(payloads.Routed, self.payload).route


def list_deferred(connection: Connection) -> list[DeferredDelivery]:
    """All deferred deliveries, oldest first."""
    columns = (outbox.c[name] for name in DeferredDelivery.__slots__)
    chosen = select(*columns).where(outbox.c.state == DEFERRED).order_by(outbox.c.id)
    return [DeferredDelivery(*row) for row in connection.execute(chosen)]


def release(connection: Connection, ids: Collection[int], now: datetime, *, is_grouped: bool = False) -> set[int]:
    """Make these due, or done when ``is_grouped``: one message replaces them. The ids that were still deferred."""
    values: dict[str, Any] = {"state": "done", "done_at": now} if is_grouped else {"state": DUE, "due_at": now}
    chosen = update(outbox).where(outbox.c.id.in_(ids), outbox.c.state == DEFERRED).values(values)
    return set(connection.execute(chosen.returning(outbox.c.id)).scalars())
