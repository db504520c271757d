"""Leases of loops that one replica at a time may run. ``receiver/jobs/leader.py`` uses them.

``now`` is the clock of the database (``Database.now``), so that replicas agree.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_, update

from receiver.store import upsert
from receiver.store.schema import lease


def acquire(connection: Connection, name: str, holder: str, now: datetime, lasts: timedelta) -> bool:
    """Acquire the lease, unless another holder's is valid."""
    values = {"holder": holder, "until": now + lasts}
    statement = upsert.insert(connection, lease).values(name=name, **values)
    is_free = or_(lease.c.until < now, lease.c.holder == holder)
    statement = statement.on_conflict_do_update(index_elements=[lease.c.name], set_=values, where=is_free)
    return connection.execute(statement.returning(lease.c.name)).first() is not None


def renew(connection: Connection, name: str, holder: str, now: datetime, lasts: timedelta) -> bool:
    """Extend the lease. False: it ran out or belongs to another holder, and the work under it must stop."""
    is_valid = (lease.c.name == name, lease.c.holder == holder, lease.c.until >= now)
    return connection.execute(update(lease).where(*is_valid).values(until=now + lasts)).rowcount == 1


def release(connection: Connection, name: str, holder: str) -> None:
    """Give up the lease, so that another replica gets it at once."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.holder == holder))


def expire_leases(connection: Connection, now: datetime) -> None:
    """End every lease now. Only for the process that has the database to itself: all other holders are dead."""
    connection.execute(update(lease).values(until=now - timedelta(seconds=1)))
