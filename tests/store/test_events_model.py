"""Stored events against a model in memory: the same steps on both databases."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Connection, delete, select

from receiver.store import events, schema
from receiver.store.database import Database, open_database
from receiver.store.events import LEASE, SUSPECT_AFTER, Arrival
from tests.factories import NOW
from tests.faults.much import times

PHASES = (Phase.explicit, Phase.generate, Phase.shrink)
EVENTS = [
    ("getbill", "main", "id:1"),
    ("getbill", "main", "id:2"),
    ("getbill", "other", "id:1"),
    ("debitura", "main", "id:1"),
]
SOURCES = ("getbill", "debitura")


@dataclass
class Event:
    """The expected state of a row."""

    due_at: datetime
    state: str = "new"
    attempts: int = 0
    claim_id: str | None = None
    lease_until: datetime | None = None

    def is_free(self, now: datetime) -> bool:
        is_held = self.lease_until is not None and self.lease_until >= now
        return self.state == "new" and self.due_at <= now and not is_held

    def rest(self, state: str) -> None:
        self.state, self.claim_id, self.lease_until = state, None, None


class World:
    """One database for all runs of the machine, emptied before each."""

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        self._runner = runner
        self._database = database

    def write(self, work: Any, *args: Any) -> Any:
        return self._runner.run(self._database.write(work, *args))

    def read(self, work: Any, *args: Any) -> Any:
        return self._runner.run(self._database.read(work, *args))


class Machine(RuleBasedStateMachine):
    """Events arrive, arrive again, are claimed, finished, released and quarantined; workers crash and continue late."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._now = NOW
        self._names = count()
        self._events: dict[tuple[str, str, str], Event] = {}
        self._ids: dict[int, tuple[str, str, str]] = {}
        self._claims: list[tuple[int, str]] = []  # claims that a worker believes to have, valid or not
        world.write(_empty)

    @rule(which=st.lists(st.sampled_from(EVENTS), min_size=1, max_size=5))
    def ingest(self, which: Sequence[tuple[str, str, str]]) -> None:
        """Several events in one commit, some of them twice."""
        arrivals = [Arrival(*identity, {}, b"{}", self._now) for identity in which]
        expected = []
        for identity in which:
            expected.append(identity not in self._events)
            self._events.setdefault(identity, Event(self._now))

        assert self._world.write(events.append, arrivals) == expected
        self._ids |= self._world.read(_ids)

    @rule(most=st.integers(1, 3), account=st.sampled_from([None, "main", "other"]))
    def claim(self, most: int, account: str | None) -> None:
        self._claim_with(events.claim, account, most, is_suspect=False)

    @rule()
    def claim_suspect(self) -> None:
        self._claim_with(events.claim_suspect, None, 1, is_suspect=True)

    def _claim_with(self, work: Any, account: str | None, most: int, *, is_suspect: bool) -> None:
        claim_id = f"c{next(self._names)}"
        asked = (SOURCES, account, self._now, claim_id) if is_suspect else (SOURCES, account, self._now, claim_id, most)
        taken = [row.id for row in self._world.write(work, *asked)]
        free = [
            id_
            for id_, identity in self._ids.items()
            if self._of(id_).is_free(self._now)
            and (self._of(id_).attempts >= SUSPECT_AFTER) == is_suspect
            and account in {None, identity[1]}
        ]
        free.sort(key=lambda id_: (self._of(id_).due_at, id_))

        assert taken == sorted(free[:most])
        for id_ in taken:
            event = self._of(id_)
            event.claim_id, event.lease_until, event.attempts = claim_id, self._now + LEASE, event.attempts + 1
            self._claims.append((id_, claim_id))

    @precondition(lambda self: self._claims)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        id_, claim_id = data.draw(st.sampled_from(self._claims))
        self._world.write(events.renew, [id_], claim_id, self._now)
        if (event := self._of(id_)).claim_id == claim_id:
            event.lease_until = self._now + LEASE

    @precondition(lambda self: self._claims)
    @rule(data=st.data(), how=st.sampled_from(["finish", "release", "quarantine", "crash"]))
    def end(self, data: st.DataObject, how: str) -> None:
        """Only a valid claim changes the row, however late it ends."""
        id_, claim_id = data.draw(st.sampled_from(self._claims))
        self._claims.remove((id_, claim_id))
        event = self._of(id_)
        is_ours = event.claim_id == claim_id
        if how == "finish":
            self._world.write(events.finish, [id_], claim_id, self._now)
            if is_ours:
                event.rest("done")
        elif how == "release":
            due_at = self._now + timedelta(seconds=data.draw(st.sampled_from([0, 30])))
            self._world.write(events.release, [id_], claim_id, due_at, "later")
            if is_ours:
                event.rest("new")
                event.due_at, event.attempts = due_at, event.attempts - 1
        elif how == "quarantine":
            self._world.write(events.quarantine, id_, claim_id, "poison", self._now)
            if is_ours:
                event.rest("quarantined")

    @rule(seconds=st.sampled_from([0.5, 31, 61, 7_200, -1]))
    def clock_steps(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    @rule()
    def the_process_starts_again(self) -> None:
        """A single process starts: all claims of before are dead."""
        self._world.write(events.expire_leases, self._now)
        self._claims.clear()
        for event in self._events.values():
            if event.state == "new" and event.claim_id is not None:
                event.lease_until = self._now - timedelta(seconds=1)

    @precondition(lambda self: self._ids)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(sorted(self._ids)))
        event, identity = self._of(id_), self._ids[id_]
        raised = self._world.write(events.requeue, [id_], self._now)

        assert raised == ([identity[:2]] if event.state != "new" else [])
        if event.state != "new":
            event.state, event.due_at, event.attempts = "new", self._now, 0

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        assert self._world.read(_rows) == {
            identity: (e.state, e.due_at, e.attempts, e.claim_id, e.lease_until) for identity, e in self._events.items()
        }

    def _of(self, id_: int) -> Event:
        return self._events[self._ids[id_]]


def _empty(connection: Connection) -> None:
    connection.execute(delete(schema.event))


def _ids(connection: Connection) -> dict[int, tuple[str, str, str]]:
    chosen = select(*(schema.event.c[name] for name in ("id", "source", "account", "event_id")))
    return {row.id: (row.source, row.account, row.event_id) for row in connection.execute(chosen)}


def _rows(connection: Connection) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    names = ("source", "account", "event_id", "state", "due_at", "attempts", "claim_id", "lease_until")
    rows = [tuple(row) for row in connection.execute(select(*(schema.event.c[name] for name in names)))]
    found = {(row[0], row[1], row[2]): row[3:] for row in rows}
    assert len(found) == len(rows), "an event is there twice"
    return found


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


def test_events_behave_like_the_model_in_any_order(database_url: str) -> None:
    much = settings(max_examples=times(20, 2_000), stateful_step_count=50, derandomize=True, phases=PHASES)
    with world(database_url) as here:
        run_state_machine_as_test(partial(Machine, here), settings=much)  # type: ignore[arg-type]  # a factory is accepted too
