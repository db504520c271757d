"""A pass that finds everything as it was writes nothing to any item, and is believed all the same."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select

from receiver.apply import apply_fact
from receiver.desk import Desk
from receiver.domain.fact import SourceGone, SourceSaid
from receiver.domain.item import Item
from receiver.domain.ledger import Ignored
from receiver.domain.people import People
from receiver.domain.routing import Route
from receiver.domain.token import Tokens
from receiver.observe import Metrics
from receiver.reconcile import Counts, reconcile
from receiver.sandbox.debitura import DebituraStand
from receiver.store import items, passes
from receiver.store.database import Database
from receiver.store.schema import history, item, outbox
from receiver.upstream.debitura.client import Debitura
from tests.act_site import PlainTeller
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
        self.desk = self.new_desk(database)

    def new_desk(self, database: Database) -> Desk:
        account = Debitura(
            "main", "http://debitura.test", "debitura-key", poll_every_s=60, people=People(), now=self.clock,
            transport=httpx.ASGITransport(self.stand.app),
        )  # fmt: skip
        return Desk(
            database, ROUTES, People(), Tokens(["a key of sixteen characters"]), PlainTeller(), Metrics(), "",
            upstreams={MAIN: account}, now=self.clock,
        )  # fmt: skip

    async def passes(self, times: int = 1, desk: Desk | None = None) -> Counts:
        counts = CALM
        for _ in range(times):
            self.clock.move(seconds=60)
            counts = await reconcile(desk or self.desk, (desk or self.desk).upstreams[MAIN])
        return counts

    async def item(self, n: int) -> Item:
        found = await self.desk.database.read(items.by_key, f"debitura:main:task:{self.tasks[n]['id']}")
        assert found is not None
        return found

    async def rows(self) -> list[Sequence[Any]]:
        def look(connection: Connection) -> list[Sequence[Any]]:
            return [tuple(row) for table in (item, history, outbox) for row in connection.execute(select(table))]

        return await self.desk.database.read(look)


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
    late = SourceSaid(replace(known.snapshot, title="As it was"), office.clock() - timedelta(seconds=30))

    decision = await office.desk.database.write(apply_fact, late, office.clock(), ROUTES)

    assert late.said_at > known.said_at
    assert decision == Ignored("older")


async def test_what_a_pass_heard_nothing_of_keeps_its_own_time(office: Office) -> None:
    await office.passes()
    known = await office.item(1)
    await office.desk.database.write(passes.begin, *MAIN, office.clock() + timedelta(hours=1), [known.key])
    newer = SourceSaid(replace(known.snapshot, title="News"), office.clock() + timedelta(minutes=1))

    await office.desk.database.write(apply_fact, newer, office.clock(), ROUTES)

    assert (await office.item(1)).snapshot.title == "News"


async def test_a_pass_that_heard_nothing_of_very_many_vouches_for_none(office: Office) -> None:
    await office.passes(2)
    unheard = [f"debitura:main:task:{n}" for n in range(passes.MOST_UNHEARD + 1)]

    await office.desk.database.write(passes.begin, *MAIN, office.clock(), unheard)

    assert await office.desk.database.read(passes.last) == {}
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
    await office.desk.database.write(apply_fact, gone, office.clock(), ROUTES)

    assert await office.passes() == Counts(reopened=1)


async def test_after_another_process_made_a_pass_everything_is_said_again(office: Office, database: Database) -> None:
    """It may have told something that we did not hear, such as a change that was taken back since."""
    await office.passes(3)
    deadline = office.tasks[1]["deadline"]
    for at in ("2026-09-01T00:00:00", deadline):
        office.stand._tasks[office.tasks[1]["id"]]["deadline"] = at
        if at != deadline:
            other = office.new_desk(database)
            assert await office.passes(desk=other) == Counts(changed=1)

    assert await office.passes() == Counts(changed=1)
    assert (await office.item(1)).version == 3


async def test_a_fact_that_broke_something_of_ours_is_said_again_at_the_next_pass(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.passes(2)
    office.stand._tasks[office.tasks[1]["id"]]["deadline"] = "2026-09-01T00:00:00"
    with monkeypatch.context() as broken:
        broken.setattr("receiver.apply.items.save", _breaks)
        assert await office.passes() == CALM

    assert await office.passes() == Counts(changed=1)


def _breaks(connection: Connection, changed: Item) -> None:
    raise ValueError(f"{connection.dialect.name} cannot keep {changed.key}")
