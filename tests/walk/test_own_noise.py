"""Casebell's own noise: a whole life of an item is one message, and what opens again rings once, not at night."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.office import ROUTE, Office, office
from tests.walk.test_turning_clock import NIGHT, QUIET, did

pytestmark = pytest.mark.anyio


async def live(here: Office, at_its_end: datetime | None = None) -> None:
    """Opened, changed, claimed, released, resolved, and opened again."""
    item = await here.say("INV-1", urgency="review")
    await here.show(replace(item.snapshot, title="Other words"))
    for verb in ("claim", "release"):
        await did(here, item, verb)
    await here.wait(minutes=5)
    await here.show(replace(item.snapshot, is_open=False, outcome="rejected"))
    here.at = at_its_end or here.at
    await here.wait(minutes=5)
    await here.show(item.snapshot)


async def test_a_whole_life_is_one_message_and_one_ring_when_it_opens_again(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTE) as here:
        await live(here)

        (root,) = here.posts()
        (again,) = here.replies()
        assert root.edits >= 3
        assert (again.thread_ts, again.is_broadcast) == (root.ts, True)
        assert again.text.startswith("This is open again. ")


async def test_what_opens_again_in_the_night_is_said_without_ringing(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTE + QUIET, datetime.fromisoformat("2026-03-06T15:00+01:00")) as here:
        await live(here, NIGHT)

        (again,) = here.replies()
        assert again.text.startswith("This is open again. ")
        assert not again.is_broadcast
