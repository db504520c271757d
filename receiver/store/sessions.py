"""Who is signed in, in which browser. Only the hash of a browser's secret is stored: a backup lets nobody in."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select

from receiver.store import logins
from receiver.store.schema import session

LASTS = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """``id``: the hash of the browser's secret."""

    id: str
    address: str
    created_at: datetime
    expires_at: datetime


def id_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def sign_in(connection: Connection, login_id: str, replaces: str, now: datetime) -> str | None:
    """Use up a link and begin a session; the secret for the browser, or None when the link is over or was used.

    ``replaces``: the secret that the browser had before, whose session ends.
    """
    address = logins.spend(connection, login_id, now)
    if address is None:
        return None
    fresh = secrets.token_urlsafe(32)
    connection.execute(delete(session).where(session.c.id == id_of(replaces)))
    row = {"id": id_of(fresh), "address": address, "created_at": now, "expires_at": now + LASTS}
    connection.execute(insert(session).values(row))
    return fresh


def find(connection: Connection, secret: str, now: datetime) -> SessionRow | None:
    """The session of this secret, unless it is over: one row by its primary key."""
    row = connection.execute(select(session).where(session.c.id == id_of(secret))).first()
    return SessionRow(*row) if row is not None and row.expires_at > now else None


def of_person(connection: Connection, address: str, now: datetime) -> Sequence[SessionRow]:
    """The sessions of a person, newest first."""
    chosen = select(session).where(session.c.address == address, session.c.expires_at > now)
    return [SessionRow(*row) for row in connection.execute(chosen.order_by(session.c.created_at.desc()))]


def end(connection: Connection, address: str, id_: str | None = None) -> int:
    """End this session of a person, or all of them; how many ended."""
    theirs = session.c.address == address if id_ is None else (session.c.address == address) & (session.c.id == id_)
    return connection.execute(delete(session).where(theirs)).rowcount


def addresses(connection: Connection) -> Sequence[str]:
    """Whoever has a session."""
    return connection.execute(select(session.c.address).distinct()).scalars().all()


def forget(connection: Connection, gone: Collection[str], now: datetime) -> int:
    """Erase sessions that are over, and all of these addresses; how many rows."""
    is_over = or_(session.c.expires_at <= now, session.c.address.in_(gone))
    return connection.execute(delete(session).where(is_over)).rowcount
