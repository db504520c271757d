"""Storms whose channel or clock was away, and changes that come while their rows are looked at."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from receiver.alerting.monitor import watch
from receiver.domain.fact import SourceReported
from receiver.operations.retention import repair_timestamps
from receiver.pipeline.apply import apply_fact
from receiver.store import claim_policy, groups
from receiver.store.claim_policy import Batch
from receiver.store.database import Database
from tests.factories import NOW, make_snapshot
from tests.office import office
from tests.store.alert_groups import PACES, ROOM, ROUTES, at
from tests.store.alert_groups import come as come_in
from tests.store.alert_groups import key as key_of
from tests.walk.alerts import BURST, come, decided, turn

pytestmark = pytest.mark.anyio


async def test_a_storm_that_was_decided_while_its_channel_was_away_rings_nobody(tmp_path: Path) -> None:
    async with office(tmp_path, BURST.format(over=3)) as here:
        here.slack.channels["C0DISPUTES"]["is_archived"] = True
        await come(here, *range(9))
        await turn(here)
        await watch(here.adapters, NOW)
        await turn(here)
        await decided(here, *range(9))
        await turn(here)
        here.slack.channels["C0DISPUTES"]["is_archived"] = False
        for _ in range(6):
            here.at += timedelta(minutes=6)
            await turn(here)
            await watch(here.adapters, NOW)
            await turn(here)

        assert [post.text for post in here.posts()] == []


async def test_a_change_while_its_row_is_swept_counts_once(database: Database) -> None:
    await come_in(database, *range(5))

    def slow_take(connection: Connection) -> Batch:
        taken = claim_policy.claim_batch(connection, at(0), "c", ROOM, PACES)
        time.sleep(0.7)
        return taken

    taking = asyncio.create_task(database.write(slow_take))
    await asyncio.sleep(0.3)
    changed = SourceReported(make_snapshot(key=key_of(4), title="Another title"), at(1))
    await database.write(apply_fact, changed, at(1), ROUTES)
    await taking
    await database.write(claim_policy.claim_batch, at(2), "d", ROOM, PACES)

    found = [item.key for item in await database.read(groups.list_items, 1)]
    assert len(found) == len(set(found))


async def test_after_the_clock_was_set_back_a_lonely_alert_rings(tmp_path: Path) -> None:
    async with office(tmp_path, BURST.format(over=3)) as here:
        await come(here, *range(6))
        await turn(here)
        before = len(here.posts())
        here.at -= timedelta(minutes=110)  # two hours back, and nothing came for ten minutes
        await come(here, 50)
        below = len(here.replies())
        await repair_timestamps(here.adapters)
        await turn(here)
        here.at += timedelta(minutes=1)
        await repair_timestamps(here.adapters)
        await turn(here)

        assert (len(here.posts()), len(here.replies())) == (before + 1, below)
