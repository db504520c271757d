"""The outbox with its breakers and leases against a model in memory: the same steps on both databases."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, delete, select

from receiver.domain import breaker as rules
from receiver.domain.breaker import Breaker, breakers_for, failure_scope_of
from receiver.domain.fact import SourceReported
from receiver.domain.pace import Pace, Paces
from receiver.domain.routing import Route
from receiver.errors import DeliveryError, PermanentError, RetryLaterError
from receiver.pipeline.apply import apply_fact
from receiver.store import breakers, claim_policy, items, outbox, schema
from receiver.store.claim_policy import Capacity
from receiver.store.database import Database, open_database
from receiver.store.payloads import Show
from tests.factories import NOW, make_snapshot
from tests.faults.much import times

DESTINATIONS = ("slack:A", "slack:B", "mail:x@y", "slack:A/U1")
FAST = Paces(Pace(1_000.0, 1_000_000), Pace(1_000.0, 1_000_000))
PHASES = [
    Phase.explicit,
    Phase.generate,
]  # shrinking a failure takes minutes on a database, so its steps are reported as found
ROOM = Capacity(interactive=10_000, normal=10_000)
EACH = {True: 4, False: 1}


@dataclass
class Row:
    id: int
    item: str
    destination: str
    is_interactive: bool
    due_at: datetime
    state: str = "due"
    attempts: int = 0
    claim: str | None = None
    lease_until: datetime | None = None
    maybe_delivered: bool = False
    lost_leases: int = 0


@dataclass
class Model:
    """The expected content of the outbox and the breakers."""

    now: datetime = NOW
    rows: dict[int, Row] = field(default_factory=dict)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    probe_until: dict[str, datetime] = field(default_factory=dict)

    def claim_batch(self, claim_id: str) -> set[tuple[int, str]]:
        """What may be claimed now, with the claim ids."""
        self.reap()
        is_open = [one for one in self.breakers.values() if one.state == "open"]
        shut = {one.name for one in is_open}
        found = self._claim(claim_id, lambda row: row.is_interactive and not self._names(row) & shut, 4)
        found |= self._claim(
            claim_id, lambda row: not row.is_interactive and not _is_mail(row) and not self._names(row) & shut, 1
        )
        found |= self._claim(
            claim_id, lambda row: not row.is_interactive and _is_mail(row) and not self._names(row) & shut, 4
        )
        for one in is_open:
            others = shut - {one.name}
            lapsed = self.probe_until.get(one.name, NOW - timedelta(days=1)) < self.now
            if one.open_until is None or one.open_until > self.now or not (one.probe is None or lapsed):
                continue

            def passes(row: Row, name: str = one.name, others: set[str] = others) -> bool:
                return name in self._names(row) and not self._names(row) & others

            is_any_due = any(passes(row) for row in self.rows.values() if self._is_due(row))
            probe_id = f"{claim_id} {one.name}"
            probe = self._claim(probe_id, passes, 1, most=1)
            if is_any_due:
                self.breakers[one.name] = replace(one, probe=probe_id if probe else None)
                self.probe_until[one.name] = self.now + breakers.PROBE_LASTS
            found |= probe
        return found

    def reap(self) -> int:
        dead = [
            row for row in self.rows.values() if row.state == "due" and row.lease_until and row.lease_until < self.now
        ]
        for row in dead:
            row.claim, row.lease_until, row.maybe_delivered, row.lost_leases = None, None, True, row.lost_leases + 1
        return len(dead)

    def record(self, row: Row, error: DeliveryError | None, claim_id: str) -> None:
        struck = (
            None
            if error is None
            else rules.breaker_of_failure(row.destination, error, is_interactive=row.is_interactive)
        )
        for name in self._names(row):
            before = self.breakers.get(name, Breaker(name))
            if name == struck:
                assert error is not None
                after = rules.after_failure(before, error, claim_id, self.now, 0.0)
            elif error is not None and error.scope == "system":
                after = rules.after_no_answer(before, claim_id)
            else:
                after = rules.after_success(before, claim_id)
            self.breakers[name] = after
            if before.state == "open" and after.state == "closed":
                self._make_due_now(name)

    def _is_due(self, row: Row) -> bool:
        return row.state == "due" and row.claim is None and row.due_at <= self.now

    def _make_due_now(self, name: str) -> None:
        for row in self.rows.values():
            if row.state == "due" and row.claim is None and row.attempts and name in self._names(row):
                row.due_at = min(row.due_at, self.now)

    def _claim(self, claim_id: str, passes: Any, each: int, most: int = 10_000) -> set[tuple[int, str]]:
        chosen: list[Row] = []
        for destination in DESTINATIONS:
            here = [row for row in self.rows.values() if row.state == "due" and row.destination == destination]
            under_way = [row for row in here if row.claim]
            ready = [row for row in here if not row.claim and row.due_at <= self.now and passes(row)]
            ready = [row for row in ready if not any(_blocks(other, row) for other in here)]
            ready.sort(key=lambda row: (row.due_at, row.id))
            chosen += ready[: max(each - len(under_way), 0)]
        chosen.sort(key=lambda row: (row.due_at, row.id))
        for row in chosen[:most]:
            row.claim, row.lease_until, row.attempts = claim_id, self.now + outbox.LEASE, row.attempts + 1
        return {(row.id, claim_id) for row in chosen[:most]}

    @staticmethod
    def _names(row: Row) -> set[str]:
        return set(breakers_for(row.destination, is_interactive=row.is_interactive))


def _blocks(other: Row, row: Row) -> bool:
    return other.item == row.item and other.id != row.id and (other.id < row.id or other.claim is not None)


def _is_mail(row: Row) -> bool:
    return row.destination.startswith("mail:")


class World:
    """One database for all runs of the machine, emptied before each."""

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        self._runner = runner
        self._database = database
        self.items = [self._item(n) for n in range(2)]

    def write(self, work: Any, *args: Any) -> Any:
        return self._runner.run(self._database.write(work, *args))

    def read(self, work: Any, *args: Any) -> Any:
        return self._runner.run(self._database.read(work, *args))

    def empty(self) -> None:
        def forget(connection: Connection) -> None:
            for table in (schema.outbox, schema.breaker, schema.pace):
                connection.execute(delete(table))

        self.write(forget)

    def _item(self, n: int) -> str:
        snapshot = make_snapshot(key=f"getbill:main:debtor_request:{n}")
        self.write(apply_fact, SourceReported(snapshot, NOW), NOW, (Route("none"),))
        found = self.read(items.find_by_key, snapshot.key)
        assert found is not None
        return str(found.id)


class Machine(RuleBasedStateMachine):
    """Workers claim, renew, finish, fail, crash and continue late; the clock jumps; breakers open and close."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._model = Model()
        self._names = count()
        self._claims: list[tuple[int, str]] = []  # claims that a worker believes to have, valid or not
        world.empty()

    @initialize()
    def start_with_deliveries(self) -> None:
        for n, destination in enumerate((*DESTINATIONS, *DESTINATIONS)):
            self.put(destination, n // len(DESTINATIONS), is_interactive=False)

    @rule(destination=st.sampled_from(DESTINATIONS), item=st.integers(0, 1), is_interactive=st.booleans())
    def put(self, destination: str, item: int, is_interactive: bool) -> None:
        def add(connection: Connection) -> int:
            outbox.enqueue(connection, self._world.items[item], destination, Show(), now, is_interactive=is_interactive)
            newest = select(schema.outbox.c.id).order_by(schema.outbox.c.id.desc()).limit(1)
            return int(connection.execute(newest).scalar_one())

        now = self._model.now
        id_ = self._world.write(add)
        self._model.rows[id_] = Row(id_, self._world.items[item], destination, is_interactive, now)

    @rule()
    def claim(self) -> None:
        claim_id = f"c{next(self._names)}"
        turn = self._world.write(claim_policy.claim_batch, self._model.now, claim_id, ROOM, FAST)
        claimed = {(delivery.id, claimed_as) for delivery, claimed_as in turn.claimed}
        assert claimed == self._model.claim_batch(claim_id)
        self._claims += sorted(claimed)

    @precondition(lambda self: self._claims)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        id_, claim_id = data.draw(st.sampled_from(self._claims))
        held = self._world.write(outbox.renew, [id_], claim_id, self._model.now)
        row = self._model.rows[id_]
        assert held == ({id_} if row.claim == claim_id else set())
        if held:
            row.lease_until = self._model.now + outbox.LEASE

    @precondition(lambda self: self._claims)
    @rule(data=st.data(), how=st.sampled_from(["ok", "failed", "failed", "dead", "crash"]))
    def finish(self, data: st.DataObject, how: str) -> None:
        """The holder of the claim ends it, or crashes: then the row has no outcome."""
        chosen = data.draw(st.sampled_from(self._claims))
        self._claims.remove(chosen)
        row, claim_id = self._model.rows[chosen[0]], chosen[1]
        if how == "ok":
            self._settle(row, claim_id, outbox.finish, "done", None)
        elif how == "dead":
            refuse = partial(_mark_dead, reason="refused")
            self._settle(row, claim_id, refuse, "dead", PermanentError("refused"))
        elif how == "failed":
            self._fail(data, row, claim_id)

    def _settle(self, row: Row, claim_id: str, end: Any, state: str, error: DeliveryError | None) -> None:
        is_ours = self._world.write(end, row.id, claim_id, self._model.now)
        assert is_ours == (row.claim == claim_id)
        if is_ours:
            row.state, row.claim, row.lease_until = state, None, None
        self._record(row, claim_id, error)

    def _fail(self, data: st.DataObject, row: Row, claim_id: str) -> None:
        scope: Any = data.draw(st.sampled_from(["destination", "item", "system", "pace"]))
        due_at = self._model.now + timedelta(seconds=data.draw(st.integers(0, 60)))
        after_s, maybe_delivered = data.draw(st.sampled_from([None, 30.0])), data.draw(st.booleans())
        is_ours = self._world.write(
            lambda c: outbox.release(c, row.id, claim_id, due_at, "failed", maybe_delivered=maybe_delivered)
        )
        assert is_ours == (row.claim == claim_id)
        if is_ours:
            row.claim, row.lease_until, row.due_at = None, None, due_at
            row.maybe_delivered = row.maybe_delivered or maybe_delivered
        self._record(row, claim_id, RetryLaterError("failed", after_s=after_s, scope=scope))

    @rule(seconds=st.sampled_from([0.5, 11, 96, 400]))
    def clock_steps(self, seconds: float) -> None:
        self._model.now += timedelta(seconds=seconds)

    @rule()
    def reap(self) -> None:
        assert self._world.write(outbox.reap, self._model.now) == self._model.reap()

    @rule(destination=st.sampled_from(DESTINATIONS))
    def pause(self, destination: str) -> None:
        """The destination asks for a pause, or an operator pauses it."""
        error = RetryLaterError("maintenance", after_s=20.0)
        self._world.write(claim_policy.record_outcome, destination, True, error, "nobody", self._model.now, 0.0)
        name = failure_scope_of(destination)
        before = self._model.breakers.get(name, Breaker(name))
        self._model.breakers[name] = rules.after_failure(before, error, "nobody", self._model.now, 0.0)
        for other in set(breakers_for(destination, is_interactive=True)) - {name}:
            known = self._model.breakers.get(other, Breaker(other))
            self._model.breakers[other] = rules.after_success(known, "nobody")

    @precondition(lambda self: any(row.state == "dead" for row in self._model.rows.values()))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(sorted(row.id for row in self._model.rows.values() if row.state == "dead")))
        assert self._world.write(outbox.retry, id_, self._model.now)
        row = self._model.rows[id_]
        row.state, row.due_at, row.attempts, row.lost_leases = "due", self._model.now, 0, 0

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        assert self._world.read(_rows) == {
            row.id: (
                row.state,
                row.due_at,
                row.attempts,
                row.claim,
                row.lease_until,
                row.maybe_delivered,
                row.lost_leases,
            )
            for row in self._model.rows.values()
        }

    @invariant()
    def open_breakers_are_those_of_the_model(self) -> None:
        opened = {one.name: one for one in self._world.read(breakers.list_open)}
        assert opened == {name: one for name, one in self._model.breakers.items() if one.state == "open"}

    def _record(self, row: Row, claim_id: str, error: DeliveryError | None) -> None:
        arguments = (row.destination, row.is_interactive, error, claim_id, self._model.now, 0.0)
        self._world.write(claim_policy.record_outcome, *arguments)
        self._model.record(row, error, claim_id)


def _mark_dead(connection: Connection, id_: int, claim_id: str, now: datetime, reason: str) -> bool:
    return outbox.mark_dead(connection, id_, claim_id, reason, now)


def _rows(connection: Connection) -> dict[int, tuple[Any, ...]]:
    names = ("state", "due_at", "attempts", "claim_id", "lease_until", "maybe_delivered", "lost_leases")
    chosen = select(schema.outbox.c.id, *(schema.outbox.c[name] for name in names))
    return {row[0]: tuple(row[1:]) for row in connection.execute(chosen)}


@contextmanager
def world(database_url: str) -> Iterator[World]:
    with asyncio.Runner() as runner:
        database = runner.run(_opened(database_url))
        try:
            yield World(runner, database)
        finally:
            runner.run(database.close())


async def _opened(database_url: str) -> Database:
    return open_database(database_url)


def test_the_outbox_behaves_like_the_model_in_any_order(database_url: str) -> None:
    much = settings(max_examples=times(20, 2_000), stateful_step_count=50, derandomize=True, phases=PHASES)
    with world(database_url) as here:
        run_state_machine_as_test(partial(Machine, here), settings=much)  # type: ignore[arg-type]  # a factory is accepted too
