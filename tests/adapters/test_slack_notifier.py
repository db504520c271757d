"""The notifier over a real socket: one message an item is posted, updated, replaced, or sent without blocks."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from notifiers.i18n.translator import Translator
from notifiers.slack.client import SlackClient
from notifiers.slack.errors import INVALID_BLOCKS
from notifiers.slack.notifier import SlackNotifier
from receiver.domain.notice import Reminder
from receiver.domain.people import Person
from receiver.errors import PermanentError
from receiver.ports import Delivered, GroupedDelivery
from tests.adapters.slack_wire import HANG_UP, OK, Wire, http, no, slack
from tests.factories import NOW, make_item, make_notice, make_snapshot

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def notifier_of(wire: Wire) -> AsyncIterator[SlackNotifier]:
    notifier = SlackNotifier(SlackClient(wire.url, "xoxb-1", total_s=5), Translator())
    try:
        yield notifier
    finally:
        await notifier.close()


RESOLVED = make_item(make_snapshot(is_open=False), state="resolved", version=3, resolved_at=NOW, outcome="validated")


async def test_an_item_is_posted_once_and_then_redrawn() -> None:
    async with slack() as wire, notifier_of(wire) as notifier:
        posted = await notifier.deliver(make_notice(), "C1", None, None)
        redrawn = await notifier.deliver(make_notice(RESOLVED), "C1", posted.reference, "open")

        assert posted == redrawn == Delivered("C1/171.2")
        assert wire.methods == ["chat.postMessage", "chat.update"]
        assert "value" not in json.dumps(wire.calls[1][1]["blocks"])


async def test_a_message_that_somebody_deleted_is_posted_anew() -> None:
    async with slack(no("message_not_found"), http(OK | {"ts": "172.1"})) as wire, notifier_of(wire) as notifier:
        delivered = await notifier.deliver(make_notice(), "C1", "C1/171.2", "open")

        assert delivered == Delivered("C1/172.1")
        assert wire.methods == ["chat.update", "chat.postMessage"]


async def test_an_item_resolved_before_anybody_saw_it_is_not_posted() -> None:
    async with slack() as wire, notifier_of(wire) as notifier:
        assert await notifier.deliver(make_notice(RESOLVED), "C1", None, None) == Delivered(None)
        assert wire.calls == []


@pytest.mark.parametrize("code", sorted(INVALID_BLOCKS))
@pytest.mark.parametrize("reference", [None, "C1/171.2"])
async def test_a_drawing_slack_refuses_becomes_plain_words_instead_of_silence(code: str, reference: str | None) -> None:
    async with slack(no(code)) as wire, notifier_of(wire) as notifier:
        delivered = await notifier.deliver(make_notice(), "C1", reference, None)
        rows = await notifier.health()

        assert delivered == Delivered("C1/171.2")
        assert not wire.calls[1][1].get("blocks")
        assert "https://app.getbill.example/todo/enc_234" in wire.calls[1][1]["text"]
        assert [row.name for row in rows if not row.is_well] == ["slack blocks"]


async def test_an_item_that_opens_again_is_redrawn_and_rings_once() -> None:
    async with slack() as wire, notifier_of(wire) as notifier:
        delivered = await notifier.deliver(make_notice(make_item(version=4)), "C1", "C1/171.2", "resolved")

        assert delivered == Delivered("C1/171.2")
        assert wire.methods == ["chat.update", "chat.postMessage"]
        assert wire.calls[1][1]["thread_ts"] == "171.2"
        assert wire.calls[1][1]["reply_broadcast"] is True  # a thread notifies only its followers
        assert wire.calls[1][1]["text"].startswith("This is open again. Jane Roe disputes")


@pytest.mark.parametrize("answer", [HANG_UP, no("restricted_action_non_threadable_channel")])
async def test_a_reply_that_perhaps_failed_is_not_said_twice(answer: bytes) -> None:
    async with slack(http(OK), answer) as wire, notifier_of(wire) as notifier:
        delivered = await notifier.deliver(make_notice(), "C1", "C1/171.2", "resolved")

        assert delivered == Delivered("C1/171.2")


async def test_any_other_refusal_reaches_the_outbox() -> None:
    async with slack(no("is_archived")) as wire, notifier_of(wire) as notifier:
        with pytest.raises(PermanentError) as failed:
            await notifier.deliver(make_notice(), "C1", None, None)

        assert failed.value.code == "is_archived"
        assert wire.methods == ["chat.postMessage"]


async def test_a_word_to_one_person_is_seen_by_that_person_only_and_carries_no_markup() -> None:
    async with slack() as wire, notifier_of(wire) as notifier:
        await notifier.reply("C1/U1", "Ana <!channel> was faster")

        assert wire.calls == [
            ("chat.postEphemeral", {"channel": "C1", "user": "U1", "text": "Ana &lt;!channel&gt; was faster"})
        ]


@pytest.mark.parametrize("address", ["", "C1", "C1/", "/U1"])
async def test_a_word_to_nobody_fails_for_good(address: str) -> None:
    async with slack() as wire, notifier_of(wire) as notifier:
        with pytest.raises(PermanentError):
            await notifier.reply(address, "Hello")


async def test_the_doctor_sees_who_the_token_speaks_for_and_which_scope_is_missing() -> None:
    said = http({"ok": True, "team": "Acme", "user": "casebell"}, x_oauth_scopes="chat:write,users:read")
    async with slack(said) as wire, notifier_of(wire) as notifier:
        who, scopes, places = await notifier.health()

        assert (who.is_well, who.detail) == (True, "casebell in Acme")
        assert (scopes.is_well, scopes.detail) == (False, "missing: users:read.email")
        assert scopes.cure
        assert (places.is_well, "command: off, links: off" in places.detail) == (True, True)


@pytest.mark.parametrize(
    "answer", [no("invalid_auth"), no("token_revoked"), no("a_code_of_tomorrow"), http(b"", 502), HANG_UP]
)
async def test_the_doctor_names_a_cure_for_whatever_is_wrong(answer: bytes) -> None:
    async with slack(answer) as wire, notifier_of(wire) as notifier:
        (row,) = await notifier.health()

        assert not row.is_well
        assert row.cure


STILL_OPEN = make_item(version=5, problem="still_open")


async def test_a_request_that_came_to_nothing_rings_in_the_channel_again_and_once() -> None:
    """An edit notifies nobody, and a thread only its followers (docs/vendors/slack.md#messages-and-threads)."""
    async with slack() as wire, notifier_of(wire) as notifier:
        await notifier.deliver(make_notice(STILL_OPEN), "C1", "C1/171.2", "acting")
        again = len(wire.calls)
        await notifier.deliver(make_notice(replace(STILL_OPEN, version=6)), "C1", "C1/171.2", "still_open")

        assert wire.methods == ["chat.update", "chat.postMessage", "chat.update"]
        loud = wire.calls[again - 1][1]
        assert (loud["thread_ts"], loud["reply_broadcast"]) == ("171.2", True)
        assert "this is still open there. Please look at it again." in loud["text"]


# Reminders, undo offers and grouped alerts


async def test_a_reminder_goes_into_the_thread_of_its_message_and_mentions_one_person() -> None:
    async with slack() as wire, notifier_of(wire) as notifier:
        ben = Person(name="Ben", slack_id="U2")
        await notifier.remind(make_notice(), "C1", "C1/171.5@171.2", Reminder("reminder", ben))

        ((method, told),) = wire.calls
        assert (method, told["channel"], told["thread_ts"]) == ("chat.postMessage", "C1", "171.2")
        assert told["text"].startswith("<@U2> Reminder")


@pytest.mark.parametrize("answer", [HANG_UP, no("is_archived")])
async def test_a_reminder_that_perhaps_arrived_or_cannot_is_not_said_again(answer: bytes) -> None:
    async with slack(answer) as wire, notifier_of(wire) as notifier:
        await notifier.remind(make_notice(), "C1", "C1/171.2", Reminder("reminder"))

        assert wire.methods == ["chat.postMessage"]


async def test_somebody_slack_does_not_know_is_reminded_without_a_mention() -> None:
    async with slack(no("users_not_found")) as wire, notifier_of(wire) as notifier:
        await notifier.remind(make_notice(), "C1", "C1/171.2", Reminder("woken", Person(email="ben@creditor.example")))

        assert wire.methods == ["users.lookupByEmail", "chat.postMessage"]
        assert "<@" not in wire.calls[1][1]["text"]


async def test_an_alert_below_a_message_is_found_again_in_its_thread() -> None:
    async with slack(http(OK | {"ts": "171.5"})) as wire, notifier_of(wire) as notifier:
        posted = await notifier.deliver(make_notice(below="C1/171.2"), "C1", None, None)
        await notifier.deliver(make_notice(RESOLVED), "C1", posted.reference, "open")

        assert posted == Delivered("C1/171.5@171.2")
        assert [told.get("thread_ts") for _, told in wire.calls] == ["171.2", None]
        assert wire.calls[1][1]["ts"] == "171.5"


async def test_an_alert_whose_thread_was_deleted_stands_by_itself() -> None:
    async with slack(no("thread_not_found")) as wire, notifier_of(wire) as notifier:
        posted = await notifier.deliver(make_notice(below="C1/170.0"), "C1", None, None)

        assert posted == Delivered("C1/171.2")
        assert "thread_ts" not in wire.calls[1][1]


async def test_several_alerts_ring_once_and_point_to_their_thread() -> None:
    async with slack() as wire, notifier_of(wire) as notifier:
        gathered = await notifier.deliver_grouped([make_notice(), make_notice()], "C1")

        assert gathered == GroupedDelivery(below="C1/171.2")
        assert wire.methods == ["chat.postMessage"]


async def test_the_way_back_is_shown_to_one_person_only() -> None:
    item = replace(RESOLVED, snapshot=make_snapshot(is_open=False, verbs=("reopen",)), undo_until=NOW)
    async with slack() as wire, notifier_of(wire) as notifier:
        await notifier.offer_undo(make_notice(item), "C1/U2")

        ((method, told),) = wire.calls
        assert (method, told["channel"], told["user"]) == ("chat.postEphemeral", "C1", "U2")
        assert "k7f3q9x2m4ab.3.undo" in json.dumps(told["blocks"])
