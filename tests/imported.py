"""What every process of Casebell imports, imported once in the server that forks them (``tests/forked.py``)."""

import gc
import importlib

from receiver.cli import FAMILIES

LATE = ("anyio._backends._asyncio", "encodings.idna", "holidays.countries", "httpcore", "casebell_sandbox.demo",
        "casebell_sandbox.server", "rich.console", "rich.progress", "rich.table", "uvicorn.lifespan.on")  # fmt: skip
LAUNCHERS = ("tests.broken.__main__", "tests.crash.__main__", "tests.newer.__main__")

for name in (*FAMILIES, *LATE, *LAUNCHERS):
    importlib.import_module(name)

gc.freeze()  # what was imported is shared for ever: no collection in a child touches it
