"""Every verb end to end, in the real process over real sockets: in Slack, behind a mail's link, and in a terminal."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from tests.harness import World, eventually
from tests.person import (
    LOOKS_AGAIN_S,
    choose,
    elements,
    fill,
    is_about,
    link_in,
    mails_about,
    options,
    posted,
    press,
    words,
)

START = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


DEAR = {"amount": 25_000_000.0, "currency": "CHF"}


def dispute(here: World, reference: str, **facts: Any) -> tuple[dict[str, Any], Any]:
    todo = here.dispute(reference=reference, **{"amount": 1500.0, "currency": "EUR", **facts})
    return todo, posted(here, "C0DISPUTES", reference)


def add(here: World, kind: str, reference: str, **facts: Any) -> tuple[dict[str, Any], Any]:
    todo = here.getbill.add(kind, reference=reference, **{"amount": 1500.0, "currency": "EUR", **facts})
    here.getbill_event(here.getbill.event(todo))
    return todo, posted(here, "C0DISPUTES", reference)


def whispered(here: World, user: str, sentence: str) -> None:
    eventually(
        lambda: any(m.ephemeral_to == user and sentence in m.text for m in here.slack.ephemerals),
        f"{user} to be told: {sentence}",
    )


class Link:
    """Somebody with a mail about an item, who reads before they press."""

    def __init__(self, here: World, reference: str, n: int = -1, says: str = "") -> None:
        def mails() -> list[str]:
            return [mail for mail in mails_about(here, reference) if says in mail]

        eventually(lambda: len(mails()) > max(n, 0), f"a mail about {reference} {says}")
        self.url = link_in(mails()[n])

    def page(self) -> str:
        return httpx.get(self.url, trust_env=False).text

    def choose(self, **fields: str) -> httpx.Response:
        with httpx.Client(trust_env=False) as browser:
            return choose(browser, self.url, **fields)

    def verbs(self) -> list[str]:
        return re.findall(r'name="verb" value="(\w+)"', self.page())


def item(here: World, todo: dict[str, Any]) -> dict[str, Any]:
    key = f"getbill:main:{todo['type']}:{todo['id']}"
    return next(one for one in here.service.items() if one["snapshot"]["key"] == key)


def act(here: World, todo: dict[str, Any], *arguments: str) -> tuple[int, str]:
    done = here.service.command("act", f"getbill:main:{todo['type']}:{todo['id']}", *arguments)
    return done.returncode, done.stdout + done.stderr


# Slack


def test_three_buttons_are_in_sight_and_the_rest_in_the_menu(here: World) -> None:
    _, message = dispute(here, "INV-V-1")

    assert sum(e["type"] == "button" for e in elements(message)) == 3
    assert list(options(message)) == ["claim", "assign", "snooze", "note"]


def offer(here: World, user: str, reference: str) -> Any:
    """The way back, which only this person sees."""

    def look() -> Any:
        mine = (m for m in here.slack.ephemerals if m.ephemeral_to == user and is_about(reference, words(m)))
        return next((m for m in mine if any(e["action_id"] == "undo" for e in elements(m))), None)

    return eventually(look, f"{user} to be offered an undo of {reference}")


def test_a_decision_is_undone_and_reopened_with_a_note_by_whoever_made_it(here: World) -> None:
    todo, message = dispute(here, "INV-V-2")
    press(here, message, "validate")
    undo = offer(here, "U0ANNA", "INV-V-2")
    eventually(lambda: elements(message) == [], "the buttons to be gone")

    press(here, undo, "undo")
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "suggested", "Getbill to take it back")
    eventually(lambda: any(e["action_id"] == "validate" for e in elements(message)), "the buttons to be back")
    eventually(lambda: undo not in here.slack.ephemerals, "what was offered to be gone")
    press(here, message, "validate")
    press(here, offer(here, "U0ANNA", "INV-V-2"), "reopen")
    fill(here, "U0ANNA", words="The bank found the payment after all")

    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "suggested", "Getbill to open it again")
    assert "The bank found" in here.getbill.todos[todo["id"]]["admin_notes"]


def test_a_snooze_is_chosen_in_a_form_and_ended_by_hand(here: World) -> None:
    _, message = dispute(here, "INV-V-3")
    press(here, message, "snooze")
    wrong = fill(here, "U0ANNA", until="1h", day="2020-01-01")
    assert list(wrong) == ["day"]
    fill(here, "U0ANNA", until="4h", day="")
    eventually(lambda: "Snoozed by Anna" in words(message), "the message to say so")
    assert message.text.startswith("💤")

    press(here, message, "wake", "U0BEN")
    eventually(lambda: "Snoozed" not in words(message), "the snooze to end")


def test_a_colleague_is_given_an_item_and_told_in_its_thread(here: World) -> None:
    _, message = dispute(here, "INV-V-4")
    press(here, message, "assign")
    fill(here, "U0ANNA", to="U0BEN")

    eventually(lambda: "Claimed by Ben Holm" in words(message), "Ben to have it")
    eventually(
        lambda: any(m.thread_ts == message.ts and m.text.startswith("<@U0BEN> Anna") for m in here.posts("C0DISPUTES")),
        "Ben to be told",
    )

    press(here, message, "assign")
    fill(here, "U0ANNA", to="U0GUEST")
    whispered(here, "U0ANNA", "is not on the list")


def test_another_plan_is_checked_in_the_form_before_it_is_sent(here: World) -> None:
    todo, message = add(here, "agreement", "INV-V-5")
    press(here, message, "update_plan")
    wrong = fill(here, "U0ANNA", months="5", starts_on="2020-01-01", first_payment="1500.01")
    assert set(wrong) == {"starts_on", "first_payment"}
    assert here.getbill.todos[todo["id"]]["plan_months"] != 5

    fill(here, "U0ANNA", months="5", starts_on=START, first_payment="300,50")
    eventually(lambda: here.getbill.todos[todo["id"]]["plan_months"] == 5, "Getbill to have the plan")
    assert here.getbill.todos[todo["id"]]["first_payment_amount"] == 300.5
    eventually(lambda: any(e["action_id"] == "update_plan" for e in elements(message)), "the message to be open again")


@pytest.mark.parametrize("kind", ["payment_plan", "hardship"])
def test_what_a_debtor_proposes_is_accepted_or_declined(here: World, kind: str) -> None:
    todo, message = add(here, kind, f"INV-V-6-{kind}")
    labels = [e["text"]["text"] for e in elements(message) if e["type"] == "button"]
    assert labels[:2] == ["Accept", "Decline"]

    press(here, message, "validate")
    eventually(lambda: "Accepted by Anna" in words(message), "the message to say so")
    assert here.getbill.todos[todo["id"]]["status"] == "validated"


def test_a_kind_whose_status_the_source_does_not_take_says_so(here: World) -> None:
    here.getbill.refuses_statusless = True
    try:
        _, message = add(here, "hardship", "INV-V-7")
        press(here, message, "validate")
        eventually(lambda: "This todo has no status" in words(message), "the refusal to be shown")
    finally:
        here.getbill.refuses_statusless = False


def test_a_dear_decision_takes_two_people_on_every_message(here: World) -> None:
    todo, message = dispute(here, "INV-V-8", **DEAR)
    assert "proposes" not in Link(here, "INV-V-8", 0).page()
    press(here, message, "reject")
    fill(here, "U0ANNA", words="The bank shows no payment")

    eventually(lambda: "Anna Krogh proposes to reject" in words(message), "the proposal")
    assert "The bank shows no payment" in words(message)
    assert [e["action_id"] for e in elements(message)][:2] == ["confirm", "withdraw"]
    second_mail = Link(here, "INV-V-8", 1)
    assert "proposes to reject" in second_mail.page()

    press(here, message, "confirm")
    whispered(here, "U0ANNA", "a second person must confirm")
    assert here.getbill.todos[todo["id"]]["status"] == "suggested"

    press(here, message, "confirm", "U0BEN")
    eventually(lambda: "Rejected by Anna Krogh (confirmed by Ben Holm)" in words(message), "both names")
    assert "Anna Krogh, confirmed by Ben Holm, via Casebell" in here.getbill.todos[todo["id"]]["admin_notes"]


def test_a_change_at_the_source_voids_a_proposal(here: World) -> None:
    todo, message = dispute(here, "INV-V-9", **DEAR)
    press(here, message, "validate")
    eventually(lambda: "proposes to validate" in words(message), "the proposal")

    todo["title"] = "Wrong amount after all"
    here.getbill_event(here.getbill.event(todo))

    eventually(lambda: "What was proposed is void" in words(message), "the message to say so")
    whispered(here, "U0ANNA", "Your proposal is void")
    assert [e["action_id"] for e in elements(message)][:2] == ["validate", "reject"]


# Behind a mail's link


def test_a_mail_decides_undoes_and_reopens(here: World) -> None:
    todo, _ = dispute(here, "INV-V-10")
    first = Link(here, "INV-V-10", 0)
    first.choose(verb="validate", note="checked")
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told")
    eventually(lambda: first.verbs() == ["undo"], "the used link to undo, and nothing else")
    first.choose(verb="undo")
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "suggested", "Getbill to take it back")

    before = len([mail for mail in mails_about(here, "INV-V-10") if "Undo or reopen" in mail])
    act = partial(here.service.command, "act", f"getbill:main:debtor_request:{todo['id']}", "validate")
    eventually(lambda: act().returncode == 0, "the item to be open again", every_s=LOOKS_AGAIN_S)
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told")
    last = Link(here, "INV-V-10", before, says="Undo or reopen")
    assert last.choose(verb="reopen").status_code == 422
    last.choose(verb="reopen", note="wrong debtor")
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "suggested", "Getbill to open it again")


def test_a_mail_snoozes_assigns_and_checks_a_plan(here: World) -> None:
    todo, message = add(here, "agreement", "INV-V-11")
    link = Link(here, "INV-V-11")
    assert link.verbs() == ["update_plan", "claim", "assign", "snooze"]

    link.choose(verb="assign", to="ben@creditor.example")
    eventually(lambda: item(here, todo).get("claimed_by") == "ben@creditor.example", "Ben to have it")
    link.choose(verb="snooze", until="monday")
    eventually(lambda: "Snoozed by ar@creditor.example" in words(message), "the snooze")
    refused = link.choose(verb="update_plan", months="5", starts_on=START, first_payment="1500.01")
    assert (refused.status_code, "more than what is owed" in refused.text) == (422, True)
    link.choose(verb="update_plan", months="5", starts_on=START, first_payment="300.50")
    eventually(lambda: here.getbill.todos[todo["id"]]["plan_months"] == 5, "Getbill to have the plan")


def test_a_mail_obeys_four_eyes(here: World) -> None:
    todo, message = dispute(here, "INV-V-12", **DEAR)
    Link(here, "INV-V-12", 0).choose(verb="validate")
    eventually(lambda: "ar@creditor.example proposes to validate" in words(message), "the proposal")

    second = Link(here, "INV-V-12", 1)
    refused = second.choose(verb="confirm")
    assert (refused.status_code, "a second person must confirm" in refused.text) == (409, True)
    press(here, message, "confirm", "U0BEN")
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told")


# In a terminal


def test_a_terminal_does_what_the_buttons_do(here: World) -> None:
    todo, message = dispute(here, "INV-V-13")

    assert act(here, todo, "snooze", "--until", "whenever")[0] == 1
    assert act(here, todo, "snooze", "--until", "tomorrow") == (0, f"{item(here, todo)['snapshot']['key']}: open\n")
    assert act(here, todo, "wake")[0] == 0
    assert act(here, todo, "assign", "--to", "eve@elsewhere.example")[0] == 1
    assert act(here, todo, "assign", "--to", "ben@creditor.example")[0] == 0
    eventually(lambda: "Claimed by ben@creditor.example" in words(message), "Slack to show it")
    assert act(here, todo, "validate") == (0, f"{item(here, todo)['snapshot']['key']}: resolved (validated)\n")
    assert act(here, todo, "undo")[0] == 0
    assert here.getbill.todos[todo["id"]]["status"] == "suggested"


def test_a_terminal_changes_a_plan_with_the_same_check(here: World) -> None:
    todo, _ = add(here, "agreement", "INV-V-14")
    plan = ["--months", "5", "--start", START]

    code, said = act(here, todo, "update_plan", *plan, "--first-payment", "1500.01")
    assert (code, "more than what is owed" in said) == (1, True)
    assert act(here, todo, "update_plan", *plan, "--first-payment", "300.50")[0] == 0
    changed = here.getbill.todos[todo["id"]]
    assert (changed["plan_months"], date.fromisoformat(changed["plan_start_date"]).isoformat()) == (5, START)


def test_a_terminal_obeys_four_eyes(here: World) -> None:
    todo, message = dispute(here, "INV-V-15", **DEAR)

    assert "Say who you are" in act(here, todo, "validate")[1]
    code, said = act(here, todo, "validate", "--as", "anna@creditor.example")
    assert (code, "a second person must confirm" in said) == (0, True)
    assert "a second person must confirm" in act(here, todo, "confirm", "--as", "anna@creditor.example")[1]
    eventually(lambda: "anna@creditor.example proposes to validate" in words(message), "Slack to show it")
    press(here, message, "confirm")  # Anna in Slack has the same address
    whispered(here, "U0ANNA", "You proposed this yourself")
    assert act(here, todo, "confirm", "--as", "ben@creditor.example")[0] == 0
    assert here.getbill.todos[todo["id"]]["status"] == "validated"
