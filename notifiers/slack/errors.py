"""Slack's error codes: which delivery error each becomes, and the cure that ``casebell doctor`` shows. Pure.

Sources: docs/vendors/slack.md#error-codes.
"""

from typing import Literal

from receiver.errors import DeliveryError, PermanentError, RetryLaterError

Scope = Literal["message", "channel", "person", "workspace", "blocks", "trigger", "later"]

CODES: dict[str, Scope] = {
    # permanent for one message
    "message_not_found": "message",
    "cant_update_message": "message",
    "edit_window_closed": "message",
    "thread_not_found": "message",
    "view_not_found": "message",
    "not_found": "message",
    # permanent for one channel
    "channel_not_found": "channel",
    "is_archived": "channel",
    "is_inactive": "channel",
    "not_in_channel": "channel",
    "restricted_action": "channel",
    "restricted_action_read_only_channel": "channel",
    "restricted_action_thread_only_channel": "channel",
    "restricted_action_non_threadable_channel": "channel",
    "cannot_dm_bot": "channel",
    # permanent for one person
    "user_not_found": "person",
    "users_not_found": "person",
    "user_not_visible": "person",
    "user_not_in_channel": "person",
    # every call fails until an admin repairs the token or the installation
    "token_revoked": "workspace",
    "token_expired": "workspace",
    "account_inactive": "workspace",
    "invalid_auth": "workspace",
    "not_authed": "workspace",
    "missing_scope": "workspace",
    "no_permission": "workspace",
    "access_denied": "workspace",
    "not_allowed_token_type": "workspace",
    "ekm_access_denied": "workspace",
    "org_login_required": "workspace",
    "team_access_not_granted": "workspace",
    "team_added_to_org": "workspace",
    # the blocks are invalid; the same message without blocks may be accepted
    "invalid_blocks": "blocks",
    "invalid_blocks_format": "blocks",
    "msg_blocks_too_long": "blocks",
    "invalid_attachments": "blocks",
    "msg_too_long": "blocks",
    # the trigger_id has expired or was used (docs/vendors/slack.md#timing)
    "expired_trigger_id": "trigger",
    "trigger_expired": "trigger",
    "exchanged_trigger_id": "trigger",
    "trigger_exchanged": "trigger",
    "invalid_trigger_id": "trigger",
    "hash_conflict": "trigger",
    # retry later
    "ratelimited": "later",
    "rate_limited": "later",
    "message_limit_exceeded": "later",
    "internal_error": "later",
    "fatal_error": "later",
    "service_unavailable": "later",
    "request_timeout": "later",
    "team_access_unavailable": "later",
}

NOT_EDITABLE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})  # post a new message
INVALID_BLOCKS = frozenset(code for code, scope in CODES.items() if scope == "blocks")
RATE_LIMITS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})

_TOKEN = "Copy the bot token (xoxb-…) from the Slack app's page OAuth & Permissions into slack.bot_token and restart."  # noqa: S105 - not a secret
_REINSTALL = (
    "Give the Slack app the scopes chat:write, users:read and users:read.email, then reinstall it (page Install App)."
)
_UNARCHIVE = "Unarchive the channel, or change the route's channel."
_INVITE = "Invite the app: /invite @Casebell in that channel."
_ALLOW = "Allow the app to post in the channel (channel settings, Posting permissions), or change the route's channel."
_NEW_POST = (
    "Nothing to do: Casebell posts a new message. To let it edit, lift the workspace's limit on editing messages."
)
_CLICK_AGAIN = "Click the button again: a form must open within three seconds. If it happens often, check the load."
_PERSON = "Correct the Slack id or the address in [people]; guests of other workspaces cannot be looked up."
_WAIT = "See https://slack-status.com; deliveries wait and are retried."
_SLOW_DOWN = "Nothing to do: deliveries wait and are retried."
_REPORT = "Report this with `casebell preview slack`."
CURES: dict[str, str] = {
    "invalid_auth": _TOKEN,
    "not_authed": _TOKEN,
    "not_allowed_token_type": _TOKEN,
    "token_expired": "Switch token rotation off on the Slack app's page, then: " + _TOKEN,
    "token_revoked": _REINSTALL,
    "account_inactive": _REINSTALL,
    "missing_scope": _REINSTALL,
    "no_permission": _REINSTALL,
    "access_denied": _REINSTALL,
    "team_access_not_granted": _REINSTALL,
    "team_added_to_org": _REINSTALL,
    "org_login_required": "The workspace is being moved into an organisation; reinstall the app afterwards.",
    "ekm_access_denied": "The workspace's administrators have suspended access (Enterprise Key Management).",
    "channel_not_found": "Put the channel's id (C…) into the route; for a private channel: " + _INVITE,
    "not_in_channel": _INVITE,
    "is_archived": _UNARCHIVE,
    "is_inactive": _UNARCHIVE,
    "restricted_action": _ALLOW,
    "restricted_action_read_only_channel": _ALLOW,
    "restricted_action_thread_only_channel": _ALLOW,
    "restricted_action_non_threadable_channel": _ALLOW,
    "cannot_dm_bot": "The route names a bot; use the id of a channel (C…) or of a person (U…).",
    "team_access_unavailable": _WAIT,
    "message_not_found": "Nothing to do: the message was deleted; Casebell posts a new one while the item is open.",
    "cant_update_message": _NEW_POST,
    "edit_window_closed": _NEW_POST,
    "thread_not_found": "Nothing to do: the thread's first message was deleted; Casebell posts outside the thread.",
    "view_not_found": _CLICK_AGAIN,
    "not_found": _CLICK_AGAIN,
    "user_not_found": _PERSON,
    "users_not_found": _PERSON,
    "user_not_visible": _PERSON,
    "user_not_in_channel": "Invite the person to the channel, or let them decide by mail.",
    "message_limit_exceeded": "The workspace has reached its message limit; its administrators can raise it.",
    "rate_limited": _SLOW_DOWN,
    "internal_error": _WAIT,
    "fatal_error": _WAIT,
    "service_unavailable": _WAIT,
    "request_timeout": _WAIT,
    **dict.fromkeys(sorted(INVALID_BLOCKS), "The alert was sent without blocks. " + _REPORT),
    **dict.fromkeys(sorted(code for code, scope in CODES.items() if scope == "trigger"), _CLICK_AGAIN),
    "slack_unreachable": "Check that this machine can reach slack.base_url: firewall, proxy, DNS.",
    "slack_no_answer": _WAIT,
    "slack_unreadable": "The server at slack.base_url is not Slack; correct the address or look for a proxy.",
    "ratelimited": _SLOW_DOWN,
}


def error_for(method: str, code: str, after_s: float | None) -> DeliveryError:
    """The error for an ``ok: false`` answer.

    An error of the workspace concerns every message until an admin repairs it, so the delivery is retried. Errors of a
    message, a channel or a person are permanent, and so is an unknown code.
    """
    message = f"{method}: Slack answered {code}"
    scope = CODES.get(code)
    if scope == "later":
        return RetryLaterError(code, message, after_s, scope="pace" if code in RATE_LIMITS else "destination")
    cure = CURES.get(code)
    message = f"{message}. {cure}" if cure else message
    if scope == "workspace":
        return RetryLaterError(code, message, scope="system")
    return PermanentError(code, message, scope="destination" if scope == "channel" else "item")


def cure_for(code: str) -> str:
    """What an admin can do about a code of Slack or of the client; for an unknown code, where it is documented."""
    if code.startswith("http_"):
        return _WAIT if code.startswith("http_5") else CURES["slack_unreadable"]
    return CURES.get(code, f"For the meaning of {code} see https://docs.slack.dev/reference/methods")
