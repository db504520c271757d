from collections.abc import AsyncIterator

import httpx
import pytest

from casebell_sandbox.slack import SlackStand
from tests.receiving import Receiver, receiving
from tests.slack_bot import Bot, Hand


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def slack(hand: Hand) -> SlackStand:
    return SlackStand(clock=hand)


@pytest.fixture
async def bot(slack: SlackStand) -> AsyncIterator[Bot]:
    transport = httpx.ASGITransport(app=slack.app)
    headers = {"Authorization": "Bearer xoxb-sandbox"}
    async with httpx.AsyncClient(transport=transport, base_url="http://slack.test/api/", headers=headers) as http:
        yield Bot(http)


@pytest.fixture
async def casebell(slack: SlackStand) -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        slack.interactivity_url = f"{receiver.url}/slack/interactions"
        yield receiver
