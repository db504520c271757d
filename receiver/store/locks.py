"""Named locks until the end of the transaction, so that replicas change the same thing one after the other.

PostgreSQL's advisory locks also cover rows that do not exist yet. SQLite has one writer and needs none.
"""

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import Connection, text

_ACQUIRE = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


def acquire(connection: Connection, names: Iterable[str]) -> None:
    """Acquire the locks of these names, always in the same order, so that there are no deadlocks."""
    if connection.dialect.name != "postgresql":
        return
    keys = sorted({_key_of(name) for name in names})
    if keys:
        connection.execute(_ACQUIRE, {"keys": keys})


def _key_of(name: str) -> int:
    """The 64-bit key of a name. Two names with the same key only wait for each other."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)
