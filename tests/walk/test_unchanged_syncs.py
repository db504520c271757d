"""A pass that finds everything as it was writes nothing to any item, and is believed all the same."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select

from casebell_sandbox.debitura import DebituraStand
from receiver.context import Adapters
from receiver.domain.fact import Fact, SourceGone, SourceReported
from receiver.domain.item import Item
from receiver.domain.ledger import Ignored
from receiver.domain.people import People
from receiver.domain.routing import Route
from receiver.observability import Metrics
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.ingest import apply_in_chunks
from receiver.ports import ChangeHint, SyncResult
from receiver.store import accounts, items
from receiver.store.database import Database
from receiver.store.schema import history, item, outbox
from receiver.sync.reconcile import Counts, reconcile
from receiver.upstream.debitura.client import Debitura
from tests.act_site import PlainTranslator
from tests.factories import make_rules
from tests.getbill_side import Watch

pytestmark = pytest.mark.anyio
ROUTES = (Route("all", slack=("C1",)),)
MAIN = ("debitura", "main")
CALM = Counts()


class Office:
    """One Debitura account with three tasks that wait, and a desk that reconciles it every minute."""

    def __init__(self, database: Database) -> None:
        self.clock = Watch()
        self.stand = DebituraStand(solve_after_s=60, clock=self.clock)
        self.tasks = [self.stand.add_task(kind) for kind in ("ReplyToChat", "Generic", "AssignBankAccount")]
        self.adapters = self.new_adapters(database)

    def new_adapters(self, database: Database) -> Adapters:
        account = Debitura(
            "main",
            "http://debitura.test",
            "debitura-key",
            poll_every_s=60,
            people=People(),
            now=self.clock,
            transport=httpx.ASGITransport(self.stand.app),
        )
        return Adapters(
            database, make_rules(routes=ROUTES), PlainTranslator(), Metrics(), upstreams={MAIN: account}, now=self.clock
        )

    async def passes(self, times: int = 1, adapters: Adapters | None = None) -> Counts:
        counts = CALM
        for _ in range(times):
            self.clock.move(seconds=60)
            counts = await reconcile(adapters or self.adapters, (adapters or self.adapters).upstreams[MAIN])
        return counts

    async def item(self, n: int) -> Item:
        found = await self.adapters.database.read(items.find_by_key, f"debitura:main:task:{self.tasks[n]['id']}")
        assert found is not None
        return found

    async def rows(self) -> list[Sequence[Any]]:
        def look(connection: Connection) -> list[Sequence[Any]]:
            return [tuple(row) for table in (item, history, outbox) for row in connection.execute(select(table))]

        return await self.adapters.database.read(look)

    async def looks(self, adapters: Adapters | None = None) -> None:
        """What an event makes the desk do."""
        adapters = adapters or self.adapters
        upstream = adapters.upstreams[MAIN]
        keys = await adapters.database.read(items.list_open_keys, *MAIN)
        await apply_in_chunks(adapters, await upstream.fetch([ChangeHint()], keys))


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


async def test_a_pass_that_finds_nothing_new_writes_to_no_item(office: Office) -> None:
    await office.passes()
    before = await office.rows()

    assert await office.passes(3) == CALM
    assert await office.rows() == before


async def test_older_words_are_refused_though_no_item_was_written_since(office: Office) -> None:
    await office.passes(3)
    known = await office.item(1)
    late = SourceReported(replace(known.snapshot, title="As it was"), office.clock() - timedelta(seconds=30))

    decision = await office.adapters.database.write(apply_fact, late, office.clock(), ROUTES)

    assert late.said_at > known.said_at
    assert decision == Ignored("older")


async def test_what_a_pass_heard_nothing_of_keeps_its_own_time(office: Office) -> None:
    await office.passes()
    known = await office.item(1)
    await office.adapters.database.write(
        accounts.advance_watermark, *MAIN, office.clock() + timedelta(hours=1), [known.key], office.clock()
    )
    newer = SourceReported(replace(known.snapshot, title="News"), office.clock() + timedelta(minutes=1))

    await office.adapters.database.write(apply_fact, newer, office.clock(), ROUTES)

    assert (await office.item(1)).snapshot.title == "News"


async def test_a_pass_that_heard_nothing_of_very_many_vouches_for_none(office: Office) -> None:
    await office.passes(2)
    unheard = [f"debitura:main:task:{n}" for n in range(accounts.MAX_MISSING + 1)]

    await office.adapters.database.write(accounts.advance_watermark, *MAIN, office.clock(), unheard, office.clock())

    assert await office.adapters.database.read(accounts.watermarks) == {}
    assert await office.passes(2) == CALM


async def test_a_task_that_changes_between_calm_passes_is_told(office: Office) -> None:
    await office.passes(3)
    office.tasks[1]["deadline"] = "2026-09-01T00:00:00"
    office.stand._tasks[office.tasks[1]["id"]]["deadline"] = "2026-09-01T00:00:00"

    assert await office.passes() == Counts(changed=1)
    assert (await office.item(1)).version == 2


async def test_a_task_that_is_solved_between_calm_passes_is_resolved(office: Office) -> None:
    await office.passes(3)
    office.stand.solve(office.tasks[1]["id"])

    counts = await office.passes()

    assert counts == Counts(resolved=1)
    assert (await office.item(1)).state == "resolved"


async def test_an_item_that_went_astray_here_is_told_again_by_the_next_pass(office: Office) -> None:
    await office.passes(3)
    known = await office.item(1)
    gone = SourceGone(known.key, office.clock() + timedelta(seconds=1), is_certain=True, outcome="solved")
    await office.adapters.database.write(apply_fact, gone, office.clock(), ROUTES)

    assert await office.passes() == Counts(reopened=1)


async def test_after_another_process_made_a_pass_everything_is_said_again(office: Office, database: Database) -> None:
    """It may have told something that we did not hear, such as a change that was taken back since."""
    await office.passes(3)
    deadline = office.tasks[1]["deadline"]
    for at in ("2026-09-01T00:00:00", deadline):
        office.stand._tasks[office.tasks[1]["id"]]["deadline"] = at
        if at != deadline:
            other = office.new_adapters(database)
            assert await office.passes(adapters=other) == Counts(changed=1)

    assert await office.passes() == Counts(changed=1)
    assert (await office.item(1)).version == 3


async def test_a_fact_that_broke_something_of_ours_is_said_again_at_the_next_pass(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.passes(2)
    office.stand._tasks[office.tasks[1]["id"]]["deadline"] = "2026-09-01T00:00:00"
    with monkeypatch.context() as broken:
        broken.setattr("receiver.pipeline.apply.items.save", _breaks)
        assert await office.passes() == CALM

    assert await office.passes() == Counts(changed=1)


def _breaks(connection: Connection, changed: Item) -> None:
    raise ValueError(f"{connection.dialect.name} cannot keep {changed.key}")


async def test_an_item_that_one_look_missed_is_not_missing_any_more_after_a_pass_that_shows_it(office: Office) -> None:
    await office.passes(3)
    hidden = office.stand._tasks.pop(office.tasks[1]["id"])
    office.clock.move(seconds=5)
    await office.looks()
    office.stand._tasks[office.tasks[1]["id"]] = hidden
    await office.passes(30)  # half an hour in which every pass shows it

    assert (await office.item(1)).is_missing is False


async def test_one_miss_long_after_another_resolves_nothing(office: Office) -> None:
    await office.passes(3)
    hidden = office.stand._tasks.pop(office.tasks[1]["id"])
    office.clock.move(seconds=5)
    await office.looks()
    office.stand._tasks[office.tasks[1]["id"]] = hidden
    await office.passes(30)
    office.stand._tasks.pop(office.tasks[1]["id"])
    assert await office.passes() == CALM  # the first miss in half an hour
    office.stand._tasks[office.tasks[1]["id"]] = hidden


async def test_a_chat_that_another_replicas_look_did_not_know_is_told_by_a_later_pass(
    office: Office, database: Database
) -> None:
    """The other replica looks while the pass is under way, with what it remembers of the case."""
    other = office.new_adapters(database)

    class Meanwhile(Debitura):
        is_on = False

        async def reconcile(self, *args: Any, **options: Any) -> SyncResult:
            found = await super().reconcile(*args, **options)
            if self.is_on:
                office.clock.move(seconds=1)
                await office.looks(other)
            return found

    account = Meanwhile(
        "main",
        "http://debitura.test",
        "debitura-key",
        poll_every_s=60,
        people=People(),
        now=office.clock,
        transport=httpx.ASGITransport(office.stand.app),
    )
    office.adapters.upstreams = {MAIN: account}
    await office.passes(5)
    await office.looks(other)  # five minutes later than the first pass
    office.stand._add_chat(office.tasks[0]["caseId"], 0, "Where is the contract?", {})
    await office.passes(5)
    account.is_on = True
    await office.passes()  # reads the chat anew, for ten minutes have passed
    account.is_on = False
    await office.passes(2)
    later = [line.text for line in (await office.item(0)).snapshot.conversation]

    assert "Where is the contract?" in later


async def test_passes_over_one_account_go_one_after_the_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """`casebell reconcile` while the loop's own pass is under way."""
    upstream, steps = office.adapters.upstreams[MAIN], list[str]()
    sweep = upstream.reconcile

    async def slow_sweep(open_keys: Collection[str], **options: Any) -> SyncResult:
        steps.append("asked")
        await asyncio.sleep(0.05)
        return await sweep(open_keys, **options)

    async def applied(adapters: Adapters, facts: Iterable[Fact]) -> tuple[dict[str, int], bool]:
        found = await apply_in_chunks(adapters, facts)
        steps.append("applied")
        return found

    monkeypatch.setattr(upstream, "reconcile", slow_sweep)
    monkeypatch.setattr("receiver.sync.reconcile.apply_in_chunks", applied)
    await asyncio.gather(reconcile(office.adapters, upstream), reconcile(office.adapters, upstream))

    assert steps == ["asked", "applied"] * 2


async def test_a_pass_that_is_told_late_makes_no_time_go_back(office: Office) -> None:
    await office.passes(2)
    last = (await office.adapters.database.read(accounts.watermarks))[MAIN]
    await office.adapters.database.write(
        accounts.advance_watermark, *MAIN, last.as_of - timedelta(hours=1), (), office.clock()
    )

    assert (await office.adapters.database.read(accounts.watermarks))[MAIN] == last
