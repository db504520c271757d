"""The page of a link that expired or was used mails a new link to the same address on request."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection

from receiver.domain.action import Click
from receiver.domain.fact import PersonRequested, SourceRefused
from receiver.domain.item import Item
from receiver.domain.ledger import Applied
from receiver.domain.people import People, Person
from receiver.pipeline.apply import apply_fact
from receiver.store import actions
from receiver.web.app import build_app
from tests.office import Office, office, text_of

pytestmark = pytest.mark.anyio

AR = "ar@creditor.example"
ROUTE = f"""
[[routes]]
name  = "disputes"
email = ["{AR}"]
"""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path, ROUTE) as here:
        here.adapters.rules = replace(here.adapters.rules, people=People(resolvers=frozenset({AR})))
        yield here


def browser_at(here: Office) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=build_app(here.adapters)), base_url="http://127.0.0.1:9")


def links(here: Office) -> list[str]:
    """The paths of all mailed links to action pages."""
    texts = (text_of(mail.message) for mail in here.mail.messages)
    return [match[0] for text in texts if (match := re.search(r"/act/[\w.\-]+", text))]


async def test_an_expired_link_is_replaced_by_one_that_works(here: Office) -> None:
    await here.say("INV-1")
    here.at += timedelta(days=15)
    async with browser_at(here) as browser:
        expired = await browser.get(links(here)[0])
        asked = await browser.post(links(here)[0], data={"fresh": "1"})
        await here.settle()
        _, fresh = links(here)
        works = await browser.get(fresh)

    assert (expired.status_code, asked.status_code, works.status_code) == (410, 202, 200)
    assert "What should happen?" in works.text
    first, second = (mail.message for mail in here.mail.messages)
    assert {str(first["to"]), str(second["to"])} == {AR}
    assert second["references"] == first["references"]
    assert second["message-id"] != first["message-id"]


async def test_nobody_is_mailed_more_often_than_every_five_minutes(here: Office) -> None:
    await here.say("INV-1")
    here.at += timedelta(days=15)
    async with browser_at(here) as browser:
        for _ in range(3):
            await browser.post(links(here)[0], data={"fresh": "1"})
        await here.settle()
        few = len(links(here))
        here.at += timedelta(minutes=6)
        await browser.post(links(here)[0], data={"fresh": "1"})
        await here.settle()

    assert (few, len(links(here))) == (2, 3)


async def test_a_link_whose_decision_came_to_nothing_is_replaced_at_once(here: Office) -> None:
    await here.say("INV-1")
    token_id = here.adapters.rules.tokens.open("act.v1", links(here)[0].removeprefix("/act/"), 3600)
    here.at += timedelta(seconds=30)
    await here.adapters.database.write(actions.spend_token, token_id, AR, "validate", here.at)
    async with browser_at(here) as browser:
        page = await browser.get(links(here)[0])
        asked = await browser.post(links(here)[0], data={"fresh": "1"})
        await here.settle()

    assert "This link was used already" in page.text
    assert asked.status_code == 202
    assert (
        len(links(here)) == 2
    )  # the link of the alert itself, mailed half a minute ago, does not count for the interval


async def refused(here: Office, item: Item, verb: str, via: str = "mail") -> None:
    """A person decides, and the source refuses."""

    def apply(connection: Connection) -> None:
        click = Click(item.id, item.version, verb, Person(email=AR), via, f"{verb}.{item.version}")
        action_id = actions.add(connection, click, "asked", None, here.at)
        for fact in (
            PersonRequested(item.key, action_id, verb, click.person, via),
            SourceRefused(item.key, action_id, "This debt is closed"),
        ):
            assert isinstance(apply_fact(connection, fact, here.at, here.adapters.rules.routes), Applied)

    await here.adapters.database.write(apply)
    await here.settle()


async def test_whoever_left_the_page_hears_by_mail_that_the_source_refused(here: Office) -> None:
    item = await here.say("INV-1")
    here.at += timedelta(minutes=1)
    await refused(here, item, "validate")

    first, second = (mail.message for mail in here.mail.messages)
    assert "This debt is closed" in text_of(second)
    assert second["message-id"] != first["message-id"]
    assert (second["references"], second["subject"]) == (first["references"], f"Re: {first['subject']}")
    async with browser_at(here) as browser:
        assert "What should happen?" in (await browser.get(links(here)[1])).text


async def test_an_undo_that_was_refused_is_told_by_mail_too(here: Office) -> None:
    item = await here.say("INV-1")
    item = await here.show(replace(item.snapshot, is_open=False, outcome="validated", verbs=("reopen",)))
    before = len(here.mail.messages)
    await refused(here, item, "undo")

    (mail,) = here.mail.messages[before:]
    assert "This debt is closed" in text_of(mail.message)


async def test_a_refusal_of_what_was_pressed_elsewhere_is_no_mail(here: Office) -> None:
    item = await here.say("INV-1")
    await refused(here, item, "validate", via="slack")

    assert len(here.mail.messages) == 1
