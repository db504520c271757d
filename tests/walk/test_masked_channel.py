"""A channel that masks debtors beside one that does not: all it gets is masked, and in its own language."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from casebell_sandbox.slack_workspace import Message
from receiver.context import Adapters
from receiver.domain.item import Item
from receiver.operations.digests import make_now
from receiver.pipeline.ingest import drain_clicks
from receiver.pipeline.notices import decide_token
from receiver.store import actions, outbox
from receiver.web.app import build_app
from receiver.web.login import make_link
from tests.factories import make_snapshot
from tests.office import Office, office, text_of

pytestmark = pytest.mark.anyio

DEBTOR = "Zacharias Quillfeather"
NAME = re.compile("Quillfeather", re.IGNORECASE)
OPEN, MASKED = "C0DISPUTES", "C0TASKS"
AR, MASKED_AR = "ar@creditor.example", "paris@creditor.example"
ROUTES = f"""
[[routes]]
name        = "open"
slack       = ["{OPEN}"]
email       = ["{AR}"]
continue    = true

[[routes]]
name        = "masked"
slack       = ["{MASKED}"]
email       = ["{MASKED_AR}"]
mask_debtor = true
locale      = "fr"

[[digests]]
name        = "weekly"
to          = ["{MASKED_AR}"]
schedule    = "30 8 * * 1"
"""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path, ROUTES, datetime.now(UTC)) as made:
        app = build_app(made.adapters)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
            serving = asyncio.create_task(server.serve([listening]))
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            made.slack.interactivity_url = f"{url}/slack/interactions"
            try:
                yield made
            finally:
                server.should_exit = True
                await serving


async def dispute(here: Office) -> Item:
    said = {"debtor": DEBTOR, "quote": f"I am {DEBTOR} and I have paid", "title": f"Dispute of {DEBTOR}"}
    return await here.say("INV-1", **said)


def standing(here: Office, channel: str = MASKED) -> Message:
    return here.posts(channel)[-1]


async def press(here: Office, verb: str, channel: str = MASKED) -> None:
    """Press a verb, and let happen what comes of it."""
    await push(here, verb, channel)
    await drain_clicks(here.adapters)
    await here.settle()


async def push(here: Office, verb: str, channel: str = MASKED) -> None:
    message = standing(here, channel)
    values = re.findall(rf'"value": "([\w.]+\.{verb})"', json.dumps(message.blocks))
    is_button = f'"action_id": "{verb}"' in json.dumps(message.blocks)
    action, option = (verb, None) if is_button else ("more", values[0])
    await here.slack.click(channel, message.ts, action, "U0ANNA", option)


async def form(here: Office) -> str:
    """What the form that is about to open shows, once it is more than a placeholder."""
    await until(lambda: here.slack.views.get("U0ANNA", {}).get("submit"))
    return json.dumps(here.slack.views.pop("U0ANNA"), ensure_ascii=False)


async def until(look: Callable[[], object]) -> None:
    """What comes after Slack has its answer needs a moment."""
    async with asyncio.timeout(60):
        while not look():  # noqa: ASYNC110 - the stand-in has no event for it
            await asyncio.sleep(0.01)


def whispers(here: Office, channel: str = MASKED) -> list[str]:
    return [f"{one.text} {one.blocks}" for one in here.slack.ephemerals if one.channel == channel]


def all_of(here: Office, channel: str) -> str:
    """All that stands or stood in the channel, also for one person."""
    posts = [f"{one.text} {one.blocks}" for one in here.slack.posts(channel)]
    return " ".join([*posts, *whispers(here, channel)])


async def test_a_form_is_masked_and_spoken_as_the_message_it_was_opened_from(here: Office) -> None:
    await dispute(here)
    titles = {"reject": "Rejeter", "assign": "Attribuer", "snooze": "Reporter", "note": "Ajouter une note"}
    for verb in titles:
        await press(here, verb)
        shown = await form(here)
        assert not NAME.search(shown)
        assert "INV-1" in shown
        assert '"Annuler"' in shown

    await press(here, "note")
    await until(lambda: here.slack.views.get("U0ANNA", {}).get("submit"))
    view: dict[str, Any] = here.slack.views["U0ANNA"]
    await here.slack.submit(view["id"], {"words": " "})
    assert "mots" in here.slack.view_errors["U0ANNA"]["words"]

    await press(here, "assign", OPEN)
    shown = await form(here)
    assert NAME.search(shown)
    assert '"Cancel"' in shown


async def test_what_follows_from_a_press_is_masked_and_spoken_as_the_channel(here: Office) -> None:
    item = await dispute(here)
    message = standing(here)
    before = message.blocks
    await press(here, "claim", OPEN)
    message.blocks = before  # as if the redraw had been late
    await press(here, "validate")
    (refused,) = whispers(here)
    assert "changé" in refused

    await push(here, "validate")
    await drain_clicks(here.adapters)
    closed = make_snapshot(key=item.key, reference="INV-1", debtor=DEBTOR, title=f"Dispute of {DEBTOR}")
    await here.show(replace(closed, is_open=False, verbs=("reopen",), outcome="validated"))
    offered = whispers(here)[-1]

    assert "Annuler" in offered
    assert "INV-1" in offered
    assert NAME.search(all_of(here, OPEN))
    assert not NAME.search(all_of(here, MASKED))


async def test_what_is_typed_or_posted_in_a_masked_channel_is_answered_as_the_channel_is_told(here: Office) -> None:
    item = await dispute(here)
    await here.slack.type_command(MASKED, "snooze INV-1")
    snoozing = await form(here)
    assert here.adapters.surfaces is not None
    await here.adapters.surfaces.publish_home("U0ANNA", None)
    home = json.dumps(here.slack.homes)
    here.slack.scopes += ",links:read,links:write"
    for n, typed in enumerate(("find INV-1", "list", "help", "snooze INV-1 1h"), 1):
        await here.slack.type_command(MASKED, typed)
        await until(lambda n=n: len(whispers(here)) == n)  # type: ignore[misc]
    link = f"{here.adapters.rules.public_url}/items/{item.id}"
    await here.slack.share_link(MASKED, link)
    await until(lambda: link in here.slack.previews)
    preview = json.dumps(here.slack.previews[link])

    assert "Ouvert" in whispers(here)[1]
    assert "INV-1" in preview
    assert "INV-1" in home
    assert '"Annuler"' in snoozing
    for got in (all_of(here, MASKED), preview, snoozing, home):
        assert not NAME.search(got)


async def test_a_message_stays_in_its_route_when_another_route_has_it_redrawn(here: Office) -> None:
    item = await dispute(here)
    await here.adapters.database.write(outbox.enqueue_show, item.id, f"slack:{MASKED}", "open", here.at)
    await press(here, "claim", OPEN)

    assert not NAME.search(all_of(here, MASKED))


async def test_a_masked_message_stays_masked_when_its_route_gets_another_name(here: Office) -> None:
    item = await dispute(here)
    first, masked = here.adapters.rules.routes
    here.adapters.rules = replace(here.adapters.rules, routes=(first, replace(masked, name="paris")))
    said = make_snapshot(key=item.key, reference="INV-1", debtor=DEBTOR, title="Another title")
    await here.show(said)

    assert "Another title" in str(standing(here).blocks)
    assert not NAME.search(all_of(here, MASKED))


async def test_a_mail_its_page_and_the_page_of_a_digest_are_masked_as_the_route(here: Office) -> None:
    item = await dispute(here)
    mails = {str(mail.message["to"]): mail.message for mail in here.mail.messages}
    assert NAME.search(str(mails[AR]["subject"]) + text_of(mails[AR]))
    assert not NAME.search(mails[MASKED_AR].as_string())

    found = re.search(r"/act/[\w.\-]+", text_of(mails[MASKED_AR]))
    assert found
    digest = replace(decide_token(item, here.adapters.rules.digests[0].as_route(), MASKED_AR, here.at), id="digest")
    await here.adapters.database.write(actions.add_token_once, digest)
    from_digest = f"/act/{here.adapters.rules.tokens.make('act.v1', 'digest')}"
    async with visiting(here.adapters) as browser:
        pages = [(await browser.get(path)).text for path in (found[0], from_digest)]
        await browser.post(await make_link(here.adapters, AR))
        pages += [(await browser.get(path)).text for path in ("/", f"/items/{item.id}")]

    for shown in pages:
        assert "INV-1" in shown
        assert not NAME.search(shown)


async def test_a_channel_that_two_routes_name_is_told_nothing_unmasked_when_one_of_them_masks(here: Office) -> None:
    first, masked = here.adapters.rules.routes
    here.adapters.rules = replace(here.adapters.rules, routes=(replace(first, slack=(OPEN, MASKED)), masked))
    await dispute(here)
    await here.settle()

    assert NAME.search(all_of(here, OPEN))
    assert standing(here)
    assert not NAME.search(all_of(here, MASKED))


async def test_a_digest_is_masked_where_its_channel_is_though_no_masking_route_takes_the_item(here: Office) -> None:
    first, masked = here.adapters.rules.routes
    here.adapters.rules = replace(here.adapters.rules, routes=(replace(first, is_continued=False), masked))
    (weekly,) = here.adapters.rules.digests
    here.adapters.rules = replace(
        here.adapters.rules, digests=(replace(weekly, to=(AR, MASKED_AR), slack=(OPEN, MASKED)),)
    )
    await dispute(here)
    await make_now(here.adapters, weekly.name)
    await here.settle()
    mails = {str(mail.message["to"]): text_of(mail.message) for mail in here.mail.messages}

    for told in (all_of(here, OPEN), mails[AR]):
        assert NAME.search(told)
    for told in (all_of(here, MASKED), mails[MASKED_AR]):
        assert "INV-1" in told
        assert not NAME.search(told)

    found = re.search(r"/act/[\w.\-]+", mails[MASKED_AR])
    assert found
    async with visiting(here.adapters) as browser:
        page = (await browser.get(found[0])).text
    assert "INV-1" in page
    assert not NAME.search(page)


def visiting(adapters: Adapters) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=build_app(adapters)), base_url="http://127.0.0.1:9")
