"""What a clock that was wrong has left behind: rows from the future, which nobody would take up until it is there.

Rows keep how long they were to wait; only when the waiting began is corrected. It touches nothing that is done.
"""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, ColumnElement, Connection, type_coerce, update

from receiver.store import events as inbox_rows
from receiver.store import outbox as outbox_rows
from receiver.store.schema import breaker, event, outbox, pace

CLOCKS_AGREE_WITHIN = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)  # of a breaker or a pace; nothing asks for more


def heal(connection: Connection, now: datetime) -> int:
    """Bring rows from the future into the present and end leases that nobody can have; how many were touched."""
    touched = 0
    soon = now + CLOCKS_AGREE_WITHIN
    for table, born_at, waiting, lease in (
        (event, event.c.received_at, event.c.state == "new", inbox_rows.LEASE),
        (outbox, outbox.c.created_at, outbox.c.state == "due", outbox_rows.COMMAND_LEASE),
    ):
        born_later = update(table).where(waiting, born_at > soon)
        values = {born_at.name: now, "due_at": _moved(table.c.due_at, born_at, now)}
        touched += connection.execute(born_later.values(values)).rowcount
        held_too_long = update(table).where(waiting, table.c.lease_until > soon + lease)
        touched += connection.execute(held_too_long.values(lease_until=now)).rowcount
    for at in (breaker.c.open_until, breaker.c.probe_until, pace.c.full_at):
        touched += connection.execute(update(at.table).where(at > soon + LONGEST_PAUSE).values({at.name: now})).rowcount
    return touched


def _moved(at: Column[datetime], born_at: Column[datetime], now: datetime) -> ColumnElement[int]:
    """As far from now as it was from the row's birth."""
    wait = type_coerce(at, BigInteger) - type_coerce(born_at, BigInteger)
    return wait + round(now.timestamp() * 1_000_000)
