"""Claiming deliveries under a lease. The rules of which may leave are in ``claim_policy``."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, select, update

from receiver.store import locks
from receiver.store.outbox import claim_sql
from receiver.store.outbox.rows import CLAIM_LOCK, COMMAND_LEASE, LEASE, Delivery, as_delivery, as_instant
from receiver.store.payloads import COMMAND
from receiver.store.schema import outbox


def claim(
    connection: Connection,
    now: datetime,
    claim_id: str,
    most: int,
    busy: Collection[str],
    most_each: int,
    *only: ColumnElement[bool],
) -> list[Delivery]:
    """Claim up to ``most`` due rows, oldest first, none of the ``busy`` destinations.

    Of each destination at most ``most_each`` are leased at a time, on all replicas together. ``only``: further
    conditions. Replicas claim one after the other, so that each sees the claims of the others (docs/decisions/0009).
    """
    if most <= 0:
        return []
    locks.acquire(connection, [CLAIM_LOCK])
    limits = {"busy": list(busy), "each": most_each, "most": most}
    lease = {"claimer": claim_id, "until": now + LEASE, "command_until": now + COMMAND_LEASE}
    statement = claim_sql.claim_statement(only, Delivery.__slots__)
    claimed = connection.execute(statement, {"now": now, **limits, **lease})
    return sorted(map(as_delivery, claimed), key=lambda row: row.id)


def renew(connection: Connection, ids: Collection[int], claim_id: str, now: datetime) -> set[int]:
    """Extend the leases of deliveries that take long; the ids whose claim is still valid."""
    until = case((outbox.c.what == COMMAND, as_instant(now + COMMAND_LEASE)), else_=as_instant(now + LEASE))
    renewed = update(outbox).where(outbox.c.id.in_(ids), outbox.c.claim_id == claim_id).values(lease_until=until)
    return set(connection.execute(renewed.returning(outbox.c.id)).scalars())


def reap(connection: Connection, now: datetime) -> int:
    """End the claims whose lease has run out: their rows are due again, maybe delivered. The number of rows."""
    return connection.execute(claim_sql.REAP_STATEMENT, {"now": now}).rowcount


def expire_leases(connection: Connection, now: datetime) -> None:
    """End every lease now. Only for the process that has the database to itself: all other holders are dead."""
    leased = (outbox.c.state == "due", outbox.c.claim_id.is_not(None))
    connection.execute(update(outbox).where(*leased).values(lease_until=now - timedelta(seconds=1)))


def is_any_due(connection: Connection, now: datetime, *only: ColumnElement[bool]) -> bool:
    """Whether an unclaimed row is due."""
    chosen = select(outbox.c.id).where(outbox.c.state == "due", outbox.c.due_at <= now, *only)
    return connection.execute(chosen.where(outbox.c.claim_id.is_(None)).limit(1)).first() is not None
