"""Takes the pictures of docs/slack.md: Chromium photographs the Block Kit that the Slack stand-in renders."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page

from casebell_sandbox.server import SandboxThread
from casebell_sandbox.slack import SlackStand
from notifiers.slack.client import SlackClient
from tests.browser import somebody
from tests.factories import NOW
from tests.slack_scenes import FORMS, SHEETS, Channel

WIDTH, HEIGHT = 900, 4_000  # high enough that the channel does not scroll
WIDTH_OF_FORMS, HEIGHT_OF_FORMS = 1_100, 900
MARGIN = 8


def draw_slack(chromium: Browser, folder: Path) -> None:
    """Write a picture of every sheet and every form into ``folder``."""
    with SandboxThread() as stand_ins, somebody(chromium) as person:
        slack, page = stand_ins.sandbox.slack, person.new_page()
        slack._clock = lambda: NOW
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        _tell(slack, stand_ins.url, list(SHEETS))
        for name in SHEETS:
            page.goto(f"{stand_ins.url}/slack/?channel={_channel_id(name)}&as=U0ANNA")
            (folder / f"slack-{name}.png").write_bytes(_whole(page, page.locator("article.message")))
        page.set_viewport_size({"width": WIDTH_OF_FORMS, "height": HEIGHT_OF_FORMS})
        for name in FORMS:
            _tell(slack, stand_ins.url, [name])
            page.goto(f"{stand_ins.url}/slack/?channel={_channel_id(name)}&as=U0ANNA")
            (folder / f"slack-{name}.png").write_bytes(_framed(page, page.locator(".modal")))
            slack.close_view("U0ANNA")


def _whole(page: Page, messages: Locator) -> bytes:
    boxes = [box for one in messages.all() if (box := one.bounding_box())]
    left, top = boxes[0]["x"], boxes[0]["y"] - MARGIN
    bottom = boxes[-1]["y"] + boxes[-1]["height"] + MARGIN
    return page.screenshot(clip={"x": left, "y": top, "width": WIDTH - left, "height": bottom - top})


def _framed(page: Page, form: Locator) -> bytes:
    """A picture of the form with a margin of the dimmed channel."""
    box = form.bounding_box()
    assert box is not None
    left, top = box["x"] - 2 * MARGIN, box["y"] - 2 * MARGIN
    width, height = box["width"] + 4 * MARGIN, box["height"] + 4 * MARGIN
    return page.screenshot(clip={"x": left, "y": top, "width": width, "height": height})


def _tell(slack: SlackStand, url: str, names: list[str]) -> None:
    """Post the scenes from another thread, as the browser uses this thread's event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_told(slack, url, names))).result()


async def _told(slack: SlackStand, url: str, names: list[str]) -> None:
    client = SlackClient(f"{url}/slack/api/", slack.bot_token)
    for name in names:
        await (SHEETS | FORMS)[name](Channel(slack, client, name))
    await client.close()


def _channel_id(name: str) -> str:
    return f"C0{name.upper().replace('-', '')}"
