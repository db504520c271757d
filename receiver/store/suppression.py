"""The suppression list: addresses that unsubscribed from a digest, or that the mail server rejected."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, or_, select

from receiver.store import upsert
from receiver.store.schema import suppression

ALL = ""  # all mail, alerts included
_COLUMNS = [suppression.c[name] for name in ("address", "list", "reason", "at", "until")]
UNSUBSCRIBED = "unsubscribed"
BOUNCED_FOR = timedelta(days=7)  # then mail is tried again: mailboxes are created, and servers err


@dataclass(frozen=True, slots=True)
class Suppression:
    """``list``: name of a digest, or ALL. ``until`` None: until it is lifted."""

    address: str
    list: str
    reason: str
    at: datetime
    until: datetime | None


def add(connection: Connection, address: str, list_: str, reason: str, now: datetime, until: datetime | None) -> None:
    """Suppress mail of this list to the address. A newer entry replaces the reason and the end."""
    values = {"reason": reason[:300], "at": now, "until": until}
    statement = upsert.insert(connection, suppression).values(address=address.lower(), list=list_, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["address", "list"], set_=values))


def find(connection: Connection, address: str, list_: str, now: datetime) -> Suppression | None:
    """The entry that suppresses mail of this list to the address now; None without one."""
    chosen = select(*_COLUMNS).where(suppression.c.address == address.lower(), suppression.c.list.in_({list_, ALL}))
    row = connection.execute(chosen.where(_is_active(now)).order_by(suppression.c.list).limit(1)).first()
    return None if row is None else Suppression(*row)


def list_active(connection: Connection, now: datetime) -> list[Suppression]:
    """All entries that have not ended, newest first."""
    rows = connection.execute(
        select(*_COLUMNS).where(_is_active(now)).order_by(suppression.c.at.desc(), suppression.c.address)
    )
    return [Suppression(*row) for row in rows]


def list_bounced(connection: Connection) -> list[Suppression]:
    """Entries of addresses that the mail server rejected, ended ones included, by address."""
    chosen = select(*_COLUMNS).where(suppression.c.list == ALL).order_by(suppression.c.address)
    return [Suppression(*row) for row in connection.execute(chosen)]


def lift_bounce(connection: Connection, address: str) -> None:
    """The mail server accepts the address again. Unsubscriptions stay."""
    connection.execute(delete(suppression).where(suppression.c.address == address.lower(), suppression.c.list == ALL))


def lift(connection: Connection, address: str) -> int:
    """Delete all entries of the address; how many."""
    return connection.execute(delete(suppression).where(suppression.c.address == address.lower())).rowcount


def _is_active(now: datetime) -> ColumnElement[bool]:
    return or_(suppression.c.until.is_(None), suppression.c.until > now)
