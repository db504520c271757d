"""Slack's error codes: the delivery error and the cure for each."""

import pytest

from notifiers.slack.errors import CODES, cure_for, error_for
from receiver.errors import PermanentError, RetryLaterError

# docs/vendors/slack.md#error-codes
OF_A_MESSAGE = ("message_not_found", "cant_update_message", "edit_window_closed")
OF_A_CHANNEL = ("channel_not_found", "is_archived", "is_inactive", "not_in_channel")
OF_A_WORKSPACE = ("token_revoked", "account_inactive", "invalid_auth", "not_authed", "missing_scope")
FOR_LATER = ("ratelimited", "message_limit_exceeded", "internal_error", "fatal_error")
OF_A_DRAWING = ("invalid_blocks", "msg_blocks_too_long", "invalid_attachments")
NONE_NAMED = cure_for("a_code_of_tomorrow").replace("a_code_of_tomorrow", "{code}")


@pytest.mark.parametrize("code", [*OF_A_MESSAGE, *OF_A_DRAWING])
def test_what_is_said_of_a_message_is_final_for_it_alone(code: str) -> None:
    error = error_for("chat.update", code, None)

    assert (type(error), error.scope) == (PermanentError, "item")


@pytest.mark.parametrize("code", OF_A_CHANNEL)
def test_what_is_said_of_a_channel_is_final_for_what_goes_there(code: str) -> None:
    error = error_for("chat.postMessage", code, None)

    assert (type(error), error.scope) == (PermanentError, "destination")


@pytest.mark.parametrize("code", OF_A_WORKSPACE)
def test_what_is_said_of_the_workspace_costs_no_message_its_life(code: str) -> None:
    error = error_for("chat.postMessage", code, None)

    assert (type(error), error.scope) == (RetryLaterError, "system")


@pytest.mark.parametrize("code", FOR_LATER)
def test_what_will_pass_is_tried_again(code: str) -> None:
    assert isinstance(error_for("chat.postMessage", code, 3.0), RetryLaterError)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_cure_of_its_own(code: str) -> None:
    assert cure_for(code) != NONE_NAMED.format(code=code)


@pytest.mark.parametrize("code", ["http_500", "http_302", "slack_unreachable", "slack_no_answer", "slack_unreadable"])
def test_what_casebell_calls_a_failure_itself_has_a_cure_too(code: str) -> None:
    assert cure_for(code) != NONE_NAMED.format(code=code)
