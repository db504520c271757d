"""The main job, end to end: the real process over real sockets, from the webhook to resolved at the source."""

import httpx
import pytest

from tests.harness import World, eventually
from tests.person import buttons, choose, fill, link_in, mails_about, nonce_in, posted, press, was_too_quick, words


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

    link = link_in(eventually(lambda: mails_about(here, "INV-MAIN-4"), "a mail about INV-MAIN-4")[0])
    with httpx.Client(trust_env=False) as browser:
        too_soon = browser.post(link, data={"nonce": nonce_in(browser.get(link).text), "verb": "validate"})
        taken = choose(browser, link, verb="validate", note="checked")

    assert was_too_quick(too_soon)
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
    press(here, message, "validate")
    eventually(lambda: "This debt is closed" in words(message), "the reason in the message")

    assert "validate" in buttons(message)


def test_the_second_of_two_people_is_told_who_was_first(here: World) -> None:
    todo = here.dispute(reference="INV-MAIN-7")
    message = posted(here, "C0DISPUTES", "INV-MAIN-7")
    here.getbill.faults.hang_s = 1.0
    stale = message.blocks
    press(here, message, "validate", "U0ANNA")
    message.blocks = stale  # Ben's Slack has not redrawn yet
    before = len(here.slack.ephemerals)
    press(here, message, "validate", "U0BEN")

    def is_told() -> bool:
        return any("Anna" in words(m) for m in here.slack.ephemerals[before:] if m.ephemeral_to == "U0BEN")

    eventually(is_told, "Ben to be told that Anna was first")
    here.getbill.faults.hang_s = 0.0
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told once")


def test_a_stranger_cannot_press_and_is_told_politely(here: World) -> None:
    todo = here.dispute(reference="INV-MAIN-8")
    message = posted(here, "C0DISPUTES", "INV-MAIN-8")

    press(here, message, "validate", "U0GUEST")

    eventually(lambda: [m for m in here.slack.ephemerals if m.ephemeral_to == "U0GUEST"], "the guest to be told")
    assert here.getbill.todos[todo["id"]]["status"] == "suggested"


def test_a_source_that_is_down_loses_nothing(here: World) -> None:
    here.getbill.faults.down = True
    here.dispute(reference="INV-MAIN-9")
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
