"""LISTEN and NOTIFY: a wake-up on one replica wakes the loops of the others. Only a hint.

A loop that misses a notification finds its work at the next poll. A notification is a transaction of its own that
writes nothing: NOTIFY in a writing transaction would serialize all commits of the server.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, text

from receiver.observability import log

if TYPE_CHECKING:
    from psycopg import AsyncConnection

CHANNEL = "casebell"
CHECK_AFTER_S = 30.0  # of silence, then the connection is checked
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
_NOTIFY = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS payload")


def notify(connection: Connection, me: str, names: Collection[str]) -> None:
    """Wake the loops of these names on the other replicas, at the commit. ``me``: this replica, which ignores it."""
    connection.execute(_NOTIFY, {"channel": CHANNEL, "payloads": [f"{me} {name}" for name in sorted(names)]})


async def listen(url: URL, connect_args: Mapping[str, str], me: str, on_notify: Callable[[str], None]) -> None:
    """Call ``on_notify`` with each wake-up of another replica, until cancelled. Reconnects when the connection is lost.

    ``connect_args``: libpq parameters that the address does not set.
    """
    import psycopg  # a service on SQLite does not load it

    _, address = url.get_dialect()().create_connect_args(url)
    parameters = {**connect_args, **address}
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as session:
                await session.execute(f"LISTEN {CHANNEL}")
                pause_s = FIRST_PAUSE_S
                await _receive(session, me, on_notify)
        except (psycopg.Error, OSError) as error:
            log.warning("store.listen.lost", reason=type(error).__name__)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _receive(session: "AsyncConnection[Any]", me: str, on_notify: Callable[[str], None]) -> None:
    while True:
        async for notify in session.notifies(timeout=CHECK_AFTER_S):
            sender, _, name = notify.payload.partition(" ")
            if sender != me:
                on_notify(name)
        async with asyncio.timeout(CHECK_AFTER_S):
            await session.execute("SELECT 1")
