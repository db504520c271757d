"""Steps 7 and 9 when things end badly: what was perhaps said is said to be so, and the newest is what stays."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.domain.fact import SourceReported
from receiver.domain.item import Item
from receiver.domain.people import Person
from receiver.errors import RetryLaterError
from receiver.pipeline.actions import take_action
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.deliver.claims import deliver
from receiver.ports import Delivered, Notifier
from receiver.store import items, messages, outbox
from receiver.store.database import Database
from receiver.store.messages import PostedMessage
from receiver.store.outbox import Delivery
from receiver.store.payloads import Show
from receiver.store.schema import outbox as outbox_table
from tests.adapters.slack_wire import OK, http, no, slack
from tests.factories import NOW, make_snapshot
from tests.walk.delivering import ROUTES, adapters_of

pytestmark = pytest.mark.anyio

ANNA = Person(email="anna@creditor.example", name="Anna")


class FailsOnce:
    """A store that cannot commit one piece of work, once, and is well again at once."""

    def __init__(self, database: Database, work: str) -> None:
        self._database = database
        self._work: str | None = work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, work: Callable[..., Any], *args: Any) -> Any:
        if getattr(work, "func", work).__name__ == self._work:
            self._work = None
            raise RetryLaterError("store_unavailable", "the disk is full")
        return await self._database.write(work, *args)


class Late:
    """A notifier whose first drawing gets to Slack when it may, with what it knew when it began."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self.has_begun, self.may_go_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._notifier, name)

    async def deliver(self, *told: Any) -> Delivered:
        if not self.has_begun.is_set():
            self.has_begun.set()
            await self.may_go_on.wait()
        return await self._notifier.deliver(*told)


async def opened(database: Database) -> Item:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)
    return await current(database)


async def current(database: Database) -> Item:
    item = await database.read(items.find_by_key, make_snapshot().key)
    assert item is not None
    return item


async def changed(database: Database, title: str) -> Item:
    await database.write(apply_fact, SourceReported(make_snapshot(title=title), NOW), NOW, ROUTES)
    return await current(database)


async def claimed(database: Database, claim_id: str, seconds: float = 0) -> list[Delivery]:
    now = NOW + timedelta(seconds=seconds)
    return await database.write(outbox.claim, now, claim_id, 50, (), 4)


async def deliver_all(adapters: Adapters, claim_id: str, seconds: float = 0) -> None:
    for row in await claimed(adapters.database, claim_id, seconds):
        await deliver(adapters, row, claim_id)


async def test_a_post_is_written_down_as_soon_as_the_store_is_back_and_not_repeated(database: Database) -> None:
    item = await opened(database)
    (row,) = await claimed(database, "c1")
    async with slack() as wire, adapters_of(FailsOnce(database, "_finish"), wire) as adapters:
        await deliver(adapters, row, "c1")
        again = await claimed(database, "c2", seconds=1_000)

    assert wire.methods == ["chat.postMessage"]
    assert again == []
    assert len(await database.read(messages.list_of_item, item.id)) == 1


async def test_a_post_that_could_not_be_written_down_before_the_end_is_repeated_with_a_word_that_it_may_be(
    database: Database,
) -> None:
    await opened(database)
    (row,) = await claimed(database, "c1")
    async with slack() as wire, adapters_of(FailsOnce(database, "_finish"), wire) as adapters:
        adapters.is_draining = True
        await deliver(adapters, row, "c1")
        (again,) = await claimed(database, "c2", seconds=60)

    assert wire.methods == ["chat.postMessage"]
    assert again.maybe_delivered


async def test_a_delivery_this_program_does_not_know_is_put_back_and_ends(database: Database) -> None:
    item = await opened(database)
    row = outbox.row_values(item.id, "slack:C9", Show(), NOW) | {"what": "telegram"}
    await database.write(outbox.enqueue_all, [row])
    async with slack() as wire, adapters_of(database, wire) as adapters:
        await deliver_all(adapters, "c1")

    def held(connection: Connection) -> list[Any]:
        return list(connection.execute(select(outbox_table.c.id).where(outbox_table.c.claim_id.is_not(None))))

    assert await database.read(held) == []


async def test_an_old_drawing_that_arrives_last_is_drawn_over(database: Database) -> None:
    item = await opened(database)
    await database.write(messages.save, item.id, PostedMessage("slack:C1", "C1/171.2", "disputes", 0, "open"), NOW)
    (slow,) = await claimed(database, "c1")
    async with slack() as wire, adapters_of(database, wire) as adapters:
        late = Late(adapters.notifiers["slack"])
        adapters.notifiers = {"slack": late}
        drawing = asyncio.create_task(deliver(adapters, slow, "c1"))
        await late.has_begun.wait()
        await changed(database, "newer words")
        await deliver_all(adapters, "c2", seconds=100)  # the first one's lease has run out
        late.may_go_on.set()
        await drawing
        await deliver_all(adapters, "c3", seconds=101)

    assert ["newer words" in str(told) for _, told in wire.calls] == [True, False, True]


async def test_what_was_posted_anew_is_kept_when_another_message_cannot_be_drawn(database: Database) -> None:
    item = await opened(database)
    for reference in ("C1/1.0", "C1/2.0"):
        await database.write(messages.save, item.id, PostedMessage("slack:C1", reference, "disputes", 0, "open"), NOW)
    (row,) = await claimed(database, "c1")
    answers = [no("message_not_found"), http(OK | {"ts": "9.0"}), http(b"", 500)]
    async with slack(*answers) as wire, adapters_of(database, wire) as adapters:
        await deliver(adapters, row, "c1")

    assert wire.methods == ["chat.update", "chat.postMessage", "chat.update"]
    found = await database.read(messages.list_of_item, item.id)
    assert sorted(shown.reference for shown in found) == ["C1/2.0", "C1/9.0"]


async def test_a_message_that_may_be_a_second_copy_still_says_so_when_it_is_redrawn(database: Database) -> None:
    await opened(database)
    (row,) = await claimed(database, "c1")
    async with slack() as wire, adapters_of(FailsOnce(database, "_finish"), wire) as adapters:
        adapters.is_draining = True
        await deliver(adapters, row, "c1")  # posted, and not written down
        await deliver_all(adapters, "c2", seconds=60)
        await changed(database, "newer words")
        await deliver_all(adapters, "c3", seconds=61)

    assert wire.methods == ["chat.postMessage", "chat.postMessage", "chat.update"]
    assert ["may appear twice" in str(told) for _, told in wire.calls] == [False, True, True]


async def test_of_two_copies_that_are_known_both_say_so(database: Database) -> None:
    item = await opened(database)
    for reference in ("C1/1.0", "C1/2.0"):
        await database.write(messages.save, item.id, PostedMessage("slack:C1", reference, "disputes", 0, "open"), NOW)
    async with slack() as wire, adapters_of(database, wire) as adapters:
        await deliver_all(adapters, "c1")

    assert wire.methods == ["chat.update", "chat.update"]
    assert ["may appear twice" in str(told) for _, told in wire.calls] == [True, True]


async def test_a_press_on_a_message_that_shows_old_words_has_it_redrawn(database: Database) -> None:
    item = await opened(database)
    newer = await changed(database, "newer words")
    await database.write(
        messages.save, item.id, PostedMessage("slack:C1", "C1/171.2", "disputes", newer.version, "open"), NOW
    )
    async with slack() as wire, adapters_of(database, wire) as adapters:
        await deliver_all(adapters, "c0")
        drawn = len(wire.calls)
        click = Click(item.id, item.version, "validate", ANNA, "slack", "p1", shown_at="slack:C1/171.2")
        await database.write(take_action, click, NOW, ROUTES, adapters.rules.people)
        await deliver_all(adapters, "c1")

    assert drawn == 0
    assert wire.methods == ["chat.update"]
