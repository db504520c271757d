"""Very many disputes in two minutes at Getbill, for the test and the benchmark of a burst.

The real inbox, outbox and dispatcher on a clock that is moved by hand. The stand-in counts reads in a sliding hour as
Getbill does, and its list grows while it is read. Somebody restarts the service in the middle.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from starlette.types import Receive, Scope, Send

from casebell_sandbox.getbill import GetbillStand
from receiver.context import Adapters, SyncState, Wakeups, events_wakeup
from receiver.jobs.reconciler import Reconciler
from receiver.pipeline.deliver.claims import Dispatcher
from receiver.pipeline.ingest import drain
from receiver.store import events, items
from receiver.store.events import Arrival
from receiver.sync.reconcile import try_reconcile
from receiver.upstream.getbill.client import Getbill
from tests.getbill_side import client_of, key
from tests.office import Office

STEP_S = 5
STEPS = 2 * 60 // STEP_S
OVER = 5
ROUTES = f"""
[[routes]]
name     = "francs"
match    = {{ currency = ["CHF"] }}
slack    = ["C0TASKS"]
burst    = {{ over = {OVER}, within = "1m" }}
continue = true

[[routes]]
name  = "all"
slack = ["C0DISPUTES"]
burst = {{ over = {OVER}, within = "1m" }}
"""


@dataclass
class Flood:
    """A service under events; todos come between the pages of a list too, and their events a moment later."""

    here: Office
    stand: GetbillStand
    adapters: Adapters = field(init=False)
    getbill: Getbill = field(init=False)
    todos: list[dict[str, Any]] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    is_growing: bool = False
    n_events: int = 0
    _told: int = 0
    _unannounced: list[dict[str, Any]] = field(default_factory=list)

    def start(self) -> None:
        """A process begins: it has nothing but the store."""
        self.getbill = client_of(self._app, self._now, observe=self._observe)  # type: ignore[arg-type]
        upstreams = {("getbill", "main"): self.getbill}
        self.adapters = replace(self.here.adapters, upstreams=upstreams, sync=SyncState(), wakeups=Wakeups())

    def _now(self) -> datetime:
        return self.here.at

    def _observe(self, _operation: str, status: str, _headers: Any) -> None:
        self.statuses[status] += 1

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.is_growing and scope["path"].endswith("/todos"):
            self.add(currency="EUR")
        await self.stand.app(scope, receive, send)

    def add(self, about: int | None = None, **fields: Any) -> None:
        """An event is on its way, about a new todo or, once there are ``about`` of these, about one of them again."""
        if about is not None and len(self.todos) >= about:
            self._unannounced.append(self.todos[self.n_events % about])
        else:
            self.todos.append(self.stand.add("portal_dispute", **fields))
            self._unannounced.append(self.todos[-1])
        self.n_events += 1

    async def step(self, seconds: float = STEP_S) -> None:
        """Some seconds: what the loops of ``worker.py`` would do in them."""
        wait_unannounced, self._unannounced = self._unannounced, []
        for todo in wait_unannounced:
            self._told += 1
            arrival = Arrival("getbill", "main", f"id:e-{self._told}", {}, self.stand.event(todo), self._now())
            await self.adapters.database.write_batched(events.append, arrival)
        self.here.at += timedelta(seconds=seconds)
        if await Reconciler(self.adapters, self.getbill).delay_s() == 0:
            await try_reconcile(self.adapters, self.getbill)
        hold = self.adapters.sync.paused.get(events_wakeup("getbill", "main"))
        while hold is None or self._now() >= hold.until:
            if not await drain(self.adapters, "getbill", "main"):
                break
            hold = self.adapters.sync.paused.get(events_wakeup("getbill", "main"))
        dispatcher = Dispatcher(self.adapters)
        await dispatcher.dispatch_due()
        await dispatcher.drain(30)

    async def until(self, is_done: Callable[[], Any], most_s: float) -> float:
        """Seconds that it took; fails when it takes longer."""
        began_at = self._now()
        while not await is_done():
            assert (self._now() - began_at).total_seconds() < most_s, await self.unknown()
            await self.step()
        return (self._now() - began_at).total_seconds()

    async def unknown(self) -> int:
        known = await self.adapters.database.read(items.list_open_keys, "getbill", "main")
        return len({key(todo) for todo in self.todos} - {*known})

    async def is_at_rest(self) -> bool:
        return not (await self.adapters.database.read(events.counts)).get("new", 0) and not await self.unknown()

    async def n_with_currency(self) -> int:
        found = await self.adapters.database.read(lambda connection: list(items.list_items(connection)))
        return sum(one.snapshot.amount is not None and one.snapshot.amount.currency is not None for one in found)

    def reads(self) -> int:
        return sum(call.method == "GET" for call in self.stand.faults.calls)

    async def come(self, disputes: int, about: int) -> float:
        """Two minutes of events with a restart amid them; seconds from the last event until all are answered."""
        await self.step()
        for _ in range(25):  # the first ones come a few at a time, and are read one by one
            for _ in range(3):
                self.add(about, currency="EUR")
            await self.step(0.1)
        self.is_growing = about == disputes
        for step in range(1, STEPS + 1):
            while self.n_events < disputes * step // STEPS:
                self.add(about, currency="EUR")
            await self.step()
            if step == STEPS // 2:
                self.start()
        self.is_growing = False
        return await self.until(self.is_at_rest, self.getbill.poll_every_s)


def flood_on(here: Office) -> Flood:
    """A service that has just started on this office's store, and a Getbill with its limits."""
    stand = GetbillStand(clock=lambda: here.at)
    stand.faults.calls = deque(maxlen=100_000)
    flood = Flood(here, stand)
    flood.start()
    return flood
