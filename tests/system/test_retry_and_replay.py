"""What failed, what was set aside and what was stopped: seen and retried with the commands."""

import json
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness import World, eventually, world
from tests.person import LOOKS_AGAIN_S, buttons, is_about, posted, press, words


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("second-chance"), getbill_poll="1h", debitura_poll="1h") as made:
        yield made


def deliveries(here: World, state: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(here.service.command("deliveries", "--state", state, "--json").stdout)
    return listed


def of(todo: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those about one dispute: what other tests left behind is theirs."""
    return [row for row in rows if row["key"] and row["key"].endswith(f":{todo['id']}")]


def events(here: World, state: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(here.service.command("events", "--state", state, "--json").stdout)
    return listed


def about(here: World, channel: str, reference: str) -> list[Any]:
    return [message for message in here.posts(channel) if is_about(reference, words(message))]


def test_an_archived_channel_kills_its_message_and_a_retry_brings_it(here: World) -> None:
    here.slack.channels["C0DISPUTES"]["is_archived"] = True
    todo = here.dispute(reference="INV-DEAD-1")
    here.debitura.add_task("ReplyToChat", "Are you there?", reference="INV-DEAD-2")
    here.service.command("reconcile")

    posted(here, "C0TASKS", "INV-DEAD-2")  # the other channel is well
    eventually(lambda: here.mail.messages, "mail, which is well too")
    (dead,) = eventually(lambda: of(todo, deliveries(here, "dead")), "the message to be dead", every_s=LOOKS_AGAIN_S)
    item = here.service.command("item", dead["key"])
    here.slack.channels["C0DISPUTES"]["is_archived"] = False
    retried = here.service.command("retry", str(dead["id"]))

    assert "is_archived" in dead["reason"]
    assert "dead" in item.stdout
    assert (retried.returncode, retried.stdout) == (0, "1 due again\n")
    posted(here, "C0DISPUTES", "INV-DEAD-1")


def test_a_refused_token_kills_nothing_and_its_renewal_needs_no_hand(here: World) -> None:
    here.slack.bot_token = "another"
    try:
        todos = [here.dispute(reference=f"INV-TOKEN-{n}") for n in range(8)]
        eventually(
            lambda: "is paused until" in here.service.command("deliveries").stderr,
            "Slack to be left alone",
            every_s=LOOKS_AGAIN_S,
        )
    finally:
        here.slack.bot_token = "xoxb-sandbox"

    for n in range(8):
        eventually(partial(about, here, "C0DISPUTES", f"INV-TOKEN-{n}"), "every alert, once Slack answers", 60)
    dead = deliveries(here, "dead")
    assert [row for todo in todos for row in of(todo, dead)] == []


def test_an_event_that_is_replayed_rings_no_second_time(here: World) -> None:
    here.dispute(reference="INV-AGAIN-0")
    todo = here.getbill.add("portal_dispute", reference="INV-AGAIN-1")
    here.getbill_event(here.getbill.event(todo, event_id="again-1"))
    posted(here, "C0DISPUTES", "INV-AGAIN-1")

    once = here.service.command("replay", "--event", "again-1")
    since = here.service.command("replay", "--since", "1h")
    eventually(lambda: not events(here, "new"), "everything to be understood again", every_s=LOOKS_AGAIN_S)
    here.dispute(reference="INV-AGAIN-2")
    posted(here, "C0DISPUTES", "INV-AGAIN-2")

    assert (once.returncode, once.stdout) == (0, "1 to be processed again\n")
    assert int(since.stdout.split()[0]) > 1
    assert len(about(here, "C0DISPUTES", "INV-AGAIN-1")) == 1


def test_what_nobody_can_read_is_listed_with_its_reason_and_can_be_tried_again(here: World) -> None:
    here.getbill_event(b'["no object"]')

    (event,) = eventually(lambda: events(here, "quarantined"), "the event to be set aside", every_s=LOOKS_AGAIN_S)
    again = here.service.command("replay", "--quarantined")

    assert "not a JSON object" in event["reason"]
    assert again.stdout == "1 to be processed again\n"
    eventually(lambda: events(here, "quarantined"), "it to be set aside again", every_s=LOOKS_AGAIN_S)


def test_an_order_that_was_reported_as_failed_is_not_sent_behind_peoples_backs(here: World) -> None:
    todo = here.dispute(reference="INV-ORDER-1")
    message = posted(here, "C0DISPUTES", "INV-ORDER-1")
    here.getbill.faults.refuse = (422, {"error": True, "message": "This debt is closed", "code": 422})
    try:
        press(here, message, "validate")
        eventually(lambda: "This debt is closed" in words(message), "the reason in the message")
    finally:
        here.getbill.faults.refuse = None
    (order,) = [row for row in of(todo, deliveries(here, "dead")) if row["what"] == "command"]

    refused = here.service.command("retry", str(order["id"]))
    everything = here.service.command("retry", "--all-dead")

    assert refused.returncode == 1
    assert "has the buttons again" in refused.stderr
    assert (everything.returncode, everything.stdout) == (0, "0 due again\n")
    assert "validate" in buttons(message)


@pytest.mark.parametrize(
    "words_given", [["retry"], ["retry", "1", "--all-dead"], ["retry", "x"], ["replay"], ["replay", "--since", "soon"]]
)
def test_wrong_use_is_told_with_exit_code_2(here: World, words_given: list[str]) -> None:
    assert here.service.command(*words_given).returncode == 2


def test_what_is_not_there_is_told_with_exit_code_1(here: World) -> None:
    assert here.service.command("retry", "999999").returncode == 1
    assert here.service.command("replay", "--event", "never").returncode == 1


def test_the_commands_work_without_a_running_service(tmp_path: Path) -> None:
    with world(tmp_path, getbill_poll="1h", debitura_poll="1h") as here:
        here.slack.channels["C0DISPUTES"]["is_archived"] = True
        here.dispute(reference="INV-ALONE-1")
        (dead,) = eventually(lambda: deliveries(here, "dead"), "the message to be dead", every_s=LOOKS_AGAIN_S)
        here.service.stop()
        here.slack.channels["C0DISPUTES"]["is_archived"] = False

        retried = here.service.command("retry", str(dead["id"]))
        replayed = here.service.command("replay", "--since", "1h")
        here.service.start()

        posted(here, "C0DISPUTES", "INV-ALONE-1")
        assert "once `casebell serve` runs" in retried.stdout
        assert replayed.returncode == 0
        eventually(lambda: not events(here, "new"), "the event to be understood again", every_s=LOOKS_AGAIN_S)
        assert len(about(here, "C0DISPUTES", "INV-ALONE-1")) == 1


def test_what_cannot_finish_in_the_grace_period_is_put_back_in_doubt(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False, getbill_poll="1h") as here:
        config = here.service.config
        config.write_text('drain_grace = "1s"\n' + config.read_text())
        here.service.start()
        here.slack.faults.hang_s = 60.0
        here.dispute(reference="INV-STOP-1")
        eventually(lambda: any("postMessage" in call.path for call in here.slack.faults.calls), "Slack to be called")
        here.service.stop()
        here.slack.faults.hang_s = 0.0

        with sqlite3.connect(config.with_name("casebell.db")) as database:
            row = database.execute(
                "SELECT state, claim_id, maybe_delivered, reason FROM outbox WHERE destination = 'slack:C0DISPUTES'"
            ).fetchone()

    assert row == ("due", None, 1, "stopped: the service was stopped meanwhile")
