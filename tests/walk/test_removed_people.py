"""A person whom [people] no longer names gets the same page from an old link as from an invalid one."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from receiver.domain.item import Item, Medium
from receiver.domain.people import People
from receiver.pipeline.deliver.digests import subscription_id
from receiver.web.app import build_app
from receiver.web.login import make_link
from tests.office import Office, office, text_of

pytestmark = pytest.mark.anyio
AR, BEA = "ar@creditor.example", "bea@creditor.example"
ROUTE = f"""
[[routes]]
name  = "disputes"
email = ["{AR}"]
slack = ["C0DISPUTES"]
"""
MEDIA = (Medium("recording", "call.mp3"),)
NO_SUCH_FILE = "This file is not there any more"  # the link was accepted; the fake source has no file


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path, ROUTE) as here:
        here.adapters.rules = replace(here.adapters.rules, people=People(resolvers=frozenset({AR, BEA})))
        yield here


def browser_at(here: Office) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=build_app(here.adapters)), base_url="http://127.0.0.1:9")


def mailed_paths(here: Office, prefix: str) -> list[str]:
    """The paths ``/prefix/…`` in the newest mail."""
    return re.findall(rf"/{prefix}/[\w.\-]+", text_of(here.mail.messages[-1].message))


async def alert(here: Office) -> Item:
    return await here.say("INV-1", media=MEDIA)


async def test_old_links_of_somebody_removed_answer_as_wrong_ones_do(here: Office) -> None:
    await alert(here)
    (act, *_), (media, *_) = mailed_paths(here, "act"), mailed_paths(here, "media")
    async with browser_at(here) as browser:
        before = [await browser.get(path) for path in (act, media)]
        here.adapters.rules = replace(here.adapters.rules, people=People(resolvers=frozenset({BEA})))
        looked = [await browser.get(path) for path in (act, media, "/act/wrong", "/media/wrong")]
        pressed = [await browser.post(act, data=fields) for fields in ({"verb": "validate"}, {"fresh": "1"})]
        await here.settle()
        here.adapters.rules = replace(here.adapters.rules, people=People(resolvers=frozenset({AR})))
        again = await browser.get(act)

    assert before[0].status_code == 200
    assert NO_SUCH_FILE in before[1].text
    assert {(answer.status_code, answer.text) for answer in (*looked, *pressed)} == {(404, looked[2].text)}
    assert "ask whoever looks after Casebell" in looked[2].text
    assert len(here.mail.messages) == 1
    assert again.status_code == 200


async def test_an_address_is_admitted_by_its_domain_too(here: Office) -> None:
    await alert(here)
    (act, *_) = mailed_paths(here, "act")
    async with browser_at(here) as browser:
        here.adapters.rules = replace(here.adapters.rules, people=People(admins=frozenset({"@creditor.example"})))
        by_domain = await browser.get(act)
        here.adapters.rules = replace(here.adapters.rules, people=People(admins=frozenset({"@elsewhere.example"})))
        by_another = await browser.get(act)

    assert (by_domain.status_code, by_another.status_code) == (200, 404)


async def test_a_mail_to_an_address_that_is_not_named_has_no_links_that_would_lead_nowhere(here: Office) -> None:
    here.adapters.rules = replace(here.adapters.rules, people=People(resolvers=frozenset({BEA})))
    await alert(here)

    assert (mailed_paths(here, "act"), mailed_paths(here, "media")) == ([], [])
    assert "INV-1" in text_of(here.mail.messages[-1].message)


async def test_a_file_of_a_resolved_item_opens_from_its_mail_for_who_is_named_only(here: Office) -> None:
    item = await alert(here)
    await here.show(replace(item.snapshot, is_open=False, outcome="validated", verbs=()))
    (media, *_) = mailed_paths(here, "media")
    async with browser_at(here) as browser:
        named = await browser.get(media)
        here.adapters.rules = replace(here.adapters.rules, people=People())
        removed = await browser.get(media)

    assert NO_SUCH_FILE in named.text
    assert "leads nowhere" in removed.text


async def test_a_link_in_a_channel_opens_for_whoever_reads_the_channel(here: Office) -> None:
    item = await alert(here)
    path = "/media/" + here.adapters.rules.tokens.make("media.v1", [item.id, 0])
    async with browser_at(here) as browser:
        assert NO_SUCH_FILE in (await browser.get(path)).text


async def test_a_file_on_a_page_opens_only_while_signed_in(here: Office) -> None:
    item = await alert(here)
    async with browser_at(here) as browser, browser_at(here) as stranger:
        await browser.post(await make_link(here.adapters, BEA))
        (path, *_) = re.findall(r"/media/[\w.\-]+", (await browser.get(f"/items/{item.id}")).text)
        mine, theirs = await browser.get(path), await stranger.get(path)
        here.adapters.rules = replace(here.adapters.rules, people=People(resolvers=frozenset({AR})))
        removed = await browser.get(path)

    assert NO_SUCH_FILE in mine.text
    assert [(a.status_code, a.headers["location"].partition("?")[0]) for a in (theirs, removed)] == [
        (303, "/login")
    ] * 2


async def test_whoever_was_removed_can_still_unsubscribe(here: Office) -> None:
    path = "/unsubscribe/" + here.adapters.rules.tokens.make("unsubscribe.v1", subscription_id("daily", AR))
    here.adapters.rules = replace(here.adapters.rules, people=People())
    async with browser_at(here) as browser:
        assert [(await browser.get(path)).status_code, (await browser.post(path)).status_code] == [200, 200]
