"""Links that sign somebody in: each is good once, for a while. What is over is erased with the next one, or hourly."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update

from receiver.store.schema import login

LASTS = timedelta(minutes=15)
MOST_AT_A_TIME = 3  # to one address


def begin(connection: Connection, address: str, now: datetime, *, is_unlimited: bool = False) -> str | None:
    """A fresh link's id; None while enough of them are on their way to this address, unless it ``is_unlimited``."""
    forget(connection, now)
    waiting = connection.execute(select(func.count()).where(login.c.address == address)).scalar_one()
    if waiting >= MOST_AT_A_TIME and not is_unlimited:
        return None
    fresh = secrets.token_hex(16)
    connection.execute(insert(login).values(id=fresh, address=address, created_at=now))
    return fresh


def address_of(connection: Connection, id_: str, now: datetime) -> str | None:
    """Whom the link signs in; None when it is over or was used."""
    chosen = select(login.c.address).where(login.c.id == id_, login.c.used_at.is_(None))
    address: str | None = connection.execute(chosen.where(login.c.created_at >= now - LASTS)).scalar()
    return address


def forget(connection: Connection, now: datetime) -> int:
    """Erase links that are over; how many."""
    return connection.execute(delete(login).where(login.c.created_at < now - LASTS)).rowcount


def spend(connection: Connection, id_: str, now: datetime) -> str | None:
    """Use the link up; whom it signs in, or None when it is over or was used."""
    address = address_of(connection, id_, now)
    mine = (login.c.id == id_, login.c.used_at.is_(None))
    spent = connection.execute(update(login).where(*mine).values(used_at=now))
    return address if spent.rowcount == 1 else None
