"""Whatever happens in whatever order: once the faults stop, the ledger says what the sources say, and nobody heard
anything twice. The real client, store, ledger and Slack channel; only what is at the other end of the wire stands in.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, delete, select

from casebell_sandbox.debitura import DebituraStand
from casebell_sandbox.getbill import GetbillStand
from casebell_sandbox.slack import SlackStand
from notifiers.i18n.translator import Translator
from notifiers.slack.client import SlackClient
from notifiers.slack.notifier import SlackNotifier
from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.domain.pace import Pace, Paces
from receiver.domain.people import People, Person
from receiver.domain.routing import Route
from receiver.domain.token import Tokens
from receiver.observability import Metrics
from receiver.pipeline import ingest
from receiver.pipeline.deliver.claims import Dispatcher
from receiver.store import items, schema
from receiver.store.database import Database, open_database
from receiver.store.events import Arrival
from receiver.sync.reconcile import try_reconcile
from receiver.upstream.debitura import inbound as debitura_events
from receiver.upstream.debitura.client import Debitura
from receiver.upstream.getbill import inbound as getbill_events
from receiver.upstream.getbill.client import Getbill
from tests.factories import make_rules
from tests.faults.much import times
from tests.getbill_side import Watch

ROUTES = (Route("all", slack=("C0DISPUTES",)),)
TEAM = Person(email="ar@creditor.example", name="Anna")
FAST = Paces(Pace(1_000.0, 1_000_000), Pace(1_000.0, 1_000_000))
PLENTY = 1_000_000
TODOS = ("portal_dispute", "hardship", "ai_dispute")
TASKS = ("ReplyToChat", "Generic", "AssignBankAccount")
SOURCES = ("getbill", "debitura")
PHASES = [Phase.explicit, Phase.generate]  # to shrink a failure takes minutes; its steps are told as found


# What is chosen from depends on timing, and Hypothesis must draw the same from the same steps: so a number chooses.
ANY = st.integers(0, 99)
T = TypeVar("T")


class Wire(httpx.ASGITransport):
    """A network that breaks after so many requests, and on which somebody may act between two of them."""

    def __init__(self, app: Any, watch: Callable[[], None]) -> None:
        super().__init__(app=app)
        self.breaks_after: int | None = None
        self.between: tuple[int, Callable[[], None]] | None = None
        self._watch = watch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.breaks_after is not None:
            self.breaks_after -= 1
            if self.breaks_after < 0:
                raise httpx.ConnectError("the network is gone", request=request)
        response = await super().handle_async_request(request)
        self._watch()
        if self.between is not None:
            left, act = self.between
            self.between = (left - 1, act) if left else None
            if not left:
                act()
                self._watch()
        return response


class Town:
    """Two sources and a Slack, a desk between them, and what really became of every todo and task."""

    def __init__(self, database: Database) -> None:
        self.clock = Watch()
        self.getbill = GetbillStand(clock=self.clock)
        self.getbill.access.reads.limit = self.getbill.access.writes.limit = PLENTY
        self.debitura = DebituraStand(solve_after_s=60, clock=self.clock)
        self.slack = SlackStand(posts_per_s=PLENTY, burst=PLENTY, clock=self.clock)
        self.wires = {name: Wire(getattr(self, name).app, self.look) for name in SOURCES}
        self.events: list[tuple[str, bytes]] = []
        self.opened: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self._was_open: dict[str, bool] = {}
        self.adapters = Adapters(
            database,
            make_rules(
                people=People(resolvers=frozenset({"@creditor.example"})),
                tokens=Tokens(["key-of-a-test"]),
                public_url="https://casebell.example.com",
                routes=ROUTES,
                paces=FAST,
            ),
            Translator(),
            Metrics(),
            now=self.clock,
            upstreams={("getbill", "main"): self._getbill(), ("debitura", "main"): self._debitura()},
            verifies={
                ("getbill", "main"): getbill_events.make_verify([self.getbill.secret]),
                ("debitura", "main"): debitura_events.make_verify([self.debitura.secret]),
            },
        )
        self._slack = SlackClient(
            "http://slack.test/api/", "xoxb-sandbox", transport=httpx.ASGITransport(self.slack.app)
        )
        self.adapters.notifiers = {"slack": SlackNotifier(self._slack, self.adapters.translator)}

    def _getbill(self) -> Getbill:
        return Getbill(
            "main", "http://localhost/external-api/v1", api_token="getbill-token", poll_every_s=60, now=self.clock,
            transport=self.wires["getbill"], reads_per_hour=PLENTY, writes_per_hour=PLENTY,
        )  # fmt: skip

    def _debitura(self) -> Debitura:
        wire, people = self.wires["debitura"], People()
        return Debitura(
            "main", "http://debitura.test", "debitura-key", poll_every_s=60, people=people,
            reply_as="ar@creditor.example", now=self.clock, transport=wire, settle_s=0,
        )  # fmt: skip

    def truth(self) -> dict[str, bool]:
        """Every todo and task by its item's key, and whether it is open at its source."""
        todos = self.getbill.todos.values()
        open_there = {f"getbill:main:{todo['type']}:{todo['id']}": todo["status"] == "suggested" for todo in todos}
        tasks = self.debitura.tasks.values()
        return open_there | {f"debitura:main:task:{task['id']}": task["status"] == "Open" for task in tasks}

    def look(self) -> None:
        """Note what turned since the last look."""
        now = self.truth()
        for key, is_open in now.items():
            if is_open != self._was_open.get(key, False):
                (self.opened if is_open else self.closed)[key] += 1
        self._was_open = now

    async def receive(self, source: str, body: bytes) -> None:
        stand: GetbillStand | DebituraStand = getattr(self, source)
        headers = {name.lower(): value for name, value in stand.sign(body).items()}
        identity = self.adapters.verifies[source, "main"](body, headers, self.clock())
        await ingest.accept(self.adapters, Arrival(source, "main", identity, headers, body, self.clock()))

    async def work(self) -> None:
        """What the loops of the service do, one after the other."""
        await ingest.drain_clicks(self.adapters)
        for source in SOURCES:
            if not ingest._is_paused(self.adapters, f"events:{source}:main"):
                await ingest.drain(self.adapters, source, "main")
        dispatcher = Dispatcher(self.adapters)
        for _ in range(20):
            done = await dispatcher.dispatch_due()
            await dispatcher.drain(30)
            if not done:
                return

    async def poll(self, source: str, *, is_full: bool) -> bool:
        return await try_reconcile(self.adapters, self.adapters.upstreams[source, "main"], is_full=is_full)

    async def click(self, item: Any, verb: str, number: int) -> None:
        words = {"text": "Yes."} if verb == "reply" else {"note": "Seen."}
        click = Click(item.id, item.version, verb, TEAM, "cli", f"press-{number}", **words)  # type: ignore[arg-type]
        await ingest.accept(self.adapters, ingest.click_arrival(click, self.adapters))

    async def calm_down(self) -> None:
        """The faults stop, what waits is done, and one reconciliation follows; a full one of Getbill's older todos."""
        for stand in (self.getbill, self.debitura, self.slack):
            stand.faults.down = False
        for wire in self.wires.values():
            wire.breaks_after = wire.between = None
        for _ in range(6):
            self.clock.move(hours=2)
            await self.work()
        for source in SOURCES:
            assert await self.poll(source, is_full=source == "getbill")
        await self.work()
        self.look()

    async def close(self) -> None:
        for upstream in self.adapters.upstreams.values():
            await upstream.close()
        await self._slack.close()


class Machine(RuleBasedStateMachine):
    """Steps in any order; what must hold is looked at when they end."""

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        super().__init__()
        self._run = runner.run
        self._run(database.write(_empty))
        self._town = Town(database)
        self._count = itertools.count()

    @initialize()
    def some_is_known_from_before(self) -> None:
        for kind in (*TODOS, *TASKS):
            self.somebody_wants_something(kind, "todo")
        for source in SOURCES:
            assert self._run(self._town.poll(source, is_full=True))
        self._run(self._town.work())

    @rule(kind=st.sampled_from((*TODOS, *TASKS)), carries=st.sampled_from(["todo", "debt_id", "nothing"]))
    def somebody_wants_something(self, kind: str, carries: str) -> None:
        town = self._town
        if kind in TODOS:
            town.events.append(("getbill", town.getbill.event(town.getbill.add(kind), content=carries)))
            return
        task = town.debitura.add_task(kind)
        if task["caseId"]:
            town.events.append(("debitura", town.debitura.event("chat.created", task["caseId"])))

    @rule(which=ANY)
    def an_event_arrives_perhaps_again_perhaps_late(self, which: int) -> None:
        if self._town.events:
            self._run(self._town.receive(*_pick(self._town.events, which)))

    @rule(which=ANY, is_other=st.booleans())
    def somebody_acts_at_the_source(self, which: int, is_other: bool) -> None:
        self._somebody(which, is_other)()

    @rule(
        source=st.sampled_from(SOURCES), is_full=st.booleans(), manner=st.sampled_from(["whole", "broken", "between"]),
        after=st.integers(0, 6), which=ANY, is_other=st.booleans(),
    )  # fmt: skip
    def a_poll_perhaps_broken_off_perhaps_while_somebody_acts(
        self, source: str, is_full: bool, manner: str, after: int, which: int, is_other: bool
    ) -> None:
        wire = self._town.wires[source]
        if manner == "broken":
            wire.breaks_after = after
        if manner == "between":
            wire.between = (after, self._somebody(which, is_other))
        self._run(self._town.poll(source, is_full=is_full))
        wire.breaks_after = wire.between = None

    @rule(which=ANY, verb=ANY, turns=st.integers(0, 2))
    def a_click(self, which: int, verb: int, turns: int) -> None:
        open_here = [one for one in self._items().values() if one.state == "open" and one.snapshot.verbs]
        if open_here:
            item = _pick(open_here, which)
            self._run(self._town.click(item, _pick(item.snapshot.verbs, verb), next(self._count)))
            for _ in range(turns):
                self._run(self._town.work())

    @rule(name=st.sampled_from([*SOURCES, "slack"]))
    def one_goes_down_or_comes_back(self, name: str) -> None:
        faults = getattr(self._town, name).faults
        faults.down = not faults.down

    @rule(minutes=st.sampled_from([-60, -1, 1, 5, 45, 24 * 60]))
    def the_clock_steps(self, minutes: int) -> None:
        self._town.clock.at += timedelta(minutes=minutes)

    @rule()
    def the_service_works(self) -> None:
        self._run(self._town.work())

    @invariant()
    def what_turned_is_noted(self) -> None:
        self._town.look()

    def teardown(self) -> None:
        try:
            self._run(self._town.calm_down())
            self._is_as_the_sources_say()
            self._was_told_once()
        finally:
            self._run(self._town.close())

    def _is_as_the_sources_say(self) -> None:
        here = {key: one.state == "open" for key, one in self._items().items()}
        there = self._town.truth()
        assert {key for key, is_open in here.items() if is_open} == {key for key, is_open in there.items() if is_open}
        assert here.keys() <= there.keys()

    def _was_told_once(self) -> None:
        for key, item in self._items().items():
            timeline = self._run(self._town.adapters.database.read(items.list_timeline, item.id))
            turns = [event.transition for event in timeline if event.transition not in {None, "changed", "rang"}]
            is_opening = [turn != "resolved" for turn in turns]
            assert turns[:1] == ["opened"], (key, turns)
            assert all(one != other for one, other in pairwise(is_opening)), (key, turns)
            assert is_opening.count(True) <= self._town.opened[key], (key, turns, "rang for nothing")
            assert is_opening.count(False) <= self._town.closed[key], (key, turns, "resolved for nothing")
        posted = sorted(message.ts for message in self._town.slack.posts("C0DISPUTES") if message.thread_ts is None)
        assert posted == sorted(self._run(self._town.adapters.database.read(_references)))

    def _items(self) -> dict[str, Any]:
        found = self._run(self._town.adapters.database.read(lambda connection: list(items.list_items(connection))))
        return {item.snapshot.key: item for item in found if item.snapshot.source in SOURCES}

    def _somebody(self, which: int, is_other: bool) -> Callable[[], None]:
        return self._act(_pick(list(self._town.truth()), which), is_other)

    def _act(self, key: str, is_other: bool) -> Callable[[], None]:
        """What a person does in the source's own pages: decides, or takes a decision back."""
        town, (_, _, _, own_id) = self._town, key.split(":")

        def act() -> None:
            if key.startswith("getbill"):
                is_open = town.getbill.todos[own_id]["status"] == "suggested"
                decision = "rejected" if is_other else "validated"
                todo = town.getbill.set_status(own_id, decision if is_open else "suggested")
                town.events.append(("getbill", town.getbill.event(todo, type="dispute.updated")))
            elif town.debitura.tasks[own_id]["status"] == "Open":
                town.debitura.solve_in_portal(own_id)

        return act


def _pick(some: Sequence[T], which: int) -> T:
    return some[which % len(some)]


def _empty(connection: Connection) -> None:
    for table in reversed(schema.metadata.sorted_tables):
        connection.execute(delete(table))


def _references(connection: Connection) -> list[str]:
    """The messages in Slack that we know of."""
    told = connection.execute(select(schema.message.c.reference)).scalars()
    return [str(reference).rpartition("/")[2] for reference in told if reference]


@contextmanager
def opened(database_url: str) -> Iterator[tuple[asyncio.Runner, Database]]:
    async def open_it() -> Database:
        return open_database(database_url)

    with asyncio.Runner() as runner:
        database = runner.run(open_it())
        try:
            yield runner, database
        finally:
            runner.run(database.close())


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", times(8, 1_500)), ("postgres", times(2, 200))])
def test_once_the_faults_stop_the_ledger_says_what_the_sources_say_and_nothing_was_told_twice(
    kind: str, examples: int, request: pytest.FixtureRequest
) -> None:
    much = settings(max_examples=examples, stateful_step_count=30, derandomize=True, phases=PHASES)
    with opened(request.getfixturevalue(f"{kind}_url")) as (runner, database):
        run_state_machine_as_test(partial(Machine, runner, database), settings=much)  # type: ignore[arg-type]
