"""A link that is no good any more: its page mails a fresh one, to the same address, when it is asked for."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from receiver.domain.people import People
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
    async with office(tmp_path, ROUTE) as made:
        made.desk.people = People(resolvers=frozenset({AR}))
        yield made


def visiting(here: Office) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=build_app(here.desk)), base_url="http://127.0.0.1:9")


def links(here: Office) -> list[str]:
    """The paths of all links that were mailed to decide by."""
    texts = (text_of(mail.message) for mail in here.mail.messages)
    return [found[0] for text in texts if (found := re.search(r"/act/[\w.\-]+", text))]


async def test_an_expired_link_is_replaced_by_one_that_works(here: Office) -> None:
    await here.say("INV-1")
    here.at += timedelta(days=15)
    async with visiting(here) as browser:
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
    async with visiting(here) as browser:
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
    token_id = here.desk.tokens.open("act.v1", links(here)[0].removeprefix("/act/"), 3600)
    here.at += timedelta(seconds=30)
    await here.desk.database.write(actions.spend_token, token_id, AR, "validate", here.at)
    async with visiting(here) as browser:
        page = await browser.get(links(here)[0])
        asked = await browser.post(links(here)[0], data={"fresh": "1"})
        await here.settle()

    assert "This link was used already" in page.text
    assert asked.status_code == 202
    assert len(links(here)) == 2  # the alert itself is half a minute old, and no reason to wait
