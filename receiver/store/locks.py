"""Locks by name that last until the transaction ends: how two replicas change the same thing one after the other.

PostgreSQL's advisory locks also cover what is not in a table yet. SQLite has one writer; there nothing has to be held.
"""

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import Connection, text

_HOLD = text("SELECT pg_advisory_xact_lock(number) FROM unnest(CAST(:numbers AS bigint[])) AS number")


def hold(connection: Connection, names: Iterable[str]) -> None:
    """Wait until nobody else holds any of these names, then hold them all; always in one order, so never in a ring."""
    if connection.dialect.name != "postgresql":
        return
    numbers = sorted({number_of(name) for name in names})
    if numbers:
        connection.execute(_HOLD, {"numbers": numbers})


def number_of(name: str) -> int:
    """The 64 bits that stand for a name. Two names with the same ones only wait for each other."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), signed=True)
