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
_ALLOW = "Let the app post in the channel (its settings, Posting permissions), or send the route elsewhere."
_ANEW = "Nothing to do: it is posted anew. To let Casebell edit, lift the workspace's limit on editing messages."
_AGAIN = "Press the button again: a form has to open within three seconds. If it lasts, look at the service's load."
_PERSON = "Correct the Slack id or the address in [people]; guests of other workspaces are not seen."
_WAIT = "See https://slack-status.com; nothing is lost, deliveries wait."
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
    "org_login_required": "The workspace is moving to an organisation; wait for its administrators, then reinstall.",
    "ekm_access_denied": "The workspace's administrators have suspended access (Enterprise Key Management); ask them.",
    "channel_not_found": "Put the channel's id (C…) into the route; for a private channel: " + _INVITE,
    "not_in_channel": _INVITE,
    "is_archived": "Unarchive the channel or send the route elsewhere.",
    "is_inactive": "Unarchive the channel or send the route elsewhere.",
    "restricted_action": _ALLOW,
    "restricted_action_read_only_channel": _ALLOW,
    "restricted_action_thread_only_channel": _ALLOW,
    "restricted_action_non_threadable_channel": _ALLOW,
    "cannot_dm_bot": "The route names a bot; put a channel's id (C…) or a person's into it.",
    "team_access_unavailable": _WAIT,
    "message_not_found": "Nothing to do: somebody deleted the message; it is posted anew while it asks for a decision.",
    "cant_update_message": _ANEW,
    "edit_window_closed": _ANEW,
    "thread_not_found": "Nothing to do: somebody deleted the message above; what belongs there is posted by itself.",
    "view_not_found": _AGAIN,
    "not_found": _AGAIN,
    "user_not_found": _PERSON,
    "users_not_found": _PERSON,
    "user_not_visible": _PERSON,
    "user_not_in_channel": "Invite that person into the channel, or let them decide by mail.",
    "message_limit_exceeded": "The workspace has used up its messages; its administrators can raise the limit.",
    "rate_limited": "Nothing to do: deliveries wait and go on by themselves.",
    "internal_error": _WAIT,
    "fatal_error": _WAIT,
    "service_unavailable": _WAIT,
    "request_timeout": _WAIT,
    **dict.fromkeys(sorted(REFUSED_BLOCKS), "The alert went out in plain words. " + _REPORT),
    **dict.fromkeys(sorted(code for code, meaning in CODES.items() if meaning == "ticket"), _AGAIN),
    "slack_unreachable": "See whether this machine reaches slack.base_url: firewall, proxy, DNS.",
    "slack_no_answer": _WAIT,
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
    """What to do about a code of Slack's or of our own; also for one that nobody has heard of."""
    if code.startswith("http_"):
        return _WAIT if code.startswith("http_5") else CURES["slack_unreadable"]
    return CURES.get(code, f"Slack's documentation says what {code} means: https://docs.slack.dev/reference/methods")
