"""What comparing 100,000 open tasks takes of us: ``python -m tests.bench.reconcile CONFIG`` in a process of its own.

The sandbox runs in the process that starts this one, so that its work is not counted as ours.
"""

import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from sqlalchemy import Connection, func, select

from casebell_sandbox import debitura_cases as shapes
from casebell_sandbox.debitura import DebituraStand
from receiver.app import open_adapters, prepare_interpreter
from receiver.context import Adapters
from receiver.settings import load
from receiver.store.schema import history, item, outbox
from receiver.sync.reconcile import reconcile

TASKS, CASES = 100_000, 1_000


def fill(stand: DebituraStand) -> None:
    """``TASKS`` open tasks on ``CASES`` cases, put there without the stand-in's own slower way of making one."""
    cases = [stand.add_case() for _ in range(CASES)]
    now, kinds = datetime.now(UTC), [*shapes.TYPES]
    for window in stand.windows:
        window.limit = 10 * TASKS
    for n in range(TASKS):
        task = shapes.new_task(kinds[n % len(kinds)], cases[n % CASES], now, has_template=False)
        stand._tasks[task["id"]] = task


def _stored(connection: Connection) -> tuple[int, int, int]:
    count = [
        connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (item, history, outbox)
    ]
    return count[0], count[1], count[2]


async def measure(config: Path) -> list[dict[str, float]]:
    """Two passes as the service runs them: CPU and clock in seconds, MB at most so far, and what was written."""
    async with open_adapters(load(config)) as adapters:
        prepare_interpreter()
        return [await _sync(adapters) for _ in range(2)]


async def _sync(adapters: Adapters) -> dict[str, float]:
    before = await adapters.database.read(_stored)
    written = _bytes_written()
    started, cpu = time.perf_counter(), time.process_time()
    await reconcile(adapters, adapters.upstreams["debitura", "main"])
    took = {"cpu_s": time.process_time() - cpu, "took_s": time.perf_counter() - started}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    after = await adapters.database.read(_stored)
    return {
        **took,
        "peak_mb": peak_mb,
        "rows": sum(after) - sum(before),
        "written_kb": (_bytes_written() - written) / 1000,
    }


def _bytes_written() -> int:
    """What this process handed to the disk; 0 where the system does not tell."""
    told = Path("/proc/self/io")
    return int(dict(line.split(": ") for line in told.read_text().splitlines())["wchar"]) if told.exists() else 0


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(Path(sys.argv[1])))))
