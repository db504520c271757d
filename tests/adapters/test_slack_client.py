"""The Slack client over a real socket: the delivery error for each answer of Slack."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from notifiers.slack.client import MAX_ANSWER, SlackClient
from notifiers.slack.errors import CODES, CURES, error_for
from receiver.errors import DeliveryError, PermanentError, RetryLaterError, UncertainError
from tests.adapters.slack_wire import HANG, HANG_UP, client_of, http, no, slack

pytestmark = pytest.mark.anyio


async def post(client: SlackClient) -> object:
    return await client.post_message("C1", "Hello", [])


async def update(client: SlackClient) -> None:
    await client.update_message("C1", "171.2", "Hello", [])


async def test_a_message_is_posted_without_previews_and_its_place_is_kept() -> None:
    async with slack(http({"ok": True, "channel": "D7", "ts": "171.3"})) as wire, client_of(wire) as client:
        place = await client.post_message("U1", "Hello", [{"type": "divider"}])

        assert place == ("D7", "171.3")
        assert wire.calls == [
            (
                "chat.postMessage",
                {
                    "channel": "U1",
                    "text": "Hello",
                    "blocks": [{"type": "divider"}],
                    "unfurl_links": False,
                    "unfurl_media": False,
                },
            )
        ]
        assert "authorization: bearer xoxb-1" in wire.heads[0].lower()


async def test_an_update_always_sends_the_blocks_so_that_no_live_button_stays() -> None:
    async with slack() as wire, client_of(wire) as client:
        await client.update_message("C1", "171.2", "Done", [])

        assert wire.calls == [("chat.update", {"channel": "C1", "ts": "171.2", "text": "Done", "blocks": []})]


async def test_a_person_is_asked_for_as_a_form_because_slack_reads_no_json_there() -> None:
    async with slack(http({"ok": True, "user": {"id": "U1"}})) as wire, client_of(wire) as client:
        assert await client.user_info("U1") == {"id": "U1"}
        assert "application/x-www-form-urlencoded" in wire.heads[0]


@pytest.mark.parametrize(
    ("answer", "posting", "updating"),
    [
        (HANG_UP, UncertainError, RetryLaterError),
        (http(b"<html>", 500), UncertainError, RetryLaterError),
        (http({"ok": True}, 503), UncertainError, RetryLaterError),
        (http(b"<html>captive portal</html>"), UncertainError, RetryLaterError),
        (http(b"[" * 100_000), UncertainError, RetryLaterError),
        (http(b"null"), UncertainError, RetryLaterError),
        (http({"ok": "yes"}), UncertainError, RetryLaterError),
        (http(b" " * (MAX_ANSWER + 1) + b'{"ok":true}'), UncertainError, RetryLaterError),
        (http(b"not gzip", content_encoding="gzip"), UncertainError, RetryLaterError),
        (b"rubbish\r\n\r\n", UncertainError, RetryLaterError),
        (http(b"", 302, location="/api/elsewhere"), RetryLaterError, RetryLaterError),
        (http(b"blocked by proxy", 403), RetryLaterError, RetryLaterError),
        (http(b"", 429, retry_after="7"), RetryLaterError, RetryLaterError),
        (no("channel_not_found"), PermanentError, PermanentError),
        (no("a_code_of_tomorrow"), PermanentError, PermanentError),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else value.__name__,
)
async def test_an_answer_says_whether_the_request_may_be_repeated(
    answer: bytes, posting: type[DeliveryError], updating: type[DeliveryError]
) -> None:
    async with slack(answer, answer) as wire, client_of(wire) as client:
        with pytest.raises(posting):
            await post(client)
        with pytest.raises(updating):
            await update(client)

        assert len(wire.calls) == 2  # the client itself never repeats a request


@pytest.mark.parametrize(("ask", "expected"), [(post, UncertainError), (update, RetryLaterError)])
async def test_no_answer_in_time_is_uncertain_only_for_a_new_message(
    ask: Callable[[SlackClient], Any], expected: type[DeliveryError]
) -> None:
    async with slack(HANG) as wire, client_of(wire, total_s=0.2) as client:
        with pytest.raises(expected):
            await ask(client)


async def test_no_connection_means_surely_not_done() -> None:
    async with slack() as wire:
        unreachable = replace(wire, url="http://127.0.0.1:9/api")
        async with client_of(unreachable) as client:
            with pytest.raises(RetryLaterError) as failed:
                await post(client)

    assert failed.value.code == "slack_unreachable"


@pytest.mark.parametrize(
    ("given", "expected"), [("7", 7), ("0", 1), ("99999999", 600), ("soon", None), ("-1", None), ("", None)]
)
async def test_slacks_wish_to_wait_is_kept_within_reason(given: str, expected: float | None) -> None:
    async with slack(http(b"", 429, retry_after=given)) as wire, client_of(wire) as client:
        with pytest.raises(RetryLaterError) as failed:
            await post(client)

    assert (failed.value.code, failed.value.after_s) == ("ratelimited", expected)


async def test_a_message_whose_place_slack_does_not_tell_is_uncertain() -> None:
    async with slack(http({"ok": True})) as wire, client_of(wire) as client:
        with pytest.raises(UncertainError):
            await post(client)


# docs/vendors/slack.md#error-codes
PERMANENT = """message_not_found cant_update_message edit_window_closed channel_not_found is_archived is_inactive
not_in_channel invalid_blocks msg_blocks_too_long invalid_attachments expired_trigger_id"""
# retried, because they concern every message
WORKSPACE = "token_revoked account_inactive invalid_auth not_authed missing_scope"
RETRYABLE = f"ratelimited message_limit_exceeded internal_error fatal_error {WORKSPACE}"


@pytest.mark.parametrize(
    ("code", "expected"),
    [(code, PermanentError) for code in PERMANENT.split()] + [(code, RetryLaterError) for code in RETRYABLE.split()],
)
def test_every_code_the_contract_names_has_a_class(code: str, expected: type[DeliveryError]) -> None:
    error = error_for("chat.update", code, 3)

    assert code in CODES
    assert type(error) is expected
    assert error.code == code


@pytest.mark.parametrize(
    ("code", "scope"),
    [
        ("invalid_auth", "system"),
        ("ratelimited", "pace"),
        ("internal_error", "destination"),
        ("is_archived", "destination"),
        ("message_not_found", "item"),
        ("a_code_of_tomorrow", "item"),
    ],
)
def test_a_code_says_who_else_will_hear_it(code: str, scope: str) -> None:
    assert error_for("chat.postMessage", code, None).scope == scope


def test_every_fault_of_the_workspace_names_its_cure() -> None:
    assert {code for code, meaning in CODES.items() if meaning == "workspace"} <= set(CURES)


async def test_what_one_person_sees_is_taken_away_at_slack_only_and_without_the_token() -> None:
    async with slack() as wire, client_of(wire) as client, slack() as elsewhere:
        await client.delete_ephemeral(f"{elsewhere.url}/response/1")
        await client.delete_ephemeral("https://hooks.slack.com.evil.example/1")
        await client.delete_ephemeral(f"{wire.url}/response/1")

        assert elsewhere.calls == []
        assert [told for _, told in wire.calls] == [{"delete_original": True}]
        assert "authorization" not in wire.heads[0].lower()
