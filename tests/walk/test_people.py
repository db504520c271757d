"""What people meet when something goes wrong between a press and its form."""

import json
import logging
from urllib.parse import quote_plus

import pytest

from notifiers.i18n.translator import Translator
from notifiers.slack.inbound import SlackClicks
from receiver.domain.notice import Notice
from tests.adapters.slack_wire import Wire, client_of, no, slack
from tests.factories import NOW, make_notice

pytestmark = pytest.mark.anyio

PRESS = {
    "type": "block_actions",
    "user": {"id": "U1"},
    "trigger_id": "1.2.abc",
    "container": {"message_ts": "171.2", "channel_id": "C1"},
    "actions": [{"action_id": "reject", "value": "k7f3q9x2m4ab.1.reject", "action_ts": "1.2"}],
}
BODY = b"payload=" + quote_plus(json.dumps(PRESS)).encode()


async def press_reject(wire: Wire, notice: Notice | Exception, *, is_slow: bool = False, locale: str = "en") -> None:
    async def notice_for(_item_id: str, _place: str) -> Notice | None:
        if is_slow:
            await wire.form_opened.wait()
        if isinstance(notice, Exception):
            raise notice
        return notice

    async with client_of(wire) as client:
        clicks = SlackClicks(
            ["secret"],
            client=client,
            notice_for=notice_for,
            locale_at=lambda _place: locale,
            translator=Translator(),
            now=lambda: NOW,
        )
        after = clicks.respond(BODY).after
        assert after is not None
        await after()


async def test_a_store_that_fails_is_told_to_the_person_and_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with slack() as wire:
        with caplog.at_level(logging.ERROR):
            await press_reject(wire, OSError("disk I/O error"))

        ((method, told),) = wire.calls
        assert (method, told["user"]) == ("chat.postEphemeral", "U1")
        assert "press the button once more" in told["text"]
        assert "disk I/O error" in caplog.text


async def test_a_placeholder_does_not_stay_open_when_the_item_cannot_be_fetched() -> None:
    async with slack() as wire:
        await press_reject(wire, OSError("disk I/O error"), is_slow=True)

        assert wire.methods == ["views.open", "views.update"]
        view = wire.calls[1][1]["view"]
        assert "submit" not in view
        assert "press the button once more" in json.dumps(view)


async def test_a_form_that_did_not_open_is_told_in_the_language_of_the_channel() -> None:
    async with slack(no("expired_trigger_id")) as wire:
        await press_reject(wire, make_notice(), locale="fr")

        assert "Merci d’appuyer à nouveau" in wire.calls[-1][1]["text"]


async def test_a_placeholder_speaks_the_language_of_the_channel() -> None:
    async with slack() as wire:
        await press_reject(wire, make_notice(), is_slow=True, locale="fr")

        assert "Un instant" in json.dumps(wire.calls[0][1]["view"])
