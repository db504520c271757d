"""Slack's stand-in: its Web API as Casebell calls it."""

import asyncio
import json

import httpx
import pytest

from casebell_sandbox.slack import SlackStand
from tests.receiving import receiving
from tests.slack_bot import BLOCKS, BUTTON, VIEW, Bot, Hand, Json

pytestmark = pytest.mark.anyio


async def test_a_message_stands_in_its_channel_in_order_and_has_a_place(slack: SlackStand, bot: Bot) -> None:
    answer = await bot.call("chat.postMessage", channel="C0TASKS", text="First", blocks=BLOCKS)
    await bot.post("C0TASKS", text="Second")
    await bot.post("C0DISPUTES", text="Elsewhere")

    assert (answer["ok"], answer["channel"], answer["message"]["text"]) == (True, "C0TASKS", "First")
    assert [message.text for message in slack.posts("C0TASKS")] == ["First", "Second"]
    first = slack.messages["C0TASKS", answer["ts"]]
    assert (first.blocks[0]["elements"], first.edits, first.ephemeral_to) == ([BUTTON], 0, None)
    assert first.blocks[0]["block_id"]


async def test_a_form_body_says_the_same_as_json(slack: SlackStand, bot: Bot) -> None:
    form = {"channel": "C0TASKS", "text": "Zoë & <b>", "blocks": json.dumps(BLOCKS), "token": "xoxb-sandbox"}
    answer = await bot.http.post("chat.postMessage", data=form, headers={"Authorization": ""})

    assert answer.json()["ok"] is True
    assert (slack.posts("C0TASKS")[0].text, len(slack.posts("C0TASKS")[0].blocks)) == ("Zoë & <b>", 1)


@pytest.mark.parametrize(
    ("token", "error"),
    [("", "not_authed"), ("Bearer xoxb-other", "invalid_auth"), ("Basic xoxb-sandbox", "not_authed")],
)
async def test_a_wrong_token_gets_nowhere(bot: Bot, token: str, error: str) -> None:
    answer = await bot.http.post("chat.postMessage", json={"channel": "C0TASKS"}, headers={"Authorization": token})

    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})


async def test_auth_test_says_who_the_bot_is_and_what_it_may_do(bot: Bot) -> None:
    answer = await bot.http.post("auth.test")

    assert (answer.json()["team_id"], answer.json()["user"]) == ("T0CREDITOR", "casebell")
    assert answer.headers["x-oauth-scopes"] == "chat:write,users:read,users:read.email"


REFUSALS: dict[str, tuple[str, Json, str]] = {
    "no channel": ("chat.postMessage", {"text": "x"}, "invalid_arguments"),
    "unknown channel": ("chat.postMessage", {"channel": "C9", "text": "x"}, "channel_not_found"),
    "archived channel": ("chat.postMessage", {"channel": "C0OLD", "text": "x"}, "is_archived"),
    "channel without the bot": ("chat.postMessage", {"channel": "C0PRIVATE", "text": "x"}, "not_in_channel"),
    "a bot": ("chat.postMessage", {"channel": "U0BOT", "text": "x"}, "cannot_dm_bot"),
    "nothing said": ("chat.postMessage", {"channel": "C0TASKS"}, "no_text"),
    "no thread": ("chat.postMessage", {"channel": "C0TASKS", "text": "x", "thread_ts": "1.2"}, "thread_not_found"),
    "bad blocks": ("chat.postMessage", {"channel": "C0TASKS", "blocks": [{"type": "magic"}]}, "invalid_blocks"),
    "no blocks at all": ("chat.postMessage", {"channel": "C0TASKS", "blocks": "[{"}, "invalid_blocks_format"),
    "too many words": (
        "chat.postMessage",
        {"channel": "C0TASKS", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 5},
        "msg_blocks_too_long",
    ),
    "no such message": ("chat.update", {"channel": "C0TASKS", "ts": "1.2", "text": "x"}, "message_not_found"),
    "nothing to delete": ("chat.delete", {"channel": "C0TASKS", "ts": "1.2"}, "message_not_found"),
    "nobody to tell": ("chat.postEphemeral", {"channel": "C0TASKS", "user": "U9", "text": "x"}, "user_not_in_channel"),
    "nobody to look up": ("users.info", {"user": "U9"}, "user_not_found"),
    "no such address": ("users.lookupByEmail", {"email": "dora@creditor.example"}, "users_not_found"),
    "no such ticket": ("views.open", {"trigger_id": "1.2", "view": VIEW}, "invalid_trigger_id"),
    "no such form": ("views.update", {"view_id": "V9", "view": VIEW}, "not_found"),
    "a form that is none": ("views.open", {"trigger_id": "1.2", "view": {"type": "modal"}}, "invalid_arguments"),
    "no such method": ("chat.shout", {}, "unknown_method"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_a_200_that_says_no_and_why(slack: SlackStand, bot: Bot, name: str) -> None:
    slack.channels["C0OLD"] = slack.channels["C0TASKS"] | {"id": "C0OLD", "is_archived": True}
    slack.channels["C0PRIVATE"] = slack.channels["C0TASKS"] | {"id": "C0PRIVATE", "is_member": False}
    method, args, error = REFUSALS[name]

    answer = await bot.call(method, **args)

    assert (answer["ok"], answer["error"]) == (False, error)
    assert (slack.messages, slack.ephemerals, slack.views) == ({}, [], {})


async def test_a_refused_drawing_says_where_it_is_wrong(bot: Bot) -> None:
    answer = await bot.call("chat.postMessage", channel="C0TASKS", text="x", blocks=[{"type": "section"}])

    assert answer["response_metadata"]["messages"] == [
        "[ERROR] missing required field: text or fields [json-pointer:/blocks/0]"
    ]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"text": "\\ud800"}', b"\xff", b"[" * 100_000])
async def test_rubbish_is_answered_and_not_a_crash(bot: Bot, body: bytes) -> None:
    answer = await bot.http.post("chat.postMessage", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["error"]) == (200, "invalid_json")


async def test_an_update_without_blocks_keeps_the_old_ones_and_their_live_buttons(slack: SlackStand, bot: Bot) -> None:
    ts = await bot.post(blocks=BLOCKS)
    message = slack.messages["C0DISPUTES", ts]

    await bot.call("chat.update", channel="C0DISPUTES", ts=ts, text="Kept")
    kept = message.blocks
    await bot.call("chat.update", channel="C0DISPUTES", ts=ts, text="Gone", blocks=[])

    assert kept[0]["elements"] == [BUTTON]
    assert (message.text, message.blocks, message.edits) == ("Gone", [], 2)


async def test_a_refused_update_changes_nothing(slack: SlackStand, bot: Bot) -> None:
    ts = await bot.post(text="Before", blocks=BLOCKS)

    await bot.call("chat.update", channel="C0DISPUTES", ts=ts, text="After", blocks=[{"type": "magic"}])

    message = slack.messages["C0DISPUTES", ts]
    assert (message.text, len(message.blocks), message.edits) == ("Before", 1, 0)


async def test_a_reply_knows_its_thread_and_a_deleted_message_is_gone(slack: SlackStand, bot: Bot) -> None:
    root = await bot.post()
    reply = await bot.post(thread_ts=root, text="Below")

    assert slack.messages["C0DISPUTES", reply].thread_ts == root
    assert (await bot.call("chat.delete", channel="C0DISPUTES", ts=reply))["ok"] is True
    assert [message.ts for message in slack.posts("C0DISPUTES")] == [root]


async def test_a_word_to_one_person_is_seen_by_nobody_else_and_cannot_be_edited(slack: SlackStand, bot: Bot) -> None:
    answer = await bot.call("chat.postEphemeral", channel="C0TASKS", user="U0ANNA", text="Only you")

    assert [(message.text, message.ephemeral_to) for message in slack.ephemerals] == [("Only you", "U0ANNA")]
    assert slack.posts("C0TASKS") == []
    edited = await bot.call("chat.update", channel="C0TASKS", ts=answer["message_ts"], text="x")
    assert edited["error"] == "message_not_found"


async def test_a_message_to_a_person_goes_to_their_conversation_whose_id_is_another(
    slack: SlackStand, bot: Bot
) -> None:
    answer = await bot.call("chat.postMessage", channel="U0ANNA", text="Hello Anna")

    assert answer["channel"] == "D0ANNA"
    assert [message.text for message in slack.posts("D0ANNA")] == ["Hello Anna"]
    assert (await bot.call("chat.update", channel="U0ANNA", ts=answer["ts"], text="x"))["error"] == "channel_not_found"
    assert (await bot.call("chat.update", channel="D0ANNA", ts=answer["ts"], text="x"))["ok"] is True


async def test_people_are_found_by_id_and_by_address_with_what_they_are(bot: Bot) -> None:
    anna = (await bot.call("users.lookupByEmail", email="Anna@creditor.example"))["user"]
    flags = {
        user: {key for key, value in (await bot.call("users.info", user=user))["user"].items() if value is True}
        for user in ("U0ANNA", "U0GUEST", "U0BOT", "U0GONE")
    }

    assert (anna["id"], anna["profile"]["email"]) == ("U0ANNA", "anna@creditor.example")
    assert flags == {
        "U0ANNA": {"is_email_confirmed"},
        "U0GUEST": {"is_email_confirmed", "is_restricted"},
        "U0BOT": {"is_bot"},
        "U0GONE": {"is_email_confirmed", "deleted"},
    }
    assert (await bot.call("conversations.info", channel="C0TASKS"))["channel"]["name"] == "tasks"


async def test_at_slacks_own_pace_a_channel_takes_one_post_a_second(slack: SlackStand, bot: Bot, hand: Hand) -> None:
    slack.limits.is_real = True
    ts = await bot.post()
    limited = await bot.http.post("chat.postMessage", json={"channel": "C0DISPUTES", "text": "x"})
    elsewhere = await bot.call("chat.postMessage", channel="C0TASKS", text="x")
    edited = await bot.call("chat.update", channel="C0DISPUTES", ts=ts, text="y")
    hand.move(1)
    later = await bot.call("chat.postMessage", channel="C0DISPUTES", text="x")

    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    assert limited.json() == {"ok": False, "error": "ratelimited"}
    assert [elsewhere["ok"], edited["ok"], later["ok"]] == [True, True, True]


async def test_at_slacks_own_pace_updates_have_their_tier(slack: SlackStand, bot: Bot, hand: Hand) -> None:
    ts = await bot.post()
    slack.limits.is_real = True
    update = {"channel": "C0DISPUTES", "ts": ts, "text": "y"}
    statuses = [(await bot.http.post("chat.update", json=update)).status_code for _ in range(51)]
    hand.move(60)

    assert statuses == [200] * 50 + [429]
    assert (await bot.call("chat.update", **update))["ok"] is True


async def test_a_generous_stand_in_takes_a_burst_and_then_its_pace(hand: Hand) -> None:
    slack = SlackStand(burst=3, posts_per_s=2, clock=hand)

    waits = [slack.limits.take("chat.postMessage", "C1", slack.now_s()) for _ in range(4)]
    hand.move(0.5)

    assert waits == [0, 0, 0, 0.5]
    assert slack.limits.take("chat.postMessage", "C1", slack.now_s()) == 0


async def test_a_post_that_hangs_is_made_all_the_same(slack: SlackStand, bot: Bot) -> None:
    slack.faults.hang_after_effect_s = 60

    async with receiving() as door:  # a real socket, so that the caller can hang up
        door.answers.append(None)
        with pytest.raises(httpx.ReadTimeout):
            await httpx.AsyncClient(timeout=0.2, trust_env=False).post(door.url)
    with pytest.raises(TimeoutError):
        await _post_and_leave(bot)

    assert [message.text for message in slack.posts("C0TASKS")] == ["Heard"]


async def _post_and_leave(bot: Bot) -> None:
    async with asyncio.timeout(0.2):
        await bot.http.post("chat.postMessage", json={"channel": "C0TASKS", "text": "Heard"})


async def test_a_forced_429_and_a_forced_refusal_come_in_slacks_words(slack: SlackStand, bot: Bot) -> None:
    slack.faults.rate_limit_next, slack.faults.retry_after_s = 1, 7
    limited = await bot.http.post("auth.test")
    slack.faults.refuse = (200, {"ok": False, "error": "is_inactive"})
    refused = await bot.call("chat.postMessage", channel="C0TASKS", text="x")
    slack.faults.refuse, slack.faults.down = None, True
    down = await bot.http.post("auth.test")

    assert (limited.status_code, limited.headers["retry-after"], limited.json()["error"]) == (429, "7", "ratelimited")
    assert refused["error"] == "is_inactive"
    assert (down.status_code, down.headers["content-type"]) == (503, "text/html; charset=utf-8")
