"""Addresses that get no mail: who unsubscribed from a digest, and whom the mail server says it does not know."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, or_, select

from receiver.store import upsert
from receiver.store.schema import suppression

ALL = ""  # every mail, alerts too
_COLUMNS = [suppression.c[name] for name in ("address", "list", "reason", "at", "until")]
UNSUBSCRIBED = "unsubscribed"
REFUSED_FOR = timedelta(days=7)  # then it is tried once more: mailboxes are made, and servers err


@dataclass(frozen=True, slots=True)
class Suppressed:
    """``list``: name of a digest, or ALL. ``until`` None: until somebody lifts it."""

    address: str
    list: str
    reason: str
    at: datetime
    until: datetime | None


def add(connection: Connection, address: str, list_: str, reason: str, now: datetime, until: datetime | None) -> None:
    """No more mail of this list to the address; said again, the newer reason and end stand."""
    values = {"reason": reason[:300], "at": now, "until": until}
    statement = upsert.insert(connection, suppression).values(address=address.lower(), list=list_, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["address", "list"], set_=values))


def find(connection: Connection, address: str, list_: str, now: datetime) -> Suppressed | None:
    """Why this address gets no mail of this list now; None when it does."""
    chosen = select(*_COLUMNS).where(suppression.c.address == address.lower(), suppression.c.list.in_({list_, ALL}))
    row = connection.execute(chosen.where(_stands(now)).order_by(suppression.c.list).limit(1)).first()
    return None if row is None else Suppressed(*row)


def listed(connection: Connection, now: datetime) -> list[Suppressed]:
    """All that stand, newest first."""
    rows = connection.execute(
        select(*_COLUMNS).where(_stands(now)).order_by(suppression.c.at.desc(), suppression.c.address)
    )
    return [Suppressed(*row) for row in rows]


def refused(connection: Connection) -> list[Suppressed]:
    """Addresses that were refused for good, their time of silence over or not, by address."""
    chosen = select(*_COLUMNS).where(suppression.c.list == ALL).order_by(suppression.c.address)
    return [Suppressed(*row) for row in connection.execute(chosen)]


def forget_refusal(connection: Connection, address: str) -> None:
    """It takes mail after all; what it unsubscribed from stays."""
    connection.execute(delete(suppression).where(suppression.c.address == address.lower(), suppression.c.list == ALL))


def lift(connection: Connection, address: str) -> int:
    """Mail may go to the address again; how many entries there were."""
    return connection.execute(delete(suppression).where(suppression.c.address == address.lower())).rowcount


def _stands(now: datetime) -> ColumnElement[bool]:
    return or_(suppression.c.until.is_(None), suppression.c.until > now)
