"""The main job, end to end: the real process over real sockets, from the webhook to resolved at the source."""

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.harness import World, eventually, world


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("main-job")) as made:
        yield made


def buttons(message: Any) -> list[str]:
    """Verbs that can be pressed on a message now; links are no verbs."""
    elements = [e for block in message.blocks if block["type"] == "actions" for e in block["elements"]]
    visible = [e["action_id"] for e in elements if e["type"] == "button" and "url" not in e]
    hidden = [o["value"].rpartition(".")[2] for e in elements if e["type"] == "overflow" for o in e["options"]]
    return visible + hidden


def words(message: Any) -> str:
    return f"{message.text} {message.blocks}"


def posted(here: World, channel: str, reference: str) -> Any:
    def look() -> Any:
        return next((m for m in here.posts(channel) if reference in words(m)), None)

    return eventually(look, f"a message about {reference} in {channel}")


def press(here: World, message: Any, verb: str, user: str = "U0ANNA") -> int:
    return asyncio.run(here.slack.press(message.channel, message.ts, verb, user=user)).status_code


def fill(here: World, user: str, words_given: str) -> None:
    """Fill in the one text of the modal in front of this person and send it."""
    view = eventually(lambda: here.slack.views.get(user), f"a modal in front of {user}")
    assert view is not None
    blocks = [b["block_id"] for b in view["blocks"] if b["type"] == "input"]
    asyncio.run(here.slack.submit(view["id"], {blocks[0]: words_given}, user))


def nonce_of(browser: httpx.Client, link: str) -> str:
    found = re.search(r'name="nonce" value="([^"]+)"', browser.get(link).text)
    assert found is not None
    return found[1]


def test_a_dispute_goes_from_webhook_to_slack_to_resolved_at_getbill(here: World) -> None:
    todo = here.dispute(reference="INV-MAIN-1", detected_content="I paid this in March, see my bank")

    message = posted(here, "C0DISPUTES", "INV-MAIN-1")
    assert "I paid this in March" in words(message)
    assert {"validate", "reject", "claim"} <= set(buttons(message))

    assert press(here, message, "validate") == 200
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told")
    eventually(lambda: "Validated by Anna" in words(message), "the message to say who resolved it")
    assert buttons(message) == []


def test_a_rejection_asks_for_its_reason_and_getbill_gets_it(here: World) -> None:
    todo = here.dispute(reference="INV-MAIN-2")
    message = posted(here, "C0DISPUTES", "INV-MAIN-2")

    press(here, message, "reject")
    fill(here, "U0ANNA", "We never received this payment")

    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "rejected", "Getbill to be told")
    assert "We never received this payment" in here.getbill.todos[todo["id"]]["admin_notes"]
    eventually(lambda: not buttons(message), "the buttons to go")


def test_a_task_goes_from_poll_to_reply_to_solved(here: World) -> None:
    here.debitura.solve_after_s = 1.0
    task = here.debitura.add_task("ReplyToChat", "Can you send us the signed order?", reference="INV-MAIN-3")
    message = posted(here, "C0TASKS", "INV-MAIN-3")
    assert "signed order" in words(message)

    press(here, message, "reply")
    view = eventually(lambda: here.slack.views.get("U0ANNA"), "the modal")
    assert "signed order" in str(view)
    fill(here, "U0ANNA", "It is attached to the case now.")

    eventually(
        lambda: any(c["message"] == "It is attached to the case now." for c in here.debitura.chats[task["caseId"]]),
        "the reply",
    )
    eventually(lambda: "Answered by Anna" in words(message) and not buttons(message), "the message to say it is solved")


def test_a_mail_link_decides_after_a_person_chose(here: World) -> None:
    todo = here.dispute(reference="INV-MAIN-4")

    def mail() -> Any:
        return next((m for m in here.mail.messages if "INV-MAIN-4" in str(m.message["subject"])), None)

    received = eventually(mail, "a mail about INV-MAIN-4")
    link = re.search(r"http://127\.0\.0\.1:\d+/act/[\w.\-]+", received.message.get_body(("plain",)).get_content())
    assert link is not None
    with httpx.Client(trust_env=False) as browser:
        too_soon = browser.post(link[0], data={"nonce": nonce_of(browser, link[0]), "verb": "validate"})
        nonce = nonce_of(browser, link[0])
        time.sleep(2.1)  # the page is for people, who read before they press
        taken = browser.post(link[0], data={"nonce": nonce, "verb": "validate", "note": "checked"})

    assert 400 <= too_soon.status_code < 500
    assert taken.status_code == 303
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told")
    message = posted(here, "C0DISPUTES", "INV-MAIN-4")
    eventually(lambda: not buttons(message), "Slack to show it too")


def test_what_is_decided_in_getbills_own_app_shows_in_slack(here: World) -> None:
    todo = here.dispute(reference="INV-MAIN-5")
    message = posted(here, "C0DISPUTES", "INV-MAIN-5")

    here.getbill.set_status(todo["id"], "rejected", "by phone")

    eventually(lambda: not buttons(message), "a poll to find it")


def test_a_refusal_of_the_source_brings_the_buttons_back_with_its_reason(here: World) -> None:
    here.dispute(reference="INV-MAIN-6")
    message = posted(here, "C0DISPUTES", "INV-MAIN-6")
    here.getbill.faults.refuse = (422, {"error": True, "message": "This debt is closed", "code": 422})
    try:
        press(here, message, "validate")
        eventually(lambda: "This debt is closed" in words(message), "the reason in the message")
    finally:
        here.getbill.faults.refuse = None

    assert "validate" in buttons(message)


def test_the_second_of_two_people_is_told_who_was_first(here: World) -> None:
    todo = here.dispute(reference="INV-MAIN-7")
    message = posted(here, "C0DISPUTES", "INV-MAIN-7")
    here.getbill.faults.hang_s = 1.0
    stale = message.ts, message.blocks
    try:
        press(here, message, "validate", "U0ANNA")
        message.blocks = stale[1]  # Ben's Slack has not redrawn yet
        press(here, message, "validate", "U0BEN")
    finally:
        here.getbill.faults.hang_s = 0.0

    eventually(lambda: any("Anna" in words(m) for m in here.slack.ephemerals), "Ben to be told that Anna was first")
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told once")


def test_a_stranger_cannot_press_and_is_told_politely(here: World) -> None:
    todo = here.dispute(reference="INV-MAIN-8")
    message = posted(here, "C0DISPUTES", "INV-MAIN-8")
    before = len(here.slack.ephemerals)

    press(here, message, "validate", "U0GUEST")

    eventually(lambda: len(here.slack.ephemerals) > before, "the guest to be told")
    assert here.getbill.todos[todo["id"]]["status"] == "suggested"


def test_a_source_that_is_down_loses_nothing(here: World) -> None:
    here.getbill.faults.down = True
    try:
        here.dispute(reference="INV-MAIN-9")
    finally:
        here.getbill.faults.down = False

    posted(here, "C0DISPUTES", "INV-MAIN-9")


@pytest.mark.parametrize("kind", ["agreement", "portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection"])
def test_every_getbill_kind_rings_from_its_webhook(here: World, kind: str) -> None:
    todo = here.getbill.add(kind, reference=f"INV-KIND-{kind}")
    here.getbill_event(here.getbill.event(todo))

    posted(here, "C0DISPUTES", f"INV-KIND-{kind}")


def test_every_getbill_kind_is_found_by_polling_when_its_webhook_never_came(here: World) -> None:
    kinds = ["agreement", "portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection"]
    for kind in kinds:
        here.getbill.add(kind, reference=f"INV-POLL-{kind}")

    for kind in kinds:
        posted(here, "C0DISPUTES", f"INV-POLL-{kind}")


TASKS = [
    "ReplyToChat", "ClientInputRequired", "MoreInfoNeeded", "SelectQuoteWinner", "ReviewPartner", "SignContract",
    "AssignBankAccount", "CaseValidationNeedsInfo", "Generic", "UploadKycDocument",
]  # fmt: skip


def test_every_debitura_task_type_and_an_unknown_one_ring(here: World) -> None:
    tasks = [here.debitura.add_task(kind) for kind in TASKS]

    def rung() -> bool:
        shown = " ".join(words(message) for message in here.posts("C0TASKS"))
        return all(task["solutionUrl"] in shown for task in tasks)

    eventually(rung, "a message with the solution link of every task")


def test_nothing_is_told_twice(here: World) -> None:
    todo = here.dispute(reference="INV-ONCE-1")
    message = posted(here, "C0DISPUTES", "INV-ONCE-1")
    for kind in ("dispute.updated", "debt.updated", "dispute.created"):
        here.getbill_event(here.getbill.event(todo, type=kind))
    eventually(lambda: here.service.command("reconcile").returncode == 0, "a reconciliation")

    assert [m.ts for m in here.posts("C0DISPUTES") if "INV-ONCE-1" in words(m)] == [message.ts]
