"""Several replicas on one PostgreSQL at the same time: everything exactly once, and no deadlocks."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from receiver.domain.action import Click
from receiver.domain.fact import SourceReported
from receiver.domain.ledger import Applied
from receiver.domain.people import People, Person
from receiver.domain.routing import Route
from receiver.pipeline.actions import Refused, Taken, take_action
from receiver.pipeline.apply import apply_fact, apply_facts
from receiver.store import events, items, outbox, payloads
from receiver.store.database import Database, open_database
from receiver.store.events import Arrival
from receiver.store.payloads import Reply
from receiver.store.schema import event as event_table
from receiver.store.schema import outbox as outbox_table
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio
ROUTES = (Route("all", slack=("C1", "C2")),)
PEOPLE = People(resolvers=frozenset({"@creditor.example"}))


@pytest.fixture
async def replicas(postgres_url: str) -> AsyncIterator[list[Database]]:
    opened = [open_database(postgres_url) for _ in range(8)]
    yield opened
    for database in opened:
        await database.close()


def said(n: int, **changes: Any) -> SourceReported:
    return SourceReported(make_snapshot(key=f"getbill:main:debtor_request:{n}", **changes), NOW)


async def test_eight_claimers_claim_five_thousand_events_once_each(replicas: list[Database]) -> None:
    def fill(connection: Connection) -> None:
        rows = [
            {"source": "getbill", "account": "main", "event_id": f"e{n}", "headers": "{}", "body": b"", "state": "new",
             "received_at": NOW, "due_at": NOW}
            for n in range(5_000)
        ]  # fmt: skip
        connection.execute(insert(event_table), rows)

    async def take(n: int, database: Database) -> list[int]:
        taken: list[int] = []
        while rows := await database.write(events.claim, ("getbill",), "main", NOW, f"c{n}", 37):
            assert len(rows) <= 37
            taken += [row.id for row in rows]
        return taken

    await replicas[0].write(fill)
    taken = await asyncio.gather(*(take(n, database) for n, database in enumerate(replicas)))

    assert sorted(id_ for ids in taken for id_ in ids) == list(range(1, 5_001))
    assert min(len(ids) for ids in taken) > 0


async def test_eight_claimers_of_deliveries_keep_order_and_limits(replicas: list[Database]) -> None:
    """Two rows of each of 50 items at three destinations: one of an item at a time, four of a destination at a time."""

    def fill(connection: Connection) -> None:
        for n in range(50):
            apply_fact(connection, said(n), NOW, (Route("none"),))
            found = items.find_by_key(connection, said(n).key)
            assert found is not None
            for place in ("C1", "C2", "C3"):
                for turn in (1, 2):
                    outbox.enqueue(connection, found.id, f"slack:{place}", Reply(str(turn)), NOW)

    under_way: Counter[str] = Counter()
    done: list[outbox.Delivery] = []

    async def work(n: int, database: Database) -> None:
        while len(done) < 300:
            claimed = await database.write(outbox.claim, NOW, f"c{n}", 64, (), 4)
            for delivery in claimed:
                under_way[delivery.destination] += 1
                under_way[f"{delivery.item_id} {delivery.destination}"] += 1
            most = [(name, count) for name, count in under_way.items() if count > (1 if " " in name else 4)]
            assert most == []
            await asyncio.sleep(0.002)  # under way; a claim of another replica must respect it
            for delivery in claimed:
                under_way[delivery.destination] -= 1
                under_way[f"{delivery.item_id} {delivery.destination}"] -= 1
                assert await database.write(outbox.finish, delivery.id, f"c{n}", NOW)
                done.append(delivery)
            await asyncio.sleep(0)

    await replicas[0].write(fill)
    await asyncio.gather(*(work(n, database) for n, database in enumerate(replicas)))

    assert sorted(delivery.id for delivery in done) == list(range(1, 301))
    turns: dict[tuple[str, str], list[int]] = {}
    for delivery in sorted(done, key=lambda delivery: delivery.id):
        turns.setdefault((delivery.item_id, delivery.destination), []).append(int(delivery.payload_as(Reply).code))
    assert {tuple(turn) for turn in turns.values()} == {(1, 2)}


async def test_simultaneous_claims_see_each_other(replicas: list[Database]) -> None:
    """The second row is enqueued while the first is claimed, and would be first in order: the destination is taken."""
    earlier = NOW - timedelta(seconds=1)
    await replicas[0].write(apply_fact, said(1), NOW, (Route("one", slack=("C1",)),))

    async with _paused(replicas[0], outbox.claim, NOW, "c1", 9, (), 1):
        await replicas[1].write(apply_fact, said(2), earlier, (Route("one", slack=("C1",)),))
        beside = asyncio.create_task(replicas[2].write(outbox.claim, NOW, "c2", 9, (), 1))
        await asyncio.wait({beside}, timeout=0.2)

    assert await beside == []


async def test_replicas_with_the_same_facts_open_each_item_once(replicas: list[Database]) -> None:
    facts = [said(n) for n in range(40)]

    async def apply(seed: int, database: Database) -> list[Any]:
        mixed = random.Random(seed).sample(facts, len(facts))
        return await database.write(apply_facts, mixed, NOW, ROUTES)

    decided = await asyncio.gather(*(apply(n, database) for n, database in enumerate(replicas)))

    transitions = Counter(d.transition for decisions in decided for d in decisions if isinstance(d, Applied))
    due = await replicas[0].read(lambda c: c.execute(select(outbox_table.c.item_id)).all())
    assert transitions["opened"] == 40
    assert len(due) == 40 * 2


async def test_replicas_that_change_one_item_lose_nothing(replicas: list[Database]) -> None:
    await replicas[0].write(apply_fact, said(0), NOW, ROUTES)

    async def change(n: int, database: Database) -> None:
        await database.write(apply_fact, said(0, title=f"title {n}"), NOW, ROUTES)

    await asyncio.gather(*(change(n, database) for n, database in enumerate(replicas)))

    item = await replicas[0].read(items.find_by_key, said(0).key)
    assert item is not None
    timeline = await replicas[0].read(items.list_timeline, item.id)
    assert item.version == 1 + 8
    assert [event.version for event in timeline] == list(range(1, 10))


async def test_replicas_with_the_same_events_store_each_once(replicas: list[Database]) -> None:
    arrivals = [Arrival("getbill", "main", f"e{n}", {}, b"{}", NOW) for n in range(100)]

    async def receive(seed: int, database: Database) -> list[tuple[str, bool]]:
        mixed = random.Random(seed).sample(arrivals, len(arrivals))
        told = await asyncio.gather(*(database.write_batched(events.append, arrival) for arrival in mixed))
        return [(arrival.event_id, is_new) for arrival, is_new in zip(mixed, told, strict=True)]

    told = await asyncio.gather(*(receive(n, database) for n, database in enumerate(replicas)))

    assert Counter(name for each in told for name, is_new in each if is_new) == {f"e{n}": 1 for n in range(100)}


async def test_two_people_on_two_replicas_have_one_effect(replicas: list[Database]) -> None:
    await replicas[0].write(apply_fact, said(0), NOW, ROUTES)
    item = await replicas[0].read(items.find_by_key, said(0).key)
    assert item is not None

    async def press(n: int, database: Database) -> Any:
        person = Person(email=f"p{n}@creditor.example", name=f"P{n}")
        click = Click(item.id, 1, "validate", person, "slack", f"id{n}", answer_to=f"slack:C1/U{n}")
        return await database.write(take_action, click, NOW, ROUTES, PEOPLE)

    outcomes = await asyncio.gather(*(press(n, database) for n, database in enumerate(replicas)))

    assert Counter(type(outcome) for outcome in outcomes) == {Taken: 1, Refused: 7}
    assert await _count(replicas[0], payloads.COMMAND) == 1


async def test_one_click_on_all_replicas_has_one_effect(replicas: list[Database]) -> None:
    await replicas[0].write(apply_fact, said(0), NOW, ROUTES)
    item = await replicas[0].read(items.find_by_key, said(0).key)
    assert item is not None
    click = Click(item.id, 1, "validate", Person(email="anna@creditor.example"), "slack", "the same")

    outcomes = await asyncio.gather(*(r.write(take_action, click, NOW, ROUTES, PEOPLE) for r in replicas))

    assert Counter(outcomes) == {Taken(1): 1, Taken(1, is_again=True): 7}
    assert await _count(replicas[0], payloads.COMMAND) == 1


async def test_a_change_is_delivered_even_if_its_row_is_being_claimed(replicas: list[Database]) -> None:
    await replicas[0].write(apply_fact, said(0), NOW, (Route("one", slack=("C1",)),))

    async with _paused(replicas[0], outbox.claim, NOW, "c1", 9, (), 4):
        await replicas[1].write(apply_fact, said(0, title="Other"), NOW, ())
        waiting_beside_a_claim = await _count(replicas[1], payloads.SHOW)
    await replicas[0].write(outbox.finish, 1, "c1", NOW)
    async with _paused(replicas[0], apply_fact, said(0, title="Third"), NOW, ()):
        beside_a_change = await replicas[1].write(outbox.claim, NOW, "c2", 9, (), 4)
    after_it = await replicas[1].write(outbox.claim, NOW, "c3", 9, (), 4)

    assert (waiting_beside_a_claim, await _count(replicas[1], payloads.SHOW)) == (2, 2)
    assert (beside_a_change, [delivery.id for delivery in after_it]) == ([], [2])


async def _count(database: Database, what: str) -> int:
    chosen = select(outbox_table.c.id).where(outbox_table.c.what == what)
    return len(await database.read(lambda connection: connection.execute(chosen).all()))


class _paused:  # noqa: N801 - reads as a statement
    """Inside the block, ``work`` has run in a transaction that is not committed."""

    def __init__(self, database: Database, work: Callable[..., Any], *args: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._done, self._commit = asyncio.Event(), asyncio.Event()

        def run(connection: Connection) -> None:
            work(connection, *args)
            self._loop.call_soon_threadsafe(self._done.set)
            asyncio.run_coroutine_threadsafe(self._commit.wait(), self._loop).result(20)

        self._task = asyncio.create_task(database.write(run))

    async def __aenter__(self) -> None:
        await self._done.wait()

    async def __aexit__(self, *_: object) -> None:
        self._commit.set()
        await self._task
