"""Login links: each works once, for ``LASTS``. Expired ones are deleted with the next new one, or hourly."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update

from receiver.store.schema import login

LASTS = timedelta(minutes=15)
MAX_PENDING = 3  # links that are valid for one address


def create(connection: Connection, address: str, now: datetime, *, is_unlimited: bool = False) -> str | None:
    """Create a login link; its id, or None when ``MAX_PENDING`` are valid for the address and not ``is_unlimited``."""
    delete_expired(connection, now)
    pending = connection.execute(select(func.count()).where(login.c.address == address)).scalar_one()
    if pending >= MAX_PENDING and not is_unlimited:
        return None
    id_ = secrets.token_hex(16)
    connection.execute(insert(login).values(id=id_, address=address, created_at=now))
    return id_


def find_address(connection: Connection, id_: str, now: datetime) -> str | None:
    """The address that the link signs in; None when it expired or was used."""
    chosen = select(login.c.address).where(login.c.id == id_, login.c.used_at.is_(None))
    address: str | None = connection.execute(chosen.where(login.c.created_at >= now - LASTS)).scalar()
    return address


def delete_expired(connection: Connection, now: datetime) -> int:
    """Delete expired links; how many."""
    return connection.execute(delete(login).where(login.c.created_at < now - LASTS)).rowcount


def spend(connection: Connection, id_: str, now: datetime) -> str | None:
    """Mark the link as used; the address that it signs in, or None when it expired or was used."""
    address = find_address(connection, id_, now)
    unused = (login.c.id == id_, login.c.used_at.is_(None))
    spent = connection.execute(update(login).where(*unused).values(used_at=now))
    return address if spent.rowcount == 1 else None
