"""5,000 events in ten minutes: how many reads they cost, how soon everything is told, and what is left for people.

The real inbox and the real loops' work over a client whose clock is moved by hand; the stand-in keeps Getbill's limits.
"""

import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notifiers.teller import Teller
from receiver.desk import Desk, inbox_bell
from receiver.domain.people import People
from receiver.domain.token import Tokens
from receiver.ingest import drain
from receiver.observe import Metrics
from receiver.reconcile import reconcile_quietly
from receiver.sandbox.getbill import GetbillStand
from receiver.store import inbox, items
from receiver.store.database import Database, open_database
from receiver.store.inbox import Arrival
from receiver.upstream.getbill.budget import READ, WRITE
from receiver.upstream.getbill.client import Getbill
from tests.getbill_side import Watch, client_of, key, order

pytestmark = pytest.mark.anyio

EVENTS, MINUTES, STEP_S = 5_000, 10, 5
STEPS = MINUTES * 60 // STEP_S


@dataclass
class Burst:
    """A service under events; ``opened_s``: how long each todo took from its event to its item."""

    watch: Watch
    stand: GetbillStand
    getbill: Getbill
    desk: Desk
    came_at: dict[str, Any] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    opened_s: list[float] = field(default_factory=list)
    polls: Counter[bool] = field(default_factory=Counter)
    _polled_at: Any = None

    async def event(self, todo: dict[str, Any], n: int) -> None:
        self.came_at.setdefault(key(todo), self.watch())
        arrival = Arrival("getbill", "main", f"e{n}", {}, self.stand.event(todo), self.watch())
        await self.desk.database.write_together(inbox.append, arrival)

    async def step(self, seconds: float = STEP_S) -> None:
        """Some seconds: what the loops of ``worker.py`` would do in them."""
        self.watch.move(seconds=seconds)
        now = self.watch()
        if self._polled_at is None or now - self._polled_at >= timedelta(seconds=self.getbill.poll_every_s):
            self._polled_at = now
            self.polls[await reconcile_quietly(self.desk, self.getbill)] += 1
        hold = self.desk.holds.get(inbox_bell("getbill", "main"))
        if hold is None or now >= hold.until:
            await drain(self.desk, "getbill", "main")
        for new in {*await self.desk.database.read(items.open_keys, "getbill", "main")} - self.seen:
            self.seen.add(new)
            self.opened_s.append((now - self.came_at[new]).total_seconds())

    async def waiting(self) -> int:
        return (await self.desk.database.read(inbox.counts)).get("new", 0)

    def reads(self) -> Counter[str]:
        def what(path: str) -> str:
            return "list" if path.endswith("/todos") else "debt" if "/debts/" in path else "todo"

        return Counter(what(call.path) for call in self.stand.faults.calls if call.method == "GET")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'burst.db'}")
    yield opened
    await opened.close()


@pytest.fixture
def burst(database: Database) -> Burst:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    stand.faults.calls = deque(maxlen=100_000)
    getbill = client_of(stand.app, watch)
    desk = Desk(database, (), People(), Tokens(["x" * 32]), Teller(), Metrics(), "http://x", now=watch)
    desk.upstreams = {("getbill", "main"): getbill}
    return Burst(watch, stand, getbill, desk)


@pytest.mark.parametrize("about", [EVENTS, 200], ids=["each about another todo", "all about two hundred"])
async def test_a_burst_is_answered_by_looks_at_the_list_within_the_allowance(
    burst: Burst, about: int, record_property: Any
) -> None:
    todos: list[dict[str, Any]] = []
    for step in range(1, STEPS + 1):
        for n in range(len(todos), EVENTS * step // STEPS):
            todos.append(burst.stand.add("portal_dispute") if n < about else todos[n % about])
            await burst.event(todos[n], n)
        await burst.step()
    until_done_s = 0
    while await burst.waiting() and until_done_s < 3_600:
        await burst.step()
        until_done_s += STEP_S
    in_the_burst = burst.reads()
    decided = await burst.getbill.carry_out(order(todos[0]))
    for _ in range(45):
        await burst.step(60)

    figures = {
        "reads in the burst": dict(in_the_burst),
        "reads in the hour": burst.reads().total(),
        "slowest s": max(burst.opened_s),
        "median s": sorted(burst.opened_s)[len(burst.opened_s) // 2],
        "queue empty after s": until_done_s,
        "polls heard out, put off": (burst.polls[True], burst.polls[False]),
        "left": (burst.getbill.budget.remaining(READ), burst.getbill.budget.remaining(WRITE)),
    }
    record_property("figures", json.dumps(figures))
    assert len(burst.opened_s) == about
    assert in_the_burst.total() <= 950, figures
    assert in_the_burst["todo"] + in_the_burst["debt"] < EVENTS / 5, figures
    assert max(burst.opened_s) <= 60, figures
    assert until_done_s <= 300, figures
    assert burst.polls[True] >= 4, figures
    assert decided
