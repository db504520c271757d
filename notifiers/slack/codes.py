"""Slack's error codes, each with what the caller does next (contract A6), and the cure a person is told. Pure."""

from typing import Literal

from receiver.errors import DeliveryError, PermanentError, RetryLaterError

Meaning = Literal["message", "channel", "person", "workspace", "blocks", "ticket", "later"]

CODES: dict[str, Meaning] = {
    # this message is out of reach
    "message_not_found": "message",
    "cant_update_message": "message",
    "edit_window_closed": "message",
    "thread_not_found": "message",
    "view_not_found": "message",
    "not_found": "message",
    # this channel is out of reach
    "channel_not_found": "channel",
    "is_archived": "channel",
    "is_inactive": "channel",
    "not_in_channel": "channel",
    "restricted_action": "channel",
    "restricted_action_read_only_channel": "channel",
    "restricted_action_thread_only_channel": "channel",
    "restricted_action_non_threadable_channel": "channel",
    "cannot_dm_bot": "channel",
    # this person is out of reach
    "user_not_found": "person",
    "users_not_found": "person",
    "user_not_visible": "person",
    "user_not_in_channel": "person",
    # the whole workspace is
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
    # the drawing was refused, the words may pass
    "invalid_blocks": "blocks",
    "invalid_blocks_format": "blocks",
    "msg_blocks_too_long": "blocks",
    "invalid_attachments": "blocks",
    "msg_too_long": "blocks",
    # a form's ticket lives three seconds and works once
    "expired_trigger_id": "ticket",
    "trigger_expired": "ticket",
    "exchanged_trigger_id": "ticket",
    "trigger_exchanged": "ticket",
    "invalid_trigger_id": "ticket",
    "hash_conflict": "ticket",
    # later, and surely not done now
    "ratelimited": "later",
    "rate_limited": "later",
    "message_limit_exceeded": "later",
    "internal_error": "later",
    "fatal_error": "later",
    "service_unavailable": "later",
    "request_timeout": "later",
    "team_access_unavailable": "later",
}

GONE = frozenset({"message_not_found"})
LOST = GONE | {"cant_update_message", "edit_window_closed"}  # this message will never be drawn again: post anew
REFUSED_BLOCKS = frozenset(code for code, meaning in CODES.items() if meaning == "blocks")

_TOKEN = "Copy the bot token (xoxb-…) from the Slack app's page OAuth & Permissions into slack.bot_token and restart."  # noqa: S105 - a cure, no token
_REINSTALL = (
    "Give the Slack app the scopes chat:write, users:read and users:read.email, then reinstall it (page Install App)."
)
_INVITE = "Invite the app: /invite @Casebell in that channel."
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
    "org_login_required": "The workspace is moving to an organisation; wait for its administrators, then reinstall.",
    "ekm_access_denied": "The workspace's administrators have suspended access (Enterprise Key Management); ask them.",
    "channel_not_found": "Put the channel's id (C…) into the route; for a private channel: " + _INVITE,
    "not_in_channel": _INVITE,
    "is_archived": "Unarchive the channel or send the route elsewhere.",
    "is_inactive": "Unarchive the channel or send the route elsewhere.",
    "slack_unreachable": "See whether this machine reaches slack.base_url: firewall, proxy, DNS.",
    "slack_no_answer": "See https://slack-status.com; nothing is lost, deliveries wait.",
    "slack_unreadable": "Something else than Slack answers at slack.base_url; correct the address.",
    "ratelimited": "Nothing to do: deliveries wait and go on by themselves.",
}


PACES = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})


def meaning_of(method: str, code: str, after_s: float | None) -> DeliveryError:
    """The error for an ``ok: false``. Nothing was done; an unknown code is one more way of saying no.

    What the whole workspace refuses is true of every message until somebody mends it, so it must not cost this one its
    life; what a channel refuses is final for the message (contract A6).
    """
    message = f"{method}: Slack says {code}"
    meaning = CODES.get(code)
    if meaning == "later":
        return RetryLaterError(code, message, after_s, reach="pace" if code in PACES else "place")
    cure = CURES.get(code)
    message = f"{message}. {cure}" if cure else message
    if meaning == "workspace":
        return RetryLaterError(code, message, reach="system")
    return PermanentError(code, message, reach="place" if meaning == "channel" else "item")


def cure_for(code: str) -> str:
    return CURES.get(code) or ("See https://slack-status.com." if code.startswith("http_5") else _REINSTALL)
