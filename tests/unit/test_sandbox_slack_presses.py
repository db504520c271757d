"""Slack's stand-in: the clicks and forms it sends, and its reaction to the answers."""

import json

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier
from starlette.responses import Response

from casebell_sandbox.slack import NO_ANSWER, NOT_TAKEN, SlackStand
from casebell_sandbox.slack_payloads import NotClickableError
from tests.receiving import Receiver
from tests.slack_bot import BLOCKS, VIEW, Bot, Hand, payload

pytestmark = pytest.mark.anyio


async def test_a_press_is_signed_and_says_who_pressed_what_where(
    slack: SlackStand, bot: Bot, casebell: Receiver, hand: Hand
) -> None:
    ts = await bot.post(blocks=BLOCKS)
    answer = await slack.click("C0DISPUTES", ts, "go", user="U0BEN")

    (got,) = casebell.received
    told = payload(got.body)
    assert (answer.status_code, got.path) == (200, "/slack/interactions")
    assert got.headers["x-slack-request-timestamp"] == str(int(hand.at.timestamp()))
    assert _is_signed(got.headers, got.body, "slack-secret", hand)
    assert not _is_signed(got.headers, got.body, "another", hand)
    assert (told["type"], told["team"]["id"], told["api_app_id"]) == ("block_actions", "T0CREDITOR", "A0CASEBELL")
    assert (told["user"]["id"], told["user"]["name"]) == ("U0BEN", "ben")
    assert told["container"] == {
        "type": "message", "message_ts": ts, "channel_id": "C0DISPUTES", "is_ephemeral": False,
    }  # fmt: skip
    assert (told["channel"]["id"], told["message"]["ts"], told["message"]["text"]) == ("C0DISPUTES", ts, "Hello")
    (action,) = told["actions"]
    assert (action["action_id"], action["value"], action["type"]) == ("go", "i.1.go", "button")
    assert action["block_id"] == told["message"]["blocks"][0]["block_id"]
    assert float(action["action_ts"]) == hand.at.timestamp()


def _is_signed(headers: dict[str, str], body: bytes, secret: str, hand: Hand) -> bool:
    class At:
        def now(self) -> float:
            return hand.at.timestamp()

    verifier = SignatureVerifier(secret, clock=At())  # type: ignore[arg-type] # it only asks for now()
    return verifier.is_valid(body, headers["x-slack-request-timestamp"], headers["x-slack-signature"])


async def test_a_choice_from_a_menu_says_which_option(slack: SlackStand, bot: Bot, casebell: Receiver) -> None:
    options = [{"text": {"type": "plain_text", "text": word}, "value": f"i.1.{word}"} for word in ("claim", "note")]
    ts = await bot.post(blocks=[{"type": "actions", "elements": [{"type": "overflow", "options": options}]}])
    (menu,) = slack.messages["C0DISPUTES", ts].blocks[0]["elements"]

    await slack.click("C0DISPUTES", ts, menu["action_id"], option="i.1.note")

    (action,) = payload(casebell.received[0].body)["actions"]
    assert (action["type"], action["selected_option"]["value"]) == ("overflow", "i.1.note")
    with pytest.raises(NotClickableError):
        await slack.click("C0DISPUTES", ts, menu["action_id"], option="i.1.other")


async def test_what_is_not_there_cannot_be_pressed(slack: SlackStand, bot: Bot, casebell: Receiver) -> None:
    ts = await bot.post(blocks=BLOCKS)

    for channel, message, action, user in (
        ("C0DISPUTES", ts, "gone", "U0ANNA"),
        ("C0DISPUTES", "1.2", "go", "U0ANNA"),
        ("C0DISPUTES", ts, "go", "U9"),
    ):
        with pytest.raises(NotClickableError):
            await slack.click(channel, message, action, user=user)

    assert casebell.received == []


async def test_a_press_sent_again_is_the_same_to_the_byte(slack: SlackStand, bot: Bot, casebell: Receiver) -> None:
    await slack.click("C0DISPUTES", await bot.post(blocks=BLOCKS), "go")
    await slack.resend_last()

    first, again = casebell.received
    assert first.body == again.body
    assert first.headers["x-slack-signature"] == again.headers["x-slack-signature"]


async def test_a_press_that_is_not_answered_well_leaves_a_warning_until_one_is(
    slack: SlackStand, bot: Bot, casebell: Receiver
) -> None:
    ts, slack.ack_s = await bot.post(blocks=BLOCKS), 0.3
    casebell.answers.append(None)
    with pytest.raises(httpx.ReadTimeout):
        await slack.click("C0DISPUTES", ts, "go")
    silent = slack.troubles.copy()
    casebell.answers.append(Response(status_code=500))
    refused = await slack.click("C0DISPUTES", ts, "go")
    told = slack.troubles.copy()
    slack.ack_s = 5
    await slack.click("C0DISPUTES", ts, "go")

    assert (silent, refused.status_code, told, slack.troubles) == ({ts: NO_ANSWER}, 500, {ts: NOT_TAKEN}, {})


async def _ticket(slack: SlackStand, bot: Bot, casebell: Receiver) -> str:
    await slack.click("C0DISPUTES", await bot.post(blocks=BLOCKS), "go")
    return str(payload(casebell.received[-1].body)["trigger_id"])


async def test_a_ticket_opens_one_form_for_whoever_pressed(slack: SlackStand, bot: Bot, casebell: Receiver) -> None:
    ticket = await _ticket(slack, bot, casebell)
    opened = await bot.call("views.open", trigger_id=ticket, view=VIEW)
    again = await bot.call("views.open", trigger_id=ticket, view=VIEW)

    assert slack.views["U0ANNA"]["id"] == opened["view"]["id"]
    assert again["error"] == "exchanged_trigger_id"


async def test_a_ticket_lives_three_seconds(slack: SlackStand, bot: Bot, casebell: Receiver, hand: Hand) -> None:
    ticket = await _ticket(slack, bot, casebell)
    hand.move(3.1)

    assert (await bot.call("views.open", trigger_id=ticket, view=VIEW))["error"] == "expired_trigger_id"
    assert slack.views == {}


async def test_a_form_is_redrawn_unless_it_was_redrawn_since(slack: SlackStand, bot: Bot, casebell: Receiver) -> None:
    view = (await bot.call("views.open", trigger_id=await _ticket(slack, bot, casebell), view=VIEW))["view"]
    other = VIEW | {"title": {"type": "plain_text", "text": "Other"}}
    redrawn = await bot.call("views.update", view_id=view["id"], hash=view["hash"], view=other)
    late = await bot.call("views.update", view_id=view["id"], hash=view["hash"], view=VIEW)

    assert (redrawn["ok"], late["error"]) == (True, "hash_conflict")
    assert (slack.views["U0ANNA"]["title"]["text"], slack.views["U0ANNA"]["id"]) == ("Other", view["id"])


async def test_a_submitted_form_says_what_was_typed_and_closes(slack: SlackStand, casebell: Receiver) -> None:
    view = slack.show_view("U0ANNA", VIEW | {"private_metadata": "held"})
    await slack.submit(view["id"], {"words": "Because."})

    told = payload(casebell.received[0].body)
    assert (told["type"], told["user"]["id"], told["view"]["private_metadata"]) == ("view_submission", "U0ANNA", "held")
    assert told["view"]["state"]["values"] == {"words": {"typed": {"type": "plain_text_input", "value": "Because."}}}
    assert slack.views == {}


async def test_a_form_stays_open_with_what_is_wrong_until_it_is_right(slack: SlackStand, casebell: Receiver) -> None:
    view = slack.show_view("U0ANNA", VIEW)
    casebell.answer_json({"response_action": "errors", "errors": {"words": "Too short"}})
    await slack.submit(view["id"], {"words": "x"})
    wrong = slack.view_errors.copy()
    await slack.submit(view["id"], {"words": "Long enough"})

    assert wrong == {"U0ANNA": {"words": "Too short"}}
    assert (slack.views, slack.view_errors) == ({}, {})


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (b'{"response_action": "update", "view": %s}' % json.dumps(VIEW | {"callback_id": "next"}).encode(), "next"),
        (b'{"response_action": "update", "view": {"type": "magic"}}', None),
        (b"OK", None),
    ],
)
async def test_a_form_obeys_its_answer(slack: SlackStand, casebell: Receiver, answer: bytes, title: str | None) -> None:
    view = slack.show_view("U0ANNA", VIEW)
    casebell.answers.append(Response(answer))
    await slack.submit(view["id"], {"words": "x"})

    assert slack.views.get("U0ANNA", {}).get("callback_id") == title


async def test_a_refused_form_stays_open_and_a_closed_one_cannot_be_sent(slack: SlackStand, casebell: Receiver) -> None:
    view = slack.show_view("U0ANNA", VIEW)
    casebell.answers.append(Response(status_code=500))
    await slack.submit(view["id"], {"words": "x"})
    still = slack.views["U0ANNA"]["id"], slack.troubles
    slack.close_view("U0ANNA")

    assert still[0] == view["id"]
    assert slack.troubles == {}
    with pytest.raises(NotClickableError):
        await slack.submit(view["id"], {"words": "x"})


async def test_a_press_may_be_answered_five_times_for_half_an_hour(
    slack: SlackStand, bot: Bot, casebell: Receiver, hand: Hand
) -> None:
    ts = await bot.post(blocks=BLOCKS)
    urls = []
    for _ in range(2):
        await slack.click("C0DISPUTES", ts, "go")
        urls.append(payload(casebell.received[-1].body)["response_url"].replace(slack.public_url, "http://slack.test"))

    answers = [(await bot.http.post(urls[0], json={"text": f"{n}"})).status_code for n in range(6)]
    replaced = await bot.http.post(urls[1], json={"text": "Done", "blocks": [], "replace_original": True})
    hand.move(1801)
    late = await bot.http.post(urls[1], json={"text": "x"})

    assert answers == [200] * 5 + [404]
    assert [message.ephemeral_to for message in slack.ephemerals] == ["U0ANNA"] * 5
    assert (replaced.text, slack.messages["C0DISPUTES", ts].text, late.status_code) == ("ok", "Done", 404)
