"""What is rung on one replica wakes the loops of the others: LISTEN and NOTIFY, only ever a hint.

Whoever misses one finds the work at the next look. A hint is a transaction of its own that writes nothing: inside the
one that stores, NOTIFY would make all commits of the server wait for each other.
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
LOOK_AFTER_S = 30.0  # of silence: is the line still there?
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
_TELL = text("SELECT pg_notify(:channel, said) FROM unnest(CAST(:said AS text[])) AS said")


def tell(connection: Connection, me: str, names: Collection[str]) -> None:
    """Wake these loops on the other replicas, at the commit."""
    connection.execute(_TELL, {"channel": CHANNEL, "said": [f"{me} {name}" for name in sorted(names)]})


async def listen(url: URL, reaching: Mapping[str, str], me: str, heard: Callable[[str], None]) -> None:
    """Call ``heard`` with each wake-up of another replica, for ever; a lost connection is made anew.

    ``reaching``: how to connect, beside what the address says.
    """
    import psycopg  # a service on SQLite does not load it

    _, address = url.get_dialect()().create_connect_args(url)
    words = {**reaching, **address}
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**words, autocommit=True) as line:
                await line.execute(f"LISTEN {CHANNEL}")
                pause_s = FIRST_PAUSE_S
                await _hear(line, me, heard)
        except (psycopg.Error, OSError) as error:
            log.warning("hints.line.lost", reason=type(error).__name__)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _hear(line: "AsyncConnection[Any]", me: str, heard: Callable[[str], None]) -> None:
    while True:
        async for notify in line.notifies(timeout=LOOK_AFTER_S):
            who, _, name = notify.payload.partition(" ")
            if who != me:
                heard(name)
        async with asyncio.timeout(LOOK_AFTER_S):
            await line.execute("SELECT 1")
