"""A burst of disputes within two minutes: number of reads, time until all are known, number of messages."""

from datetime import timedelta
from pathlib import Path

import pytest

from receiver.pipeline.ingest import drain
from receiver.store import events
from receiver.store.events import Arrival
from receiver.sync.reconcile import reconcile
from receiver.upstream.getbill.budget import READ
from tests.faults.much import times
from tests.flood import OVER, ROUTES, flood_on
from tests.getbill_side import command_for, key
from tests.office import office

pytestmark = pytest.mark.anyio

DISPUTES = times(1_000, 5_000)
MOST_READS = times(160, 300)


@pytest.mark.parametrize("about", [DISPUTES, DISPUTES // 25], ids=["each about another", "many about few"])
async def test_very_many_events_are_answered_within_one_sweep_and_ring_once_a_channel(
    tmp_path: Path, about: int
) -> None:
    async with office(tmp_path, ROUTES) as here:
        flood = flood_on(here)
        took_s = await flood.come(DISPUTES, about)
        reads = flood.reads()
        print(f"{flood.n_events} events, {reads} reads, all answered after {took_s:.0f} s")  # noqa: T201 - a figure

        assert len(flood.todos) >= about
        assert reads <= MOST_READS
        assert took_s <= 60
        assert len(here.posts()) == OVER + 1

        n_early = await flood.n_with_currency()
        for _ in range(15):
            await flood.step(120)
        assert await flood.n_with_currency() >= min(n_early + 150, len(flood.todos))
        assert len(here.posts()) == OVER + 1, "details filled in later ring nobody"
        assert here.posts("C0TASKS") == []
        assert await flood.getbill.execute(command_for(flood.todos[0]))

        flood.add(currency="CHF", reference="INV-LATER")
        await flood.step()
        assert [post for post in here.posts()[OVER + 1 :] if "INV-LATER" in str((post.text, post.blocks))]
        assert "INV-LATER" in str([(post.text, post.blocks) for post in here.posts("C0TASKS")])
        assert flood.statuses.keys() == {"200"}, "Getbill never had to refuse a read"
        assert flood.getbill.budget.remaining(READ) >= 50


async def test_an_event_that_waited_is_looked_at_though_a_pass_was_made_that_did_not_show_its_todo(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, ROUTES) as here:
        flood = flood_on(here)
        old = [flood.stand.add("portal_dispute") for _ in range(60)]
        await reconcile(flood.adapters, flood.getbill, is_full=True)
        here.at += timedelta(days=60)
        last = max(old, key=key)
        flood.stand.set_status(last["id"], "validated")
        arrival = Arrival("getbill", "main", "id:e-1", {}, flood.stand.event(last), here.at)
        await here.adapters.database.write_batched(events.append, arrival)
        here.at += timedelta(seconds=40)

        await reconcile(flood.adapters, flood.getbill)
        assert (await here.item(key(last))).state == "open", "too many are old: a pass reads a part of them"
        await drain(flood.adapters, "getbill", "main")

        assert (await here.item(key(last))).state == "resolved"
