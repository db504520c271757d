"""The pages behind mailed links on a real socket: a person opens one, decides once and sees the result."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from receiver.domain import routing
from receiver.domain.action import MAX_NOTE, MAX_REPLY, utf16_units
from receiver.errors import RetryLaterError
from receiver.web.action_service import LinkUse
from tests.act_site import ADDRESS, TOKEN_ID, FakeActionService, Visitor, site
from tests.factories import NOW, make_item, make_snapshot

pytestmark = pytest.mark.anyio


@pytest.fixture
def service() -> FakeActionService:
    return FakeActionService()


@pytest.fixture
async def url(service: FakeActionService) -> AsyncIterator[str]:
    async with site(service) as url:
        yield url


@pytest.fixture
async def visitor(url: str, service: FakeActionService) -> AsyncIterator[Visitor]:
    visitor = Visitor(url, service)
    yield visitor
    await visitor.close()


async def test_a_person_looks_chooses_and_sees_that_the_source_is_asked(
    visitor: Visitor, service: FakeActionService
) -> None:
    page = await visitor.open()
    service.later(seconds=8)
    response = await visitor.send(verb="validate", note="Paid, I checked.")
    after = await visitor.open(response.headers["location"])

    assert page.status_code == 200
    assert "Payment Already Made · INV-2024-001" in page.text
    assert response.status_code == 303
    assert response.headers["location"] == service.path
    assert f"{ADDRESS} asked Getbill to validate; waiting." in after.text
    assert f"{ADDRESS} chose “Validate” through this link on 2 March 2026, 10:00" in after.text
    assert 'http-equiv="refresh"' in after.text
    (click,) = service.clicks
    assert (click.item_id, click.version, click.verb) == (service.item.id, 1, "validate")
    assert (click.person.email, click.via, click.token_id) == (ADDRESS, "mail", TOKEN_ID)
    assert (click.note, click.text) == ("Paid, I checked.", None)


OWN_VERBS = ["claim", "assign", "snooze"]  # offered with every open item


async def test_only_what_can_be_done_now_is_offered_and_nothing_is_chosen_beforehand(
    visitor: Visitor, service: FakeActionService
) -> None:
    page = await visitor.open()

    assert re.findall(r'name="verb" value="(\w+)"', page.text) == ["validate", "reject", *OWN_VERBS]
    assert "checked" not in page.text

    service.item = make_item(make_snapshot(verbs=("reply", "update_plan")))
    assert re.findall(r'name="verb" value="(\w+)"', (await visitor.open()).text) == ["reply", "update_plan", *OWN_VERBS]


@pytest.mark.parametrize("letter", ["x", "é", "日", "🙂"], ids=["Latin", "accent", "Chinese", "emoji"])
async def test_a_reply_of_the_greatest_length_arrives_in_every_script(
    visitor: Visitor, service: FakeActionService, letter: str
) -> None:
    service.item = make_item(make_snapshot(verbs=("reply",)))
    longest, note = (letter * (most // utf16_units(letter)) for most in (MAX_REPLY, MAX_NOTE))
    await visitor.open()
    service.later(seconds=8)

    response = await visitor.send(verb="reply", text=longest, note=note)

    assert response.status_code == 303
    assert [click.text for click in service.clicks] == [longest]


async def test_a_reply_goes_as_text_and_a_claim_without_words(visitor: Visitor, service: FakeActionService) -> None:
    service.item = make_item(make_snapshot(verbs=("reply",)))
    service.is_slow = True
    for verb in ("reply", "claim"):
        await visitor.open()
        service.later(seconds=5)
        await visitor.send(verb=verb, note="a note", text="Here it is.\r\nRegards 🙂")

    assert [(c.verb, c.note, c.text) for c in service.clicks] == [
        ("reply", None, "Here it is.\nRegards 🙂"),
        ("claim", None, None),
    ]


async def test_a_page_left_open_sends_the_version_it_showed(visitor: Visitor, service: FakeActionService) -> None:
    await visitor.open()
    service.later(minutes=30)
    service.item = replace(service.item, version=4)
    service.refusal = "This changed while you looked at it."

    refused = await visitor.send(verb="reject", note="Not paid & <never> was.")

    assert service.clicks[0].version == 1
    assert refused.status_code == 409
    assert service.refusal in refused.text
    assert "Not paid &amp; &lt;never&gt; was.</textarea>" in refused.text


async def test_whoever_was_refused_may_look_again_and_choose_again(
    visitor: Visitor, service: FakeActionService
) -> None:
    await visitor.open()
    service.later(seconds=5)
    service.refusal = "This changed while you looked at it."
    await visitor.send(verb="validate")
    service.later(seconds=5)
    service.refusal = None
    response = await visitor.send(verb="validate")

    assert response.status_code == 303
    assert len({click.identity for click in service.clicks}) == 2


async def test_a_form_sent_twice_is_the_same_press(visitor: Visitor, service: FakeActionService) -> None:
    service.is_slow = True
    await visitor.open()
    service.later(seconds=5)
    answers = [await visitor.send(verb="validate") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({click.identity for click in service.clicks}) == 1


async def test_a_press_nobody_took_up_yet_says_so_instead_of_asking_again(
    visitor: Visitor, service: FakeActionService
) -> None:
    service.is_slow = True
    await visitor.open()
    service.later(seconds=5)
    response = await visitor.send(verb="validate")
    waiting = await visitor.open(response.headers["location"])

    assert "Your choice is stored" in waiting.text
    assert 'http-equiv="refresh"' in waiting.text
    assert "<form" not in waiting.text

    service.later(minutes=2)
    assert "<form" in (await visitor.open(response.headers["location"])).text


REFUSED_CHOICES: dict[str, tuple[dict[str, str], str]] = {
    "nothing chosen": ({"note": "Kept words"}, "Please choose what should happen."),
    "rejected without a word": ({"verb": "reject", "note": "  \n "}, "Please say a few words"),
    "a novel": ({"verb": "reject", "note": "ä" * (MAX_NOTE + 1)}, "That is too long; 2000 characters"),
    "not on offer": ({"verb": "reply", "text": "Hello"}, "This cannot be done with this item now."),
    "invented": ({"verb": "<script>", "note": "Kept words"}, "This cannot be done with this item now."),
}


@pytest.mark.parametrize("name", REFUSED_CHOICES)
async def test_an_incomplete_choice_is_asked_for_again_and_the_words_are_kept(
    name: str, visitor: Visitor, service: FakeActionService
) -> None:
    fields, sentence = REFUSED_CHOICES[name]
    await visitor.open()
    service.later(seconds=5)

    refused = await visitor.send(**fields)

    assert refused.status_code == 422
    assert sentence in refused.text
    assert ("Kept words</textarea>" in refused.text) == (fields.get("note") == "Kept words")
    assert "<script" not in refused.text
    assert service.clicks == []

    service.later(seconds=5)
    assert (await visitor.send(verb="reject", note="Kept words")).status_code == 303


async def test_everything_is_in_the_routes_language(visitor: Visitor, service: FakeActionService) -> None:
    service.route = routing.Route("litiges", locale="fr")
    page = await visitor.open()

    assert '<html lang="fr">' in page.text
    assert "‹What should happen?›" in page.text
    assert re.search(r"(?<!‹)(Confirm|Validate|Needed when|You decide|Blocking|Open in)", page.text) is None


# Resolved items and links that expired or were used


async def test_a_resolved_item_says_what_came_of_it_and_offers_nothing(
    visitor: Visitor, service: FakeActionService
) -> None:
    service.item = make_item(state="resolved", version=5, outcome="rejected", resolved_by="Ben")
    page = await visitor.open()

    assert page.status_code == 200
    assert "Ben resolved this: rejected." in page.text
    assert "<form" not in page.text
    assert 'http-equiv="refresh"' not in page.text


async def test_an_expired_link_offers_a_fresh_one_to_the_same_address_only(
    visitor: Visitor, service: FakeActionService
) -> None:
    service.later(days=15)
    page = await visitor.open()
    await visitor.send(verb="validate", fresh="")
    sent = await visitor.send()

    assert page.status_code == 410
    assert "Mail me a fresh link" in page.text
    assert re.findall("Jane Roe|INV-2024-001|already paid|Getbill", page.text) == []
    assert sent.status_code == 202
    assert ADDRESS not in sent.text
    assert service.sent_links == [TOKEN_ID]
    assert service.clicks == []


async def test_a_link_signed_years_ago_still_offers_a_fresh_one(visitor: Visitor, service: FakeActionService) -> None:
    service.later(days=800)

    assert (await visitor.open()).status_code == 410
    await visitor.send()
    assert service.sent_links == [TOKEN_ID]


async def test_nobody_is_mailed_while_the_link_still_works_or_the_item_is_done(
    visitor: Visitor, service: FakeActionService
) -> None:
    assert (await visitor.post({"fresh": "1"})).status_code == 303
    service.item = make_item(state="resolved")
    service.later(days=15)
    assert (await visitor.post({"fresh": "1"})).status_code == 303
    done = await visitor.open()

    assert (done.status_code, "nothing left to decide" in done.text) == (200, True)
    assert service.sent_links == []


async def test_a_link_that_was_used_offers_a_fresh_one_when_the_source_refused(
    visitor: Visitor, service: FakeActionService
) -> None:
    service.link_use = LinkUse(ADDRESS, NOW, "validate")
    service.item = make_item(version=3, problem="Getbill says no.")
    page = await visitor.open()
    await visitor.send()

    assert "Getbill says no." in page.text
    assert "This link was used already" in page.text
    assert service.sent_links == [TOKEN_ID]


async def test_an_item_only_the_source_can_decide_says_so(visitor: Visitor, service: FakeActionService) -> None:
    service.item = make_item(make_snapshot(verbs=()), claimed_by="Anna")
    page = await visitor.open()

    assert "Please decide in Getbill." in page.text
    assert re.findall(r'name="verb" value="(\w+)"', page.text) == ["assign", "snooze"]


RESOLVED = make_item(
    make_snapshot(is_open=False, verbs=("reopen",)),
    state="resolved",
    version=3,
    resolved_at=NOW,
    outcome="validated",
    resolved_by=ADDRESS,
    undo_until=NOW + timedelta(minutes=10),
)


def offered(page: httpx.Response) -> list[str]:
    return re.findall(r'name="verb" value="(\w+)"', page.text)


async def test_a_decision_is_taken_back_through_the_mail_that_told_of_it(
    visitor: Visitor, service: FakeActionService
) -> None:
    service.item = replace(RESOLVED, version=1)
    page = await visitor.open()
    service.later(seconds=5)
    without_reason = await visitor.send(verb="reopen")
    service.later(seconds=5)
    taken = await visitor.send(verb="reopen", note="wrong debtor")

    assert offered(page) == ["undo", "reopen"]
    assert (without_reason.status_code, taken.status_code) == (422, 303)
    assert [(click.verb, click.note) for click in service.clicks] == [("reopen", "wrong debtor")]


async def test_an_older_link_takes_nothing_back_and_a_used_one_only_what_it_did(
    visitor: Visitor, service: FakeActionService
) -> None:
    service.item = RESOLVED
    older = await visitor.open()
    service.link_use = LinkUse(ADDRESS, NOW, "validate")
    used = await visitor.open()

    assert (offered(older), offered(used)) == ([], ["undo"])


# Other pages and errors


async def test_what_is_not_there_or_not_meant_so_says_what_is_wrong(visitor: Visitor) -> None:
    missing = await visitor.open("/%3Cscript%3Ealert(1)")
    assert (missing.status_code, "script" in missing.text) == (404, False)
    wrong = await visitor.post({}, "/media/m1")
    assert (wrong.status_code, set(wrong.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


async def test_a_fault_of_ours_is_a_500_without_its_details(visitor: Visitor) -> None:
    answer = await visitor.open("/broken")

    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text


async def test_whoever_is_lost_is_told_in_the_browsers_language(visitor: Visitor, service: FakeActionService) -> None:
    french = {"accept-language": "es, fr-CA;q=0.8"}
    service.broken = RetryLaterError("store_unavailable", "disk full", 7)
    answers = [
        await visitor._http.get(service.path, headers=french),
        await visitor._http.get("/nowhere", headers=french),
        await visitor._http.get("/broken", headers=french),
    ]

    assert [answer.status_code for answer in answers] == [503, 404, 500]
    assert all("‹" in answer.text and 'lang="fr"' in answer.text for answer in answers)


async def test_pages_load_only_what_is_here(visitor: Visitor) -> None:
    page = await visitor.open()
    loaded = set(re.findall(r'(?:src|href)="(/[^"]*)"', page.text))

    assert loaded == {"/static/casebell.css", "/static/casebell.svg"}
    assert {(await visitor._http.get(path)).status_code for path in loaded} == {200}
    assert "style=" not in page.text
