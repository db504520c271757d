"""``python -m tests.traced TRACE serve …``: the service; writes down each core function at its first entry.

TRACE is a file of lines ``module.function``, in the order of their first entries. Removing the file begins a new trace.
The core: domain, pipeline, ports and context.
"""

import argparse
import sys
import threading
from pathlib import Path
from types import FrameType

import uvloop

import receiver
from receiver.app import serve
from receiver.settings import load

ROOT = Path(receiver.__file__).parent
CORE = tuple(str(ROOT / name) for name in ("domain", "pipeline", "ports.py", "context.py"))


class Tracer:
    def __init__(self, trace: Path) -> None:
        self._trace = trace
        self._entered: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(CORE):
            return
        module = ".".join(Path(code.co_filename).relative_to(ROOT).with_suffix("").parts)
        self._write(f"{module}.{code.co_qualname}")

    def _write(self, name: str) -> None:
        if not self._trace.exists():
            self._entered.clear()
        if name not in self._entered:
            self._entered.add(name)
            with self._trace.open("a") as trace:
                trace.write(f"{name}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for word in ("trace", "command"):
        parser.add_argument(word)
    parser.add_argument("--port", type=int)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args()
    tracer = Tracer(Path(given.trace))
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    uvloop.run(serve(load(given.config), "127.0.0.1", given.port))
