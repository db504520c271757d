"""Reply templates, with the real service and the stand-ins of Slack and Debitura."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

from tests.harness import World, eventually
from tests.person import posted, press


def form(here: World, reference: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The task, and its reply form, opened for Anna."""
    task = here.debitura.add_task("ReplyToChat", "Can you send us the signed order?", reference=reference)
    press(here, posted(here, "C0TASKS", reference), "reply")
    eventually(lambda: "Your reply" in str(here.slack.views.get("U0ANNA")), "the form")
    return task, here.slack.views["U0ANNA"]


def choose(here: World, name: str, typed: str = "") -> str:
    """Choose a template; returns the block_id of the text afterwards."""
    view = here.slack.views["U0ANNA"]
    before = text_block(view)["block_id"]
    sent = here.slack.choose(view["id"], "template", name, typed={before: typed} if typed else None)
    assert asyncio.run(sent).status_code == 200
    eventually(lambda: text_block(here.slack.views["U0ANNA"])["block_id"] != before, "the form to be filled")
    return str(text_block(here.slack.views["U0ANNA"])["block_id"])


def text_block(view: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = view["blocks"][-1]
    return found


def stored(here: World) -> int:
    """How many clicks are stored."""
    with closing(sqlite3.connect(here.service.config.with_name("casebell.db"))) as beside:
        count: int = beside.execute("SELECT count(*) FROM event WHERE source = 'slack'").fetchone()[0]
    return count


def chats(here: World, task: dict[str, Any]) -> list[str]:
    return [chat["message"] for chat in here.debitura.chats[task["caseId"]]]


def test_the_menu_offers_the_language_of_the_channel_first(here: World) -> None:
    _, view = form(here, "INV-T-1")

    menu = next(block for block in view["blocks"] if block["block_id"] == "template")["elements"][0]
    assert [option["value"] for option in menu["options"]] == ["Order", "Wait", "Ordre"]


def test_a_chosen_template_fills_the_text_and_is_sent_as_it_stands(here: World) -> None:
    task, _ = form(here, "INV-T-2")

    choose(here, "Order", "what was typed before")
    assert "INV-T-2" in text_block(here.slack.views["U0ANNA"])["element"]["initial_value"]
    asyncio.run(here.slack.submit(here.slack.views["U0ANNA"]["id"], {}))

    eventually(lambda: [one for one in chats(here, task) if one.startswith("The order for INV-T-2 of ")], "the reply")


def test_a_template_may_be_changed_chosen_again_and_edited(here: World) -> None:
    task, _ = form(here, "INV-T-3")

    blocks = [choose(here, "Order"), choose(here, "Wait"), choose(here, "Order")]
    assert len(set(blocks)) == 3  # with a known block_id Slack would keep the old text
    asyncio.run(here.slack.submit(here.slack.views["U0ANNA"]["id"], {blocks[-1]: "My own words."}))

    eventually(lambda: "My own words." in chats(here, task), "the edited reply")


def test_an_emptied_text_is_refused_at_the_block_it_stands_in(here: World) -> None:
    form(here, "INV-T-4")

    block = choose(here, "Wait")
    asyncio.run(here.slack.submit(here.slack.views["U0ANNA"]["id"], {block: "  "}))

    assert set(here.slack.view_errors["U0ANNA"]) == {block}


def test_choosing_a_template_is_no_decision_and_one_that_is_gone_leaves_the_form_alone(here: World) -> None:
    _, view = form(here, "INV-T-5")
    menu = next(block for block in view["blocks"] if block["block_id"] == "template")["elements"][0]
    menu["options"].append({"value": "gone", "text": {"type": "plain_text", "text": "gone"}})

    before = stored(here)

    assert asyncio.run(here.slack.choose(view["id"], "template", "gone")).status_code == 200
    choose(here, "Wait")

    assert stored(here) == before
