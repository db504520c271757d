"""``python -m tests.crash before|after WORK ARMED serve …``: the service, killed at a named point of its way.

WORK is the module and name of a function handed to the store's doors, such as ``events.append``; once the file ARMED
exists, the process kills itself right before that work would be written, or right after its commit and before anybody
hears of it. Work that found nothing to do is not counted.
"""

import argparse
import os
import signal
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop

from receiver.app import serve
from receiver.settings import load
from receiver.store.database import Database


class DeadlyDatabase:
    """A database that fulfils the port and dies with its process at the named work."""

    def __init__(self, inner: Database, when: str, work_name: str, armed: Path) -> None:
        self._inner = inner
        self._when = when
        self._work_name = work_name
        self._armed = armed
        self.dialect = inner.dialect

    def now(self) -> datetime:
        return self._inner.now()

    async def read(self, work: Callable[..., Any], *args: Any) -> Any:
        return await self._inner.read(work, *args)

    async def write(self, work: Callable[..., Any], *args: Any) -> Any:
        self._die("before", work)
        result = await self._inner.write(work, *args)
        self._die("after", work, result)
        return result

    async def write_batched(self, work: Callable[..., Any], row: Any) -> Any:
        self._die("before", work)
        result = await self._inner.write_batched(work, row)
        self._die("after", work, result)
        return result

    async def notify_replicas(self, me: str, names: Collection[str]) -> None:
        await self._inner.notify_replicas(me, names)

    async def listen(self, me: str, heard: Callable[[str], None]) -> None:
        await self._inner.listen(me, heard)

    async def close(self) -> None:
        await self._inner.close()

    def _die(self, when: str, work: Callable[..., Any], result: Any = None) -> None:
        function = getattr(work, "func", work)  # of a partial
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        if (when, name) == (self._when, self._work_name) and _did_something(result) and self._armed.exists():
            os.kill(os.getpid(), signal.SIGKILL)


def _did_something(result: Any) -> bool:
    return result != [] and getattr(result, "claimed", True) != []


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for word in ("when", "work_name", "armed", "command"):
        parser.add_argument(word)
    parser.add_argument("--port", type=int)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args()

    def deadly(database: Database) -> Database:
        return DeadlyDatabase(database, given.when, given.work_name, Path(given.armed))

    uvloop.run(serve(load(given.config), "127.0.0.1", given.port, wrap=deadly))
