"""How long Slack waits for the answer to a press while the source hangs and every commit is slow.

The presses are sent by a process of its own (``python -m tests.bench.clicks``): the stand-ins have this one's time.
"""

import asyncio
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from casebell_sandbox import slack_payloads as payloads
from tests.bench.load import Measured, measure, post
from tests.harness import ROOT, World, eventually, world
from tests.postgres import own_server

DISPUTES, PRESSES, PRESSES_PER_S = 50, 500, 20
SOURCE_S = 5.0
COMMIT_S = 0.05
PATH = "/slack/interactions"


def clicks(folder: Path) -> None:
    """On SQLite, whose writer waits before each commit."""
    fault = folder / "fault"
    with world(folder, is_started=False, getbill_poll="1h", debitura_poll="1h") as here:
        here.service.start(str(fault), module="tests.broken")
        _measured("SQLite", here, folder, lambda: fault.write_text(f"slow {COMMIT_S}"))


def clicks_postgresql(folder: Path) -> None:
    """On PostgreSQL, which waits before each commit."""
    waits = {"commit_delay": str(int(COMMIT_S * 1e6)), "commit_siblings": "0"}
    with own_server(fsync="on", **waits) as server:
        url = server.url("postgres")
        with world(folder, getbill_poll="1h", debitura_poll="1h", database_url=url) as here:
            _measured("PostgreSQL", here, folder, lambda: None)


def _measured(name: str, here: World, folder: Path, slow_down: Callable[[], object]) -> None:
    for n in range(DISPUTES):
        here.dispute(reference=f"INV-BENCH-{n:05}")
    eventually(lambda: len(here.posts("C0DISPUTES")) >= DISPUTES, "every dispute to be in Slack", 120)
    here.getbill.faults.hang_s = SOURCE_S
    slow_down()
    sent = folder / "presses"
    sent.write_bytes(pickle.dumps((int(here.service.url.rpartition(":")[2]), list(_presses(here)))))
    command = [sys.executable, "-m", "tests.bench.clicks", str(sent)]
    took: Measured = pickle.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)
    here.getbill.faults.hang_s = 0.0
    print(
        f"answer to a press, {name}, source {SOURCE_S:.0f} s, commits {1000 * COMMIT_S:.0f} ms slower: "
        f"median {took.quantile_ms(0.5):.0f} ms, p99 {took.quantile_ms(0.99):.0f} ms, "
        f"{len(took.latencies_s)} presses at {took.per_s:.0f}/s, bad {took.bad}"
    )


def _presses(here: World) -> Iterator[bytes]:
    """Half decide, which is stored before the answer; half open a form."""
    people = [here.slack.users["U0ANNA"], here.slack.users["U0BEN"]]
    messages = here.posts("C0DISPUTES")
    for n in range(PRESSES):
        message, user = messages[n % len(messages)], people[n % 2]
        verb = ("validate", "reject")[n // len(messages) % 2]
        pressed = payloads.action(message.blocks, verb, None, f"{time.time() + n / 1e3:.6f}")
        told = payloads.block_actions(
            user, here.slack.channels["C0DISPUTES"], message.shown(), pressed,
            trigger_id=here.slack.new_ticket(user["id"]), response_url="http://127.0.0.1:9/", is_ephemeral=False,
        )  # fmt: skip
        body, headers = payloads.sign_form(told, here.slack.signing_secret, time.time())
        yield post(PATH, body, headers)


async def _steadily(port: int, presses: list[bytes]) -> Measured:
    """Each at its time on a connection of its own, whether or not those before it were answered."""
    began, under_way = time.perf_counter(), []
    for n, one in enumerate(presses):
        await asyncio.sleep(max(0.0, began + n / PRESSES_PER_S - time.perf_counter()))
        under_way.append(asyncio.create_task(measure("127.0.0.1", port, 1, [one])))
    each = await asyncio.gather(*under_way)
    took = time.perf_counter() - began
    return Measured(len(each) / took, sorted(s for one in each for s in one.latencies_s), sum(one.bad for one in each))


if __name__ == "__main__":
    port, presses = pickle.loads(Path(sys.argv[1]).read_bytes())
    sys.stdout.buffer.write(pickle.dumps(uvloop.run(_steadily(port, presses))))
