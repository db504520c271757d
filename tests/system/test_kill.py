"""``kill -9`` at each named point of the way: everything acknowledged is told, and nothing is told twice in silence."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, select

from receiver.store import events
from receiver.store.schema import event as event_table
from tests.harness import World, eventually, world
from tests.person import buttons, posted, press, words

WAY = [
    ("before", "events.append"),  # verified, not stored: not acknowledged either
    ("after", "events.append"),  # stored and committed, not answered
    ("after", "events.claim"),
    ("before", "automations.apply_with_automations"),  # understood, not applied
    ("after", "automations.apply_with_automations"),  # applied, the inbox row still claimed
    ("before", "events.finish"),
    ("after", "claim_policy.claim_batch"),  # claimed, nothing sent
    ("before", "messages._finish"),  # Slack has answered, the row does not know
    ("after", "messages._finish"),
]


@pytest.mark.parametrize(("when", "work"), WAY, ids=[f"{when} {work}" for when, work in WAY])
def test_a_dispute_survives_a_kill(tmp_path: Path, when: str, work: str) -> None:
    with world(tmp_path, is_started=False, getbill_poll="1h") as here:
        todo = here.getbill.add("portal_dispute", reference="INV-KILL-1")
        here.service.start_deadly(when, work)
        event = here.getbill.event(todo, event_id="kill-1")
        here.send_until_dead(event)

        here.service.start()
        here.getbill_event(event)  # as a sender without an answer would

        message = posted(here, "C0DISPUTES", "INV-KILL-1")
        press(here, message, "validate")
        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told")
        eventually(lambda: all(not buttons(m) for m in here.posts("C0DISPUTES")), "every message to show it", 120)


CLICKS = [
    ("after", "events.append"),
    ("before", "ingest._take_and_finish"),
    ("after", "ingest._take_and_finish"),
    ("before", "commands._finish"),  # Getbill has done it, the row does not know
    ("after", "commands._finish"),
]


@pytest.mark.parametrize(("when", "work"), CLICKS, ids=[f"{when} {work}" for when, work in CLICKS])
def test_a_press_survives_a_kill(tmp_path: Path, when: str, work: str) -> None:
    with world(tmp_path, getbill_poll="1h") as here:
        todo = here.dispute(reference="INV-KILL-2")
        message = posted(here, "C0DISPUTES", "INV-KILL-2")
        eventually(here.service.items, "the item")
        here.service.stop()
        here.service.start_deadly(when, work)
        asyncio.run(_press_until_dead(here, message.channel, message.ts))

        here.service.start()

        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told", 120)
        eventually(lambda: not buttons(message) and "Anna" in words(message), "the message to say who", 120)
        assert len([c for c in here.getbill.faults.calls if c.method == "PUT"]) == 1


async def _press_until_dead(here: World, channel: str, ts: str) -> None:
    with suppress(httpx.TransportError):
        await here.slack.click(channel, ts, "validate", user="U0ANNA")
    await asyncio.to_thread(eventually, lambda: not here.service.is_running(), "the service to die at the named point")


def test_a_payload_that_kills_the_process_is_set_aside_in_the_end(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False, getbill_poll="1h", debitura_poll="1h") as here:
        todo = here.getbill.add("portal_dispute", reference="INV-KILL-3")
        here.service.start_deadly("before", "events.finish")
        here.send_until_dead(here.getbill.event(todo, event_id="kill-3"))
        deaths = 1
        while not _survives(here):
            deaths += 1
            assert deaths <= events.MAX_ATTEMPTS + 2

        listed = json.loads(here.service.command("events", "--state", "quarantined", "--json").stdout)

    assert [event["event_id"] for event in listed] == ["id:kill-3"]
    assert deaths >= events.MAX_ATTEMPTS


def _survives(here: World) -> bool:
    """Start it once more: whether it lives, for the event is set aside."""
    try:
        here.service.start_deadly("before", "events.finish", from_start=True)
    except AssertionError:  # dead before it was ready
        return False
    eventually(lambda: _is_set_aside(here) or not here.service.is_running(), "the service to die, or not to")
    return here.service.is_running()


def _is_set_aside(here: World) -> bool:
    engine = create_engine(here.service.database_url)
    with engine.connect() as connection:
        states = connection.execute(select(event_table.c.state)).scalars().all()
    engine.dispose()
    return states == ["quarantined"]
