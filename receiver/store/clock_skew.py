"""Repairs rows that a wrong clock dated into the future, which no claim would find until then.

The length of a wait is kept and only its start is corrected. Finished rows are not changed.
"""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, ColumnElement, Connection, type_coerce, update

from receiver.store import events
from receiver.store.outbox import COMMAND_LEASE
from receiver.store.schema import breaker, event, outbox, pace

CLOCKS_AGREE_WITHIN = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)  # of a breaker or a pace: nothing sets a longer one


def correct_future_rows(connection: Connection, now: datetime) -> int:
    """Move rows from the future to now, and end leases that are too long to be true; the number of changed rows."""
    changed = 0
    soon = now + CLOCKS_AGREE_WITHIN
    for table, created_at, waiting, lease in (
        (event, event.c.received_at, event.c.state == "new", events.LEASE),
        (outbox, outbox.c.created_at, outbox.c.state == "due", COMMAND_LEASE),
    ):
        from_future = update(table).where(waiting, created_at > soon)
        values = {created_at.name: now, "due_at": _shift(table.c.due_at, created_at, now)}
        changed += connection.execute(from_future.values(values)).rowcount
        too_long = update(table).where(waiting, table.c.lease_until > soon + lease)
        changed += connection.execute(too_long.values(lease_until=now)).rowcount
    for at in (breaker.c.open_until, breaker.c.probe_until, pace.c.full_at):
        changed += connection.execute(update(at.table).where(at > soon + LONGEST_PAUSE).values({at.name: now})).rowcount
    return changed


def _shift(at: Column[datetime], created_at: Column[datetime], now: datetime) -> ColumnElement[int]:
    """As far from now as it was from the creation of the row."""
    wait = type_coerce(at, BigInteger) - type_coerce(created_at, BigInteger)
    return wait + round(now.timestamp() * 1_000_000)
