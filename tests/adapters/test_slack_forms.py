"""Forms open within the three seconds of a trigger_id, or say why the action is not possible."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest

from notifiers.i18n.translator import Translator
from notifiers.slack.client import SlackClient
from notifiers.slack.inbound import SlackClicks
from receiver.domain.item import Attempt
from receiver.domain.notice import Notice
from tests.adapters.slack_wire import Wire, client_of, http, no, slack
from tests.factories import NOW, make_item, make_notice, make_snapshot

pytestmark = pytest.mark.anyio

RESOLVED = make_item(make_snapshot(is_open=False), state="resolved", version=3, resolved_at=NOW, outcome="validated")


def pressed(verb: str, version: int = 1) -> bytes:
    payload = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "trigger_id": "1.2.abc",
        "container": {"message_ts": "171.2", "channel_id": "C1"},
        "actions": [{"action_id": verb, "value": f"k7f3q9x2m4ab.{version}.{verb}", "action_ts": "1.2"}],
    }
    return b"payload=" + quote_plus(json.dumps(payload)).encode()


def clicks_of(client: SlackClient, notice_for: Any) -> SlackClicks:
    return SlackClicks(
        ["secret"],
        client=client,
        notice_for=notice_for,
        locale_at=lambda _place: "en",
        translator=Translator(),
        now=lambda: NOW,
    )


async def open_form(wire: Wire, notice: Notice | None, body: bytes, *, is_slow: bool = False) -> None:
    async def notice_for(_item_id: str, _place: str) -> Notice | None:
        if is_slow:
            await wire.form_opened.wait()
        return notice

    async with client_of(wire) as client:
        after = clicks_of(client, notice_for).respond(body).after
        assert after is not None
        await after()


async def test_reject_opens_a_form_at_once_with_the_ticket_of_the_press() -> None:
    async with slack() as wire:
        await open_form(wire, make_notice(), pressed("reject"))

        ((method, told),) = wire.calls
        assert (method, told["trigger_id"]) == ("views.open", "1.2.abc")
        assert [block["type"] for block in told["view"]["blocks"]][-1] == "input"


async def test_an_item_that_is_slow_to_come_opens_a_form_that_fills_itself() -> None:
    async with slack() as wire:
        await open_form(wire, make_notice(), pressed("reject"), is_slow=True)

        assert wire.methods == ["views.open", "views.update"]
        assert "submit" not in wire.calls[0][1]["view"]
        assert wire.calls[1][1]["view_id"] == "V1"
        assert wire.calls[1][1]["view"]["submit"]


LATE = make_item(version=2, state="acting", attempt=Attempt(7, "validate", "Ana Silva", "slack", NOW))


@pytest.mark.parametrize(
    ("notice", "said"),
    [
        (make_notice(LATE), "Ana Silva was faster"),
        (make_notice(RESOLVED), "resolved already"),
        (make_notice(make_item(version=2)), "changed while you looked"),
        (make_notice(verbs=("claim",)), "cannot be done"),
        (None, "not known here"),
    ],
)
async def test_nobody_writes_a_reason_for_what_is_decided_already(notice: Notice | None, said: str) -> None:
    async with slack() as wire:
        await open_form(wire, notice, pressed("reject"))

        view = wire.calls[0][1]["view"]
        assert said in view["blocks"][0]["text"]["text"]
        assert "submit" not in view


@pytest.mark.parametrize("answer", [no("expired_trigger_id"), http(b"", 500)])
async def test_a_form_that_did_not_open_in_time_is_owned_up_to(answer: bytes) -> None:
    async with slack(answer) as wire:
        await open_form(wire, make_notice(), pressed("reject"))

        assert wire.methods == ["views.open", "chat.postEphemeral"]
        assert (wire.calls[1][1]["channel"], wire.calls[1][1]["user"]) == ("C1", "U1")


async def test_a_slack_that_is_down_altogether_breaks_nothing_else() -> None:
    async with slack(http(b"", 500), http(b"", 500)) as wire:
        await open_form(wire, make_notice(), pressed("reject"))

        assert len(wire.calls) == 2
