"""Casebell's own noise: a whole life of an item is one message, and what opens again rings once, not at night."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.office import ROUTE, Office, office
from tests.walk.nights import NIGHT, QUIET, did

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


async def test_a_reminder_and_an_escalation_that_fall_into_quiet_hours_wait_for_their_end(tmp_path: Path) -> None:
    route = (
        ROUTE
        + 'remind_after = ["30m"]\nescalate_to = { slack = ["C0ESCALATE"], after = "1h" }\n'
        + 'quiet_hours = { from = "15:00", to = "08:00" }\n'
    )
    async with office(tmp_path, route, datetime.fromisoformat("2026-03-05T14:30+01:00")) as here:
        await here.say("INV-1", urgency="review")
        await here.wait(minutes=75)
        at_night = [*here.replies(), *here.posts("C0ESCALATE")]
        await here.until("2026-03-06T08:00+01:00")

        assert at_night == []
        assert (len(here.replies()), len(here.posts("C0ESCALATE"))) == (1, 1)
