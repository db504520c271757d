"""Who may run what only one process at a time may run. ``receiver/jobs/leader.py`` is how a loop uses it.

``now`` is the database's clock (``Database.now``), so that replicas mean the same instant.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_, update

from receiver.store import upsert
from receiver.store.schema import lease


def acquire(connection: Connection, name: str, holder: str, now: datetime, lasts: timedelta) -> bool:
    """Have it from ``now`` on, unless somebody else's has not run out."""
    values = {"holder": holder, "until": now + lasts}
    statement = upsert.insert(connection, lease).values(name=name, **values)
    taken = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[lease.c.name], set_=values, where=or_(lease.c.until < now, lease.c.holder == holder)
        ).returning(lease.c.name)
    )
    return taken.first() is not None


def renew(connection: Connection, name: str, holder: str, now: datetime, lasts: timedelta) -> bool:
    """Keep it. False: it ran out, or somebody else has it; what was done under it must end."""
    kept = connection.execute(
        update(lease)
        .where(lease.c.name == name, lease.c.holder == holder, lease.c.until >= now)
        .values(until=now + lasts)
    )
    return kept.rowcount == 1


def release(connection: Connection, name: str, holder: str) -> None:
    """Let the next have it at once."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.holder == holder))


def expire_leases(connection: Connection, now: datetime) -> None:
    """End every lease now. Only for a process that holds the database alone: whoever had them is dead."""
    connection.execute(update(lease).values(until=now - timedelta(seconds=1)))
