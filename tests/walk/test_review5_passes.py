"""What a pass leaves out although the ledger does not hold it (review 5)."""

import asyncio

import httpx
import pytest

from receiver.ingest import apply_in_chunks
from receiver.ports import Hint
from receiver.reconcile import Counts, reconcile
from receiver.domain.people import People
from receiver.store import items
from receiver.store.database import Database
from receiver.upstream.debitura.client import Debitura
from tests.walk.test_calm_passes import CALM, MAIN, Office, office  # noqa: F401

pytestmark = pytest.mark.anyio


async def look(desk, hint: Hint = Hint()) -> None:
    upstream = desk.upstreams[MAIN]
    keys = await desk.database.read(items.open_keys, *MAIN)
    await apply_in_chunks(desk, await upstream.look([hint], keys))


async def test_an_item_that_one_look_missed_is_not_missing_any_more_after_a_pass_that_shows_it(office: Office) -> None:
    await office.passes(3)
    hidden = office.stand._tasks.pop(office.tasks[1]["id"])
    office.clock.move(seconds=5)
    await look(office.desk)
    office.stand._tasks[office.tasks[1]["id"]] = hidden
    await office.passes(30)  # half an hour in which every pass shows it

    assert (await office.item(1)).is_missing is False

async def test_one_miss_long_after_another_resolves_nothing(office: Office) -> None:
    await office.passes(3)
    hidden = office.stand._tasks.pop(office.tasks[1]["id"])
    office.clock.move(seconds=5)
    await look(office.desk)
    office.stand._tasks[office.tasks[1]["id"]] = hidden
    await office.passes(30)
    office.stand._tasks.pop(office.tasks[1]["id"])
    assert await office.passes() == CALM  # the first miss in half an hour
    office.stand._tasks[office.tasks[1]["id"]] = hidden


async def test_a_chat_that_another_replicas_look_did_not_know_is_told_by_a_later_pass(
    office: Office, database: Database
) -> None:
    """The other replica looks while the pass is under way, with what it remembers of the case."""
    other = office.new_desk(database)

    class Meanwhile(Debitura):
        is_on = False

        async def sweep(self, *args, **options):
            found = await super().sweep(*args, **options)
            if self.is_on:
                office.clock.move(seconds=1)
                await look(other)
            return found

    account = Meanwhile(
        "main", "http://debitura.test", "debitura-key", poll_every_s=60, people=People(), now=office.clock,
        transport=httpx.ASGITransport(office.stand.app),
    )  # fmt: skip
    office.desk.upstreams = {MAIN: account}
    await office.passes(5)
    await look(other)  # five minutes later than the first pass
    office.stand._say(office.tasks[0]["caseId"], 0, "Where is the contract?", {})
    await office.passes(5)
    account.is_on = True
    await office.passes()  # reads the chat anew, for ten minutes have passed
    account.is_on = False
    told = [line.text for line in (await office.item(0)).snapshot.conversation]
    await office.passes(300)  # five hours
    later = [line.text for line in (await office.item(0)).snapshot.conversation]

    assert "Where is the contract?" in later, (told, later)


async def test_two_passes_of_one_process_side_by_side_lose_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`casebell reconcile` while the loop's own pass is under way; the second began before the first had applied."""
    await office.passes(3)
    has_begun, is_over, calls = asyncio.Event(), asyncio.Event(), []

    async def apply(desk, facts):
        calls.append(1)
        if len(calls) == 1:
            await has_begun.wait()
            try:
                return await apply_in_chunks(desk, facts)
            finally:
                is_over.set()
        has_begun.set()
        await is_over.wait()
        await asyncio.sleep(0.1)
        return await apply_in_chunks(desk, facts)

    monkeypatch.setattr("receiver.reconcile.apply_in_chunks", apply)
    office.stand._tasks[office.tasks[1]["id"]]["deadline"] = "2026-09-01T00:00:00"
    upstream = office.desk.upstreams[MAIN]

    def ticking():
        office.clock.move(seconds=0.001)
        return office.clock()

    monkeypatch.setattr(upstream, "_now", ticking)
    real, is_asked_twice, asked = upstream._pass, asyncio.Event(), []

    async def slow_pass(*args, **options):
        """The first takes so long that the second is asked meanwhile, and waits for it."""
        asked.append(1)
        if len(asked) == 1:
            await is_asked_twice.wait()
        else:
            is_asked_twice.set()
            await asyncio.sleep(0.01)
        return await real(*args, **options)

    monkeypatch.setattr(upstream, "_pass", slow_pass)
    await asyncio.gather(reconcile(office.desk, upstream), reconcile(office.desk, upstream))
    monkeypatch.undo()
    await office.passes(300)

    assert (await office.item(1)).version == 2
