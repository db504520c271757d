"""The slash command and the Home tab, with the real service and the Slack stand-in."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from casebell_sandbox import slack_payloads as payloads
from tests.harness import World, eventually, world
from tests.person import posted

CHANNEL = "C0DISPUTES"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Not shared with other files: their open items would fill the Home tab."""
    with world(tmp_path_factory.mktemp("places"), getbill_poll="1h", debitura_poll="1h") as one:
        yield one


def whispers(here: World, user: str = "U0ANNA") -> list[Any]:
    return [one for one in here.slack.ephemerals if one.ephemeral_to == user]


def type_command(here: World, text: str, user: str = "U0ANNA") -> Any:
    """Type a command; returns its ephemeral answer."""
    before = len(whispers(here, user))
    answer = asyncio.run(here.slack.type_command(CHANNEL, text, user))
    assert answer.status_code == 200
    return eventually(lambda: whispers(here, user)[before:], f"an answer to {text!r}")[0]


def shown(blocks: list[Any]) -> str:
    return json.dumps(blocks, ensure_ascii=False)


def home_of(here: World, user: str) -> str:
    return shown(here.slack.homes.get(user, {}).get("blocks", []))


def open_home(here: World, user: str = "U0ANNA") -> None:
    assert asyncio.run(here.slack.open_home(user)).status_code == 200


def button(blocks: list[Any], verb: str, reference: str) -> tuple[str, str | None]:
    """action_id and menu option (None for a button) of a verb in the row of this reference."""
    said = ""
    for block in blocks:
        said = block["text"]["text"] if block["type"] == "section" and "text" in block else said
        for element in block.get("elements", []) if reference in said else []:
            if element.get("action_id", "").startswith(f"{verb}."):
                return str(element["action_id"]), None
            for option in element.get("options", []):
                if option["value"].endswith(f".{verb}"):
                    return str(element["action_id"]), str(option["value"])
    raise AssertionError(f"no {verb} for {reference}")


def test_find_shows_the_alert_with_its_buttons_to_who_typed_alone(here: World) -> None:
    here.dispute(reference="INV-P-1")
    posted(here, CHANNEL, "INV-P-1")

    found = type_command(here, "find inv-p-1")

    assert "INV-P-1" in shown(found.blocks)
    assert [action["action_id"] for _, action in payloads.elements(found.blocks)][:2] == ["validate", "reject"]


def test_a_reference_alone_is_looked_for_and_one_that_is_unknown_is_said_to_be(here: World) -> None:
    assert "NO-SUCH-1" in type_command(here, "NO-SUCH-1 <!channel>").text
    assert "<!channel>" not in type_command(here, "NO-SUCH-1 <!channel>").text


def test_help_is_answered_at_once_and_to_anybody(here: World) -> None:
    assert "/casebell snooze" in type_command(here, "", "U0GUEST").text


def test_a_guest_is_refused_politely_and_sees_no_item(here: World) -> None:
    here.dispute(reference="INV-P-2")
    posted(here, CHANNEL, "INV-P-2")

    found = type_command(here, "find INV-P-2", "U0GUEST")

    assert "not on the list" in found.text
    assert "INV-P-2" not in shown(found.blocks) + found.text


def test_snooze_opens_the_form_of_the_one_item_there_is(here: World) -> None:
    here.dispute(reference="INV-P-3")
    message = posted(here, CHANNEL, "INV-P-3")

    asyncio.run(here.slack.type_command(CHANNEL, "snooze INV-P-3"))
    eventually(lambda: "U0ANNA" in here.slack.views, "the form")
    asyncio.run(here.slack.submit(here.slack.views["U0ANNA"]["id"], {"until": "4h"}))

    eventually(lambda: "💤" in message.text, "the message to show the snooze")


def test_snooze_with_a_time_puts_off_at_once_and_is_written_down(here: World) -> None:
    here.dispute(reference="INV-P-8")
    message = posted(here, CHANNEL, "INV-P-8")

    answer = type_command(here, "snooze inv-p-8 4h")

    assert "💤" in answer.text
    eventually(lambda: "💤" in message.text, "the message to show the snooze")
    audit = "SELECT verb, via, state, person FROM action WHERE identity LIKE 'command/%' AND state = 'done'"
    with closing(sqlite3.connect(here.service.config.with_name("casebell.db"))) as beside:
        assert [(*row[:3], "Anna Krogh" in row[3]) for row in beside.execute(audit)] == [
            ("snooze", "slack", "done", True)
        ]


def test_snooze_with_a_time_that_is_none_says_which_there_are_and_changes_nothing(here: World) -> None:
    here.dispute(reference="INV-P-9")
    message = posted(here, CHANNEL, "INV-P-9")

    assert "Please choose how long" in type_command(here, "snooze INV-P-9 5h").text
    assert "💤" not in message.text


def test_snooze_with_a_time_puts_off_nothing_that_only_begins_as_typed(here: World) -> None:
    here.dispute(reference="INV-Q-77")
    message = posted(here, CHANNEL, "INV-Q-77")

    found = type_command(here, "snooze INV-Q-7 4h")

    assert "INV-Q-77" in shown(found.blocks)
    assert "💤" not in message.text + found.text


def test_a_guest_cannot_snooze_by_typing(here: World) -> None:
    here.dispute(reference="INV-P-10")
    message = posted(here, CHANNEL, "INV-P-10")

    assert "not on the list" in type_command(here, "snooze INV-P-10 1h", "U0GUEST").text
    assert "💤" not in message.text


def test_a_list_has_a_row_for_each_with_buttons_that_work(here: World) -> None:
    here.dispute(reference="INV-Q-1")
    here.dispute(reference="INV-Q-2")
    posted(here, CHANNEL, "INV-Q-1")
    message = posted(here, CHANNEL, "INV-Q-2")

    listed = type_command(here, "find INV-Q-")
    action, option = button(listed.blocks, "claim", "INV-Q-2")
    asyncio.run(here.slack.click(CHANNEL, listed.ts, action, option=option))

    eventually(lambda: "Anna Krogh" in shown(message.blocks), "the message to show the claim")


def test_home_shows_what_waits_and_changes_as_it_changes(here: World) -> None:
    here.dispute(reference="INV-P-5")
    posted(here, CHANNEL, "INV-P-5")
    open_home(here)
    eventually(lambda: "INV-P-5" in home_of(here, "U0ANNA"), "the home to show it")

    blocks = here.slack.homes["U0ANNA"]["blocks"]
    action, _ = button(blocks, "validate", "INV-P-5")
    asyncio.run(here.slack.click_home(action))

    eventually(lambda: "INV-P-5" not in home_of(here, "U0ANNA"), "the home to let it go")


def test_a_press_at_home_that_comes_late_is_told_to_the_person_themselves(here: World) -> None:
    here.dispute(reference="INV-P-6")
    message = posted(here, CHANNEL, "INV-P-6")
    open_home(here, "U0BEN")
    eventually(lambda: "INV-P-6" in home_of(here, "U0BEN"), "the home to show it")
    old = here.slack.homes["U0BEN"]

    value = next(
        o["value"] for _, e in payloads.elements(message.blocks) for o in e.get("options", []) if ".claim" in o["value"]
    )
    asyncio.run(here.slack.click(CHANNEL, message.ts, "more", option=value))
    eventually(lambda: "Anna Krogh" in shown(message.blocks), "the claim")
    here.slack.homes["U0BEN"] = old
    action, option = button(old["blocks"], "claim", "INV-P-6")
    asyncio.run(here.slack.click_home(action, "U0BEN", option))

    told = eventually(lambda: here.slack.posts("D0BEN"), "a word to Ben")
    assert "Anna Krogh has claimed this already" in told[0].text


def test_a_guests_home_shows_a_polite_refusal_and_no_item(here: World) -> None:
    open_home(here, "U0GUEST")

    eventually(lambda: "not on the list" in home_of(here, "U0GUEST"), "the refusal")
    assert "INV-P" not in home_of(here, "U0GUEST")


def test_a_home_tab_that_is_switched_off_disturbs_nothing_else(here: World) -> None:
    here.slack.is_home_enabled = False
    try:
        open_home(here)
        here.dispute(reference="INV-P-7")
        posted(here, CHANNEL, "INV-P-7")
    finally:
        here.slack.is_home_enabled = True


@pytest.mark.parametrize("path", ["/slack/commands", "/slack/events"])
def test_what_slack_did_not_sign_is_refused(here: World, path: str) -> None:
    body, headers = payloads.sign("text=list&user_id=U0ANNA", "another secret", here.slack.now_s())

    assert here.service.post(path, body, headers).status_code == 401
    assert here.service.post(path, body, {}).status_code == 401


def test_slacks_question_whether_we_are_here_is_answered(here: World) -> None:
    asked = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aB"})
    body, headers = payloads.sign(asked, "slack-secret", here.slack.now_s(), "application/json")
    check, check_headers = payloads.sign("ssl_check=1&token=x", "slack-secret", here.slack.now_s())

    assert here.service.post("/slack/events", body, headers).json() == {"challenge": "3eZbrw1aB"}
    assert here.service.post("/slack/commands", check, check_headers).status_code == 200


@pytest.mark.parametrize("odd", [{"team_id": {}}, {"team_id": ["T1"]}, {"api_app_id": []}, {"event": {"user": 7}}])
def test_an_odd_event_of_slack_is_answered_and_does_nothing(here: World, odd: dict[str, Any]) -> None:
    body, headers = payloads.sign(json.dumps(odd), "slack-secret", here.slack.now_s(), "application/json")

    assert here.service.post("/slack/events", body, headers).status_code == 200
