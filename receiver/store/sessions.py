"""Login sessions of browsers. Only the hash of the secret is stored, so that a backup lets nobody sign in."""

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
    """``id``: the hash of the secret in the browser's cookie."""

    id: str
    address: str
    created_at: datetime
    expires_at: datetime


def hash_secret(secret: str) -> str:
    """The id of the session with this secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def sign_in(connection: Connection, login_id: str, replaces: str, now: datetime) -> str | None:
    """Use a login link and begin a session; its secret, or None when the link expired or was used.

    ``replaces``: the secret of the session before, which ends.
    """
    address = logins.spend(connection, login_id, now)
    if address is None:
        return None
    secret = secrets.token_urlsafe(32)
    connection.execute(delete(session).where(session.c.id == hash_secret(replaces)))
    row = {"id": hash_secret(secret), "address": address, "created_at": now, "expires_at": now + LASTS}
    connection.execute(insert(session).values(row))
    return secret


def find(connection: Connection, secret: str, now: datetime) -> SessionRow | None:
    """The session of this secret; None when it expired."""
    row = connection.execute(select(session).where(session.c.id == hash_secret(secret))).first()
    return SessionRow(*row) if row is not None and row.expires_at > now else None


def list_of_person(connection: Connection, address: str, now: datetime) -> Sequence[SessionRow]:
    """The sessions of a person, newest first."""
    chosen = select(session).where(session.c.address == address, session.c.expires_at > now)
    return [SessionRow(*row) for row in connection.execute(chosen.order_by(session.c.created_at.desc()))]


def end(connection: Connection, address: str, id_: str | None = None) -> int:
    """End this session of a person, or all of them; how many."""
    theirs = session.c.address == address if id_ is None else (session.c.address == address) & (session.c.id == id_)
    return connection.execute(delete(session).where(theirs)).rowcount


def list_addresses(connection: Connection) -> Sequence[str]:
    """The addresses with a session."""
    return connection.execute(select(session.c.address).distinct()).scalars().all()


def delete_expired(connection: Connection, gone: Collection[str], now: datetime) -> int:
    """Delete expired sessions, and all sessions of the addresses in ``gone``; how many."""
    is_deletable = or_(session.c.expires_at <= now, session.c.address.in_(gone))
    return connection.execute(delete(session).where(is_deletable)).rowcount
