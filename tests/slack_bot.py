"""Helpers for tests of the Slack stand-in: a Web API client, a manual clock, valid blocks and a valid view."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.factories import NOW

Json = dict[str, Any]
BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", "value": "i.1.go"}
BLOCKS = [{"type": "actions", "elements": [BUTTON]}]
VIEW = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Reject"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "words",
            "label": {"type": "plain_text", "text": "Why?"},
            "element": {"type": "plain_text_input", "action_id": "typed"},
        }
    ],
}


@dataclass
class Hand:
    """A clock that only the test moves."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Bot:
    """A Web API client with a bot token."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def call(self, method: str, **args: Any) -> Json:
        answer = await self.http.post(method, json=args)
        assert answer.status_code == 200
        told: Json = answer.json()
        return told

    async def post(self, channel: str = "C0DISPUTES", **args: Any) -> str:
        return str((await self.call("chat.postMessage", channel=channel, **({"text": "Hello"} | args)))["ts"])


def payload(body: bytes) -> Json:
    (told,) = parse_qs(body.decode())["payload"]
    parsed: Json = json.loads(told)
    return parsed
