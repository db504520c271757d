"""``python -m tests.crash before|after WORK serve …``: the service, killed at a named point of its way.

WORK is the name of a function handed to the store's doors; the process kills itself right before that work would be
written, or right after its commit and before anybody hears of it.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import receiver.main
from receiver.__main__ import main
from receiver.store.database import Database


class DeadlyDatabase:
    """A database that fulfils the port and dies with its process at the named work."""

    def __init__(self, inner: Database, when: str, work_name: str) -> None:
        self._inner = inner
        self._when = when
        self._work_name = work_name
        self.dialect = inner.dialect

    async def read(self, work: Callable[..., Any], *args: Any) -> Any:
        return await self._inner.read(work, *args)

    async def write(self, work: Callable[..., Any], *args: Any) -> Any:
        self._die("before", work)
        result = await self._inner.write(work, *args)
        self._die("after", work)
        return result

    async def write_together(self, work: Callable[..., Any], row: Any) -> Any:
        self._die("before", work)
        result = await self._inner.write_together(work, row)
        self._die("after", work)
        return result

    async def close(self) -> None:
        await self._inner.close()

    def _die(self, when: str, work: Callable[..., Any]) -> None:
        if (when, work.__name__) == (self._when, self._work_name):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    when, work_name = sys.argv[1:3]
    del sys.argv[1:3]
    open_database = receiver.main.open_database
    receiver.main.open_database = lambda url: DeadlyDatabase(open_database(url), when, work_name)  # type: ignore[assignment]
    main()
