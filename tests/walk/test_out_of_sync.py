"""Every copy shows the item as it is, whoever changed it; what does not is counted, and tried again until it does."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.domain.fact import SourceGone, SourceReported
from receiver.domain.item import Item
from receiver.domain.people import People, Person
from receiver.jobs.repair import repair
from receiver.pipeline.actions import Taken, take_action
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.deliver.attempt import Outcome
from receiver.pipeline.deliver.claims import deliver
from receiver.store import items, messages, outbox
from receiver.store.database import Database
from receiver.store.messages import PostedMessage
from receiver.store.schema import outbox as outbox_table
from tests.adapters.slack_wire import HANG_UP, OK, http, no, slack
from tests.factories import NOW, make_snapshot
from tests.walk.delivering import ROUTES, adapters_of

pytestmark = pytest.mark.anyio
KEY = make_snapshot().key
PEOPLE = People(resolvers=frozenset({"@creditor.example"}))


async def told(database: Database, title: str = "Invoice disputed") -> Item:
    await database.write(apply_fact, SourceReported(make_snapshot(title=title), NOW), NOW, ROUTES)
    return await item_of(database)


async def item_of(database: Database) -> Item:
    item = await database.read(items.find_by_key, KEY)
    assert item is not None
    return item


async def resolved(database: Database) -> None:
    await database.write(apply_fact, SourceGone(KEY, NOW, outcome="validated"), NOW, ROUTES)


async def leave(adapters: Adapters, minutes: float = 0) -> list[Outcome]:
    """All that is due by then is tried once."""
    now = NOW + timedelta(minutes=minutes)
    adapters.now = lambda: now
    rows = await adapters.database.write(outbox.claim, now, f"c{minutes}", 50, (), 4)
    return [await deliver(adapters, row, f"c{minutes}") for row in rows]


async def states(database: Database) -> list[str]:
    def look(connection: Connection) -> list[str]:
        return list(connection.execute(select(outbox_table.c.state).order_by(outbox_table.c.id)).scalars())

    return await database.read(look)


async def test_a_press_outside_slack_redraws_every_copy_in_every_channel(database: Database) -> None:
    item = await told(database)
    for place in ("slack:C1", "slack:C2"):
        await database.write(
            messages.save, item.id, PostedMessage(place, f"{place[6:]}/1.0", "disputes", 1, "open"), NOW
        )
    async with slack() as wire, adapters_of(database, wire) as adapters:
        await leave(adapters)
        click = Click(item.id, item.version, "claim", Person(email="anna@creditor.example"), "cli", "p1")
        taken = await database.write(take_action, click, NOW, ROUTES, PEOPLE)
        behind = await database.read(messages.count_outdated)
        await leave(adapters, 1)

    assert isinstance(taken, Taken)
    assert behind == 2
    assert await database.read(messages.count_outdated) == 0
    assert sorted(call["channel"] for method, call in wire.calls if method == "chat.update") == ["C1", "C2"]


async def test_an_edit_that_died_is_tried_again_later_in_its_own_row_until_it_passes(database: Database) -> None:
    await told(database)
    answers = [http(OK), no("invalid_arguments"), no("invalid_arguments"), http(OK)]
    async with slack(*answers) as wire, adapters_of(database, wire) as adapters:
        await leave(adapters)
        await told(database, "newer words")
        died = await leave(adapters, 1)
        behind = await database.read(messages.count_outdated)
        soon = await repair(adapters)
        await leave(adapters, 12)
        later = await repair(adapters)
        again = await leave(adapters, 12.1)
        too_soon = await repair(adapters)
        await leave(adapters, 40)
        at_last = await repair(adapters)
        passed = await leave(adapters, 40.1)

    assert [ended.result for ended in (*died, *again, *passed)] == ["dead", "dead", "done"]
    assert (behind, soon, later, too_soon, at_last) == (1, 0, 1, 0, 1)
    assert await database.read(messages.count_outdated) == 0
    assert await states(database) == ["done", "done"]
    assert "newer words" in str(wire.calls[-1])


async def test_a_message_that_waits_to_be_redrawn_anyway_is_left_to_that(database: Database) -> None:
    await told(database)
    async with slack() as wire, adapters_of(database, wire) as adapters:
        await leave(adapters)
        await told(database, "newer words")
        adapters.now = lambda: NOW + timedelta(hours=1)

        assert await repair(adapters) == 0


async def test_a_message_nobody_is_going_to_redraw_is_found(database: Database) -> None:
    item = await told(database)
    async with slack() as wire, adapters_of(database, wire) as adapters:
        await leave(adapters)
        await database.write(messages.mark_unknown, item.id, "slack:C1", "C1/171.2")
        adapters.now = lambda: NOW + timedelta(hours=1)
        found = await repair(adapters)
        await leave(adapters, 61)

    assert found == 1
    assert await database.read(messages.count_outdated) == 0


async def test_a_message_somebody_deleted_stands_again_while_there_is_something_to_decide(database: Database) -> None:
    item = await told(database)
    async with (
        slack(http(OK), no("message_not_found"), http(OK | {"ts": "9.0"})) as wire,
        adapters_of(database, wire) as d,
    ):
        await leave(d)
        await told(database, "newer words")
        await leave(d, 1)

    (shown,) = await database.read(messages.list_of_item, item.id)
    assert (shown.reference, shown.maybe_delivered) == ("C1/9.0", False)
    assert wire.methods == ["chat.postMessage", "chat.update", "chat.postMessage"]


async def test_a_message_somebody_deleted_is_not_posted_again_to_say_it_is_over(database: Database) -> None:
    item = await told(database)
    async with slack(http(OK), no("message_not_found")) as wire, adapters_of(database, wire) as adapters:
        await leave(adapters)
        await resolved(database)
        ended = await leave(adapters, 1)

    assert [one.result for one in ended] == ["done"]
    assert wire.methods == ["chat.postMessage", "chat.update"]
    assert await database.read(messages.list_of_item, item.id) == []
    assert await database.read(messages.count_outdated) == 0


@pytest.mark.parametrize("code", ["cant_update_message", "edit_window_closed"])
async def test_below_a_message_nobody_may_edit_any_more_it_is_said_that_it_is_over(
    database: Database, code: str
) -> None:
    await told(database)
    async with slack(http(OK), no(code)) as wire, adapters_of(database, wire) as adapters:
        await leave(adapters)
        await resolved(database)
        await leave(adapters, 1)

    assert wire.methods == ["chat.postMessage", "chat.update", "chat.postMessage"]
    assert wire.calls[-1][1]["thread_ts"] == "171.2"
    assert await database.read(messages.count_outdated) == 0


async def test_what_is_posted_anew_for_a_deleted_message_says_so_when_it_may_be_a_second_copy(
    database: Database,
) -> None:
    item = await told(database)
    answers = [http(OK), no("message_not_found"), HANG_UP, no("message_not_found"), http(OK | {"ts": "9.0"})]
    async with slack(*answers) as wire, adapters_of(database, wire) as adapters:
        await leave(adapters)
        await told(database, "newer words")
        first = await leave(adapters, 1)
        second = await leave(adapters, 10)

    assert [ended.result for ended in (*first, *second)] == ["uncertain", "done"]
    posts = [str(call) for method, call in wire.calls if method == "chat.postMessage"]
    assert ["may appear twice" in post for post in posts] == [False, False, True]
    (shown,) = await database.read(messages.list_of_item, item.id)
    assert shown.maybe_delivered
