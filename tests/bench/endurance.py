"""What it costs to be there, to go on for long, and to have stored much."""

import os
import statistics
import threading
import time
from pathlib import Path

import sqlalchemy as sa
import uvloop

from casebell_sandbox.getbill import GetbillStand
from receiver.store.database import open_database
from receiver.store.schema import event, outbox
from tests.bench.load import Measured, measure
from tests.bench.receiving import requests, service_alone
from tests.faults.ledger import Ledger
from tests.harness import Service, World, eventually, world
from tests.postgres import own_server

IS_LONG = os.environ.get("CASEBELL_BENCH") == "long"
IDLE_S = 20.0
LOAD_S = 3_600.0 if IS_LONG else 60.0
LOAD_PER_S = 20
STORED = (1_000, 10_000, 100_000, *((1_000_000,) if IS_LONG else ()))
ROUNDS = 3
RECEIVERS = 8
DISPUTES = 150
IN_ONE_INSERT = 10_000


def cpu_s(service: Service) -> float:
    """Seconds of processor that the service has used."""
    fields = Path(f"/proc/{service.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(folder: Path) -> None:
    """A service that has nothing to do, its sources polled as the demo does."""
    with world(folder, getbill_poll="30s", debitura_poll="30s") as here:
        time.sleep(5)
        before = cpu_s(here.service)
        time.sleep(IDLE_S)
        share = (cpu_s(here.service) - before) / IDLE_S
        print(f"idle: {share:.2%} of a core, {here.service.resident_bytes() / 1e6:.0f} MB resident")


def deliveries(folder: Path, database_url: str | None = None) -> None:
    """Mails a second once they are all due: the outbox, the rendering and SMTP."""
    configuration = {"database_url": database_url} if database_url else {}
    with world(folder, is_started=False, replicas=1, **configuration) as here:
        _mail_only(here)
        for n in range(DISPUTES):
            here.getbill.add("portal_dispute", reference=f"INV-BENCH-{n:05}")
        here.service.start()
        expected = DISPUTES * RECEIVERS
        eventually(lambda: len(here.mail.messages) > expected / 10, "the first mails", 120)
        began, n, used = time.monotonic(), len(here.mail.messages), cpu_s(here.service)
        eventually(lambda: len(here.mail.messages) >= expected, "every mail", 300)
        took, sent, used = time.monotonic() - began, expected - n, cpu_s(here.service) - used
    name = "PostgreSQL" if database_url else "SQLite"
    print(f"deliveries, {name}: {sent / took:.0f} mails/s, {1000 * used / sent:.1f} ms of our processor each")


def deliveries_postgresql(folder: Path) -> None:
    """The same on PostgreSQL, on this machine too."""
    with own_server(fsync="on") as server:
        deliveries(folder, server.url("postgres"))


def _mail_only(here: World) -> None:
    text = here.service.config.read_text()
    everybody = ", ".join(f'"ar{n}@creditor.example"' for n in range(RECEIVERS))
    text = text.replace('slack    = ["C0DISPUTES"]\nemail    = ["ar@creditor.example"]', f"email = [{everybody}]", 1)
    here.service.config.write_text(text.replace("mails_per_second = 200.0", "mails_per_second = 1000.0"))


def growth(folder: Path) -> None:
    """Memory after a while of disputes, against memory once it was warm."""
    with world(folder, getbill_poll="1h") as here:
        here.getbill.access.reads.limit = 10_000_000
        ledger, stop = Ledger(here), threading.Event()
        sender = threading.Thread(target=ledger.send_until, args=(stop, 1 / LOAD_PER_S))
        sender.start()
        time.sleep(LOAD_S / 4)
        warm = here.service.resident_bytes()
        time.sleep(LOAD_S * 3 / 4)
        end = here.service.resident_bytes()
        stop.set()
        sender.join()
    print(
        f"memory: {warm / 1e6:.0f} MB after {LOAD_S / 4:.0f} s, {end / 1e6:.0f} MB after {LOAD_S:.0f} s and "
        f"{len(ledger.acknowledged)} disputes, ratio {end / warm:.2f}"
    )


def stored(folder: Path, database_url: str | None = None) -> None:
    """Webhooks while more and more events are kept, against the same route without the store."""
    url = database_url or f"sqlite:///{folder / 'casebell.db'}"
    name = "PostgreSQL" if database_url else "SQLite"
    stand, there = GetbillStand(), 0
    for goal in STORED:
        uvloop.run(_fill(url, there, goal))
        there = goal
        service = service_alone(folder, url)
        port = int(service.url.rpartition(":")[2])
        found: list[Measured] = []
        ratios = []
        for turn in range(ROUNDS):
            first = goal * 10 + turn * 1_000_000_000
            kept = uvloop.run(measure("127.0.0.1", port, 32, requests(stand, "/webhooks/getbill/main", first)))
            plain = uvloop.run(measure("127.0.0.1", port, 32, requests(stand, "/yardstick/getbill/main", first)))
            found.append(kept)
            ratios.append(kept.per_s / plain.per_s)
        service.stop()
        best = max(found, key=lambda one: one.per_s)
        print(
            f"{name}, {goal:9,} events kept: {best.per_s:6.0f}/s at 32 connections, "
            f"median {best.quantile_ms(0.5):.1f} ms, "
            f"p99 {best.quantile_ms(0.99):.1f} ms, ratio {statistics.median(ratios):.2f}"
        )


def stored_postgresql(folder: Path) -> None:
    """The same on PostgreSQL, on this machine too."""
    with own_server(fsync="on", autovacuum="on") as server:
        stored(folder, server.url("postgres"))


async def _fill(url: str, first: int, end: int) -> None:
    """Events that were understood long ago, and a delivery for each."""
    database = open_database(url)
    for start in range(first, end, IN_ONE_INSERT):
        await database.write(_insert, range(start, min(start + IN_ONE_INSERT, end)), database.now())
    await database.close()


def _insert(connection: sa.Connection, numbers: range, now: object) -> None:
    body = b'{"id": "evt", "filler": "' + b"x" * 400 + b'"}'
    connection.execute(
        sa.insert(event),
        [
            {"source": "getbill", "account": "main", "event_id": f"kept:{n}", "headers": "{}", "body": body,
             "state": "done", "received_at": now, "due_at": now, "done_at": now}
            for n in numbers
        ],
    )  # fmt: skip
    connection.execute(
        sa.insert(outbox),
        [
            {"destination": f"slack:C{n % 50}", "what": "show", "payload": "{}", "state": "done", "due_at": now,
             "created_at": now, "done_at": now}
            for n in numbers
        ],
    )  # fmt: skip
