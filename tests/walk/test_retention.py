"""What is over and old leaves the store, in the order and at the time `retention` says; what is not stays."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, func, insert, select

from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.domain.fact import SourceReported
from receiver.domain.people import Person
from receiver.domain.routing import Route
from receiver.domain.token import Tokens
from receiver.observability import Metrics
from receiver.operations.replay import replay
from receiver.operations.retention import BODIES, DELIVERIES, EVENTS, ROWS, SESSIONS, purge
from receiver.pipeline.apply import apply_fact
from receiver.store import actions, events, items, messages, outbox, retention
from receiver.store.actions import Token
from receiver.store.database import Database
from receiver.store.events import Arrival
from receiver.store.messages import PostedMessage
from receiver.store.payloads import Digest
from receiver.store.retention import MAX_ROWS, RetentionPolicy
from receiver.store.schema import metadata
from tests.act_site import PlainTranslator
from tests.factories import NOW, make_rules, make_snapshot

pytestmark = pytest.mark.anyio

KEPT = RetentionPolicy(events=timedelta(days=30), items=timedelta(days=100))
NOTHING = {BODIES: 0, EVENTS: 0, DELIVERIES: 0, ROWS: 0, SESSIONS: 0}
BODY = b'{"debtor": "Jane Roe"}'


def adapters_at(database: Database, now: datetime) -> Adapters:
    translator = PlainTranslator()
    tokens = Tokens(["a key of sixteen characters"])
    return Adapters(database, make_rules(tokens=tokens, retention=KEPT), translator, Metrics(), now=lambda: now)


async def tidied(database: Database, **after: float) -> dict[str, int]:
    counted, is_all = await purge(adapters_at(database, NOW + timedelta(**after)))
    assert is_all
    return counted


async def store(database: Database, event_id: str, end: Callable[..., None] | None = events.finish) -> bool:
    """An event that came now, and ended now as ``end`` says."""
    arrival = Arrival("getbill", "main", event_id, {"user-agent": "Getbill"}, BODY, NOW)
    (is_new,) = await database.write(events.append, [arrival])
    if is_new and end is not None:
        (row,) = await database.write(events.claim, ("getbill",), "main", NOW, "c", 1)
        if end is events.finish:
            await database.write(events.finish, [row.id], "c", NOW)
        else:
            await database.write(events.quarantine, row.id, "c", "rubbish about Jane Roe", NOW)
    return is_new


def bodies(connection: Connection) -> list[bytes]:
    return list(connection.execute(select(metadata.tables["event"].c.body)).scalars())


def rows(connection: Connection) -> dict[str, int]:
    counted = {
        name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for name, table in metadata.tables.items()
    }
    return {name: n for name, n in counted.items() if n}


async def test_a_body_goes_first_and_the_event_is_still_known_when_it_comes_again(database: Database) -> None:
    await store(database, "e1")

    assert await tidied(database, days=9) == NOTHING
    assert await tidied(database, days=11) == {**NOTHING, BODIES: 1}

    assert await database.read(bodies) == [b""]
    assert await store(database, "e1") is False


async def test_an_event_goes_when_its_time_is_over(database: Database) -> None:
    await store(database, "e1")

    assert await tidied(database, days=31) == {**NOTHING, BODIES: 1, EVENTS: 1}

    assert await database.read(rows) == {}


async def test_what_waits_stays_however_old_it_is(database: Database) -> None:
    await store(database, "e1", end=None)

    assert await tidied(database, days=4000) == NOTHING
    assert await database.read(bodies) == [BODY]


async def test_what_was_set_aside_can_be_tried_again_until_it_goes_as_a_whole(database: Database) -> None:
    await store(database, "e1", end=events.quarantine)

    assert await tidied(database, days=29) == NOTHING
    assert await database.read(bodies) == [BODY]
    assert await tidied(database, days=31) == {**NOTHING, EVENTS: 1}


async def resolved_item(database: Database, todo: str = "1") -> str:
    """An item with everything that can hang on one, resolved now."""
    snapshot = make_snapshot(key=f"getbill:main:debtor_request:{todo}")
    route = Route("r", slack=("C1",))
    await database.write(apply_fact, SourceReported(snapshot, NOW), NOW, (route,))
    item = await database.read(items.find_by_key, snapshot.key)
    assert item is not None
    click = Click(item.id, 1, "claim", Person(email="ar@creditor.example"), "mail", f"i{todo}", note="called Jane")
    token = Token(f"t{todo}", item.id, 1, "ar@creditor.example", "r", NOW, NOW)
    await database.write(actions.add, click, "done", None, NOW)
    await database.write(actions.add_token_once, token)
    await database.write(messages.save, item.id, PostedMessage("slack:C1", f"C1/{todo}", "r", 1, "open"), NOW)
    await database.write(apply_fact, SourceReported(replace(snapshot, is_open=False), NOW), NOW, (route,))
    return item.id


async def deliver_all(database: Database) -> None:
    for delivery in await database.write(outbox.claim, NOW, "c", 50, (), 50):
        await database.write(outbox.finish, delivery.id, "c", NOW)


async def test_a_resolved_item_goes_with_everything_that_hangs_on_it(database: Database) -> None:
    await resolved_item(database)
    await deliver_all(database)

    assert (await tidied(database, days=99))[ROWS] == 0
    before = await database.read(rows)
    counted = await tidied(database, days=101)

    assert {"item", "history", "action", "token", "message", "outbox"} <= set(before)
    assert counted[ROWS] == sum(before.values())
    assert await database.read(rows) == {}


async def test_an_item_that_is_open_or_has_something_to_tell_stays(database: Database) -> None:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ())
    await resolved_item(database, "2")

    assert (await tidied(database, days=4000))[ROWS] == 0


async def test_very_much_goes_too_and_never_in_one_write(database: Database) -> None:
    item_id = await resolved_item(database)
    await deliver_all(database)
    history, stored_events = metadata.tables["history"], metadata.tables["event"]
    line = {"item_id": item_id, "at": NOW, "fact": "PersonActed", "version": 1}
    event = {"source": "s", "account": "a", "headers": "{}", "body": b"x", "received_at": NOW, "due_at": NOW}

    def add(connection: Connection) -> None:
        connection.execute(insert(history), [line] * (2 * MAX_ROWS + 1))
        done = {"state": "done", "done_at": NOW}
        connection.execute(
            insert(stored_events), [event | done | {"event_id": str(n)} for n in range(2 * MAX_ROWS + 1)]
        )

    await database.write(add)

    class Counting:
        most = 0

        def __getattr__(self, name: str) -> object:
            return getattr(database, name)

        async def write(self, work: Callable[..., int], *args: object) -> int:
            erased = await database.write(work, *args)
            self.most = max(self.most, erased)
            return erased

    counting = Counting()
    adapters = replace_database(adapters_at(database, NOW + timedelta(days=101)), counting)
    counted, _ = await purge(adapters)

    assert (counted[BODIES], counted[EVENTS]) == (2 * MAX_ROWS + 1, 2 * MAX_ROWS + 1)
    assert counting.most == MAX_ROWS
    assert await database.read(rows) == {}


def replace_database(adapters: Adapters, database: object) -> Adapters:
    adapters.database = database  # type: ignore[assignment]  # fulfils what is asked of it here
    return adapters


async def test_a_pass_that_must_be_short_says_that_there_is_more(database: Database) -> None:
    for n in range(2):
        await resolved_item(database, str(n))
    await deliver_all(database)

    _, is_all = await purge(adapters_at(database, NOW + timedelta(days=101)), max_duration_s=0)

    assert not is_all
    assert len(await database.read(items.find_by_keys, [f"getbill:main:debtor_request:{n}" for n in range(2)])) == 1


async def test_a_delivery_about_no_one_item_goes_with_the_events_of_its_time(database: Database) -> None:
    await database.write(outbox.enqueue, None, "mail:cfo@creditor.example", Digest("weekly", NOW, "{}"), NOW)

    assert await tidied(database, days=31) == NOTHING, "it is still due"
    await deliver_all(database)

    assert await tidied(database, days=31) == {**NOTHING, DELIVERIES: 1}
    assert await database.read(rows) == {}


async def test_an_event_without_its_body_is_not_replayed(database: Database) -> None:
    await store(database, "e1")
    adapters = adapters_at(database, NOW)
    assert await replay(adapters, event_id="e1") == 1
    (row,) = await database.write(events.claim, ("getbill",), "main", NOW, "c", 1)
    await database.write(events.finish, [row.id], "c", NOW)
    await tidied(database, days=11)

    assert await replay(adapters, event_id="e1") == 0


def test_everything_that_hangs_on_an_item_goes_with_it() -> None:
    hanging = {
        table.name
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "item"
    }

    assert hanging == {table.name for table in retention._OF_AN_ITEM}


async def test_an_item_that_comes_back_after_it_was_forgotten_is_a_new_one(database: Database) -> None:
    first = await resolved_item(database)
    await deliver_all(database)
    await tidied(database, days=101)

    second = await resolved_item(database)

    assert first != second
