"""``make bench``: figures of this machine, as ratios within one run. Absolute numbers move with the machine.

``ARGS="idle growth"`` measures only these; ``CASEBELL_BENCH=long``: an hour of load, and a million events kept.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from casebell_sandbox.demo import write_configuration
from casebell_sandbox.getbill import GetbillStand
from casebell_sandbox.server import SandboxThread
from tests.bench import reconcile as reconciling
from tests.bench.clicks import clicks, clicks_postgresql
from tests.bench.digest import OPEN, RESOLVED, fill
from tests.bench.endurance import deliveries, deliveries_postgresql, growth, idle, stored, stored_postgresql
from tests.bench.load import Measured, measure
from tests.bench.receiving import REQUESTS, requests, service_alone
from tests.flood import ROUTES, flood_on
from tests.harness import ROOT, Service, World, eventually, world
from tests.office import office
from tests.postgres import own_server

ROUNDS = 5
EVENTS, EVENTS_PER_S = 200, 20
DISPUTES = 5_000


def webhooks_postgresql(folder: Path) -> None:
    """The same on PostgreSQL, on this machine too."""
    with own_server(fsync="on") as server:
        webhooks(folder, server.url("postgres"))


def webhooks(folder: Path, database_url: str | None = None) -> None:
    """Durable webhooks against the same route without the store, in turns."""
    stand = GetbillStand()
    service = service_alone(folder, database_url)
    try:
        for connections in (1, 32, 256):
            plain, durable = _in_turns(stand, service, connections)
            ratio = statistics.median(d.per_s / p.per_s for d, p in zip(durable, plain, strict=True))
            best = max(durable, key=lambda m: m.per_s)
            print(
                f"webhooks, {connections:3} connections: stored {best.per_s:6.0f}/s, "
                f"p99 {best.quantile_ms(0.99):6.1f} ms, verified only {max(p.per_s for p in plain):6.0f}/s, "
                f"ratio {ratio:.2f}, bad {sum(m.bad for m in durable)}"
            )
    finally:
        service.stop()


def _in_turns(stand: GetbillStand, service: Service, connections: int) -> tuple[list[Measured], list[Measured]]:
    port = int(service.url.rpartition(":")[2])
    plain: list[Measured] = []
    durable: list[Measured] = []
    for turn in range(ROUNDS):
        first = (connections * 100 + turn) * REQUESTS
        for path, kept in (("/yardstick/getbill/main", plain), ("/webhooks/getbill/main", durable)):
            sent = requests(stand, path, first)
            kept.append(uvloop.run(measure("127.0.0.1", port, connections, sent)))
    return plain, durable


def way(folder: Path) -> None:
    """From the webhook's arrival to Slack's stand-in seeing the message, at a steady rate."""
    with world(folder, is_started=False, getbill_poll="15s", debitura_poll="2s") as here:  # as in the demo
        here.getbill.access.reads.limit = 1_000_000  # Getbill's hourly allowance is not what is measured here
        text = here.service.config.read_text()
        here.service.config.write_text(text.replace("[[getbill]]", "[[getbill]]\nreads_per_hour = 1000000", 1))
        here.service.start()
        took = asyncio.run(_steadily(here))
    print(
        f"webhook to Slack, {EVENTS_PER_S}/s: median {1000 * statistics.median(took):.0f} ms, "
        f"p99 {1000 * took[int(len(took) * 0.99)]:.0f} ms, {len(took)} of {EVENTS} seen"
    )


async def _steadily(here: World) -> list[float]:
    sent: dict[str, float] = {}
    for n in range(EVENTS):
        todo = here.getbill.add("portal_dispute", reference=f"INV-BENCH-{n:05}")
        sent[f"INV-BENCH-{n:05}"] = time.time()
        await asyncio.to_thread(here.getbill_event, here.getbill.event(todo))
        await asyncio.sleep(max(0.0, sent[f"INV-BENCH-{n:05}"] + 1 / EVENTS_PER_S - time.time()))
    eventually(lambda: len(here.posts("C0DISPUTES")) >= EVENTS, "every dispute to be in Slack", 60)
    return sorted(_latencies(here, sent))


def _latencies(here: World, sent: dict[str, float]) -> list[float]:
    """From the call's own clock: a message's ts is only good to the second."""
    found = []
    for call in here.slack.faults.calls:
        if call.path.endswith("chat.postMessage"):
            reference = next((r for r in sent if r.encode() in call.body), None)
            if reference:
                found.append(call.at.timestamp() - sent[reference])
    return found


def digest(folder: Path) -> None:
    """One digest of 10,000 open items and as many resolved ones. Target: under 2 s and 150 MB."""
    path = folder / "casebell.db"
    asyncio.run(fill(path))
    command = [sys.executable, "-m", "tests.bench.digest", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)
    print(
        f"digest of {OPEN} open and {RESOLVED} resolved items: counted in {found['built_s']:.2f} s, "
        f"drawn in {found['took_s'] - found['built_s']:.2f} s, {found['peak_mb']:.0f} MB at most, "
        f"a mail of {found['bytes'] / 1000:.0f} kB"
    )


def reconcile(folder: Path) -> None:
    """100,000 open tasks, all new and then all known. Target: 10 s and 3 s of processor time, 300 MB."""
    with SandboxThread() as stand_ins:
        reconciling.fill(stand_ins.sandbox.debitura)
        config = write_configuration(
            folder, public_url="http://127.0.0.1:9", sandbox_url=stand_ins.url, smtp_port=stand_ins.smtp_port
        )
        command = [sys.executable, "-m", "tests.bench.reconcile", str(config)]
        told = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, text=True).stdout
    for name, took in zip(("all new", "all known"), json.loads(told.splitlines()[-1]), strict=True):
        print(
            f"{reconciling.TASKS} open tasks, {name}: {took['cpu_s']:.1f} s of our own CPU, "
            f"{took['took_s']:.1f} s in all, {took['peak_mb']:.0f} MB at most so far, "
            f"{took['rows']:.0f} rows more, {took['written_kb'] / 1000:.0f} MB written"
        )


def burst(folder: Path) -> None:
    """5,000 disputes in two minutes at Getbill with a restart amid them: at most 300 of its reads."""
    asyncio.run(_burst(folder))


async def _burst(folder: Path) -> None:
    async with office(folder, ROUTES) as here:
        flood, began_s = flood_on(here), time.process_time()
        took_s = await flood.come(DISPUTES, DISPUTES)
        print(
            f"burst of {flood.n_events} disputes: {flood.reads()} reads, all known {took_s:.0f} s after the last, "
            f"{time.process_time() - began_s:.1f} s of processor time, stand-ins included"
        )


BENCHES: dict[str, Callable[[Path], None]] = {
    "webhooks": webhooks,
    "webhooks-postgresql": webhooks_postgresql,
    "clicks": clicks,
    "clicks-postgresql": clicks_postgresql,
    "way": way,
    "deliveries": deliveries,
    "deliveries-postgresql": deliveries_postgresql,
    "idle": idle,
    "growth": growth,
    "stored": stored,
    "stored-postgresql": stored_postgresql,
    "digest": digest,
    "reconcile": reconcile,
    "burst": burst,
}

if __name__ == "__main__":
    Service.is_forked = False
    for name in sys.argv[1:] or BENCHES:
        with tempfile.TemporaryDirectory(prefix="casebell-bench-") as made:
            BENCHES[name](Path(made))
