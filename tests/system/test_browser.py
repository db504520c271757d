"""A real browser: the sandbox's page causes alerts, and buttons in Slack and links in mails decide."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import PATIENCE_MS, somebody
from tests.harness import World, eventually
from tests.person import LOOKS_AGAIN_S, words

expect.set_options(timeout=PATIENCE_MS)

BURST = 30
# The page takes no form within two seconds.
OLD_ENOUGH = "performance.now() - performance.getEntriesByType('navigation')[0].responseEnd > 2000"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with somebody(chromium) as person:
        errors: list[str] = []
        page = person.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        assert errors == [], "scripts of the page failed"


def slack(page: Page, here: World, channel: str, words: str) -> Locator:
    """The message in the channel that contains these words."""
    page.goto(f"{here.sandbox_url}/slack/?channel={channel}&as=U0ANNA")
    message = page.locator("article.message:not(.ephemeral)", has_text=words)
    expect(message).to_be_visible()
    return message


def todo_of(here: World, reference: str) -> dict[str, Any]:
    todos = here.getbill.todos.values()
    return next(todo for todo in todos if here.getbill.debts[todo["debt"]["id"]]["invoice_reference"] == reference)


def test_the_page_of_the_sandbox_makes_a_debtor_dispute_and_slack_shows_it(page: Page, here: World) -> None:
    page.goto(here.sandbox_url)
    page.get_by_role("button", name="Debtor disputes").first.click()
    reference = page.locator("body").inner_text().split(" is disputed")[0].split()[-1]

    message = slack(page, here, "C0DISPUTES", reference)
    message.get_by_role("button", name="Validate").click()
    page.get_by_role("alertdialog").get_by_role("button").click()

    expect(message).to_contain_text("Validated by Anna")
    expect(message.get_by_role("button", name="Validate")).to_have_count(0)
    assert todo_of(here, reference)["status"] == "validated"


def test_a_rejection_is_typed_into_the_form_slack_opens(page: Page, here: World) -> None:
    todo = here.dispute(reference="INV-MOUSE-2")
    message = slack(page, here, "C0DISPUTES", "INV-MOUSE-2")

    message.get_by_role("button", name="Reject").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Your bank shows no payment")
    page.get_by_role("dialog").locator("button.primary").click()

    expect(message).to_contain_text("Rejected by Anna")
    assert "Your bank shows no payment" in here.getbill.todos[todo["id"]]["admin_notes"]


def test_a_mail_is_opened_and_its_link_decides(page: Page, here: World) -> None:
    todo = here.dispute(reference="INV-MOUSE-3")
    page.goto(f"{here.sandbox_url}/mail/")
    page.get_by_role("link", name="INV-MOUSE-3").first.click()
    with page.expect_popup() as popup:
        page.frame_locator("iframe").locator("a[href*='/act/']").first.click()
    act = popup.value

    act.get_by_label("Validate").check()
    eventually(lambda: act.evaluate(OLD_ENOUGH), "the page to be old enough", every_s=LOOKS_AGAIN_S)
    act.get_by_role("button", name="Confirm").click()

    expect(act.locator("main")).to_contain_text("Validated by ar@creditor.example")
    assert here.getbill.todos[todo["id"]]["status"] == "validated"


def test_a_burst_from_the_page_ends_with_every_dispute_told_once(page: Page, here: World) -> None:
    known = set(here.getbill.todos)
    page.route("**/control/burst", lambda route: route.continue_(post_data=f"count={BURST}"))
    page.goto(here.sandbox_url)
    page.get_by_role("button", name="Burst of 200").first.click()

    expect(page.locator("body")).to_contain_text(f"{BURST} disputes at once; Casebell took {BURST}")
    todos = [todo for key, todo in list(here.getbill.todos.items()) if key not in known]
    references = [here.getbill.debts[todo["debt"]["id"]]["invoice_reference"] for todo in todos]

    def counts() -> list[int]:
        texts = [words(post) for post in here.posts("C0DISPUTES")]
        return [sum(f"{reference} ·" in text for text in texts) for reference in references]

    eventually(lambda: 0 not in counts(), "every dispute in its channel")
    assert counts() == [1] * BURST


def test_a_question_asked_while_debitura_is_down_rings_when_it_is_back(page: Page, here: World) -> None:
    page.goto(here.sandbox_url)
    page.get_by_role("button", name="Debitura goes down").click()
    page.get_by_role("button", name="Partner asks a question").first.click()
    expect(page.locator(".last")).to_contain_text("asks about")
    (reference,) = re.findall(r"asks about ([^;]+);", page.locator(".last").inner_text())
    silent = [post for post in here.posts("C0TASKS") if reference in words(post)]
    page.get_by_role("button", name="Debitura comes back").click()

    eventually(lambda: [post for post in here.posts("C0TASKS") if reference in words(post)], "the question to ring")
    assert silent == []
