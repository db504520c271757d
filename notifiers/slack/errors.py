"""Slack's error codes: which delivery error each becomes, and the cure that ``casebell doctor`` shows. Pure.

Sources: docs/vendors/slack.md#error-codes.
"""

from receiver.errors import DeliveryError, PermanentError, RetryLaterError

INVALID_BLOCKS = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_attachments", "msg_too_long"}
)
RATE_LIMITS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
POSTING_RESTRICTED = (
    "restricted_action",
    *(f"restricted_action_{kind}_channel" for kind in ("read_only", "thread_only", "non_threadable")),
)
TRIGGER_INVALID = (
    *("expired_trigger_id", "trigger_expired", "exchanged_trigger_id", "trigger_exchanged", "invalid_trigger_id"),
    "hash_conflict",
)
SLACK_IS_DOWN = ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_access_unavailable")

CODES: dict[str, str] = {
    # permanent for one message
    **dict.fromkeys(("message_not_found", "cant_update_message", "edit_window_closed"), "message"),
    **dict.fromkeys(("thread_not_found", "view_not_found", "not_found"), "message"),
    # permanent for one channel
    **dict.fromkeys(("channel_not_found", "is_archived", "is_inactive", "not_in_channel", "cannot_dm_bot"), "channel"),
    **dict.fromkeys(POSTING_RESTRICTED, "channel"),
    # permanent for one person
    **dict.fromkeys(("user_not_found", "users_not_found", "user_not_visible", "user_not_in_channel"), "person"),
    # every call fails until an admin repairs the token or the installation
    **dict.fromkeys(("token_revoked", "token_expired", "account_inactive", "invalid_auth", "not_authed"), "workspace"),
    **dict.fromkeys(("missing_scope", "no_permission", "access_denied", "not_allowed_token_type"), "workspace"),
    **dict.fromkeys(("ekm_access_denied", "org_login_required", "team_access_not_granted"), "workspace"),
    "team_added_to_org": "workspace",
    # the blocks are invalid; the same message without blocks may be accepted
    **dict.fromkeys(sorted(INVALID_BLOCKS), "blocks"),
    # the trigger_id has expired or was used (docs/vendors/slack.md#timing)
    **dict.fromkeys(TRIGGER_INVALID, "trigger"),
    # retry later
    **dict.fromkeys(("ratelimited", "rate_limited", "message_limit_exceeded", *SLACK_IS_DOWN), "later"),
}

NOT_EDITABLE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})  # post a new message

_TOKEN = "Copy the bot token (xoxb-…) from the Slack app's page OAuth & Permissions into slack.bot_token and restart."  # noqa: S105 - not a secret
_REINSTALL = (
    "Give the Slack app the scopes chat:write, users:read and users:read.email, then reinstall it (page Install App)."
)
_INVITE = "Invite the app: /invite @Casebell in that channel."
_ALLOW = "Allow the app to post in the channel (channel settings, Posting permissions), or change the route's channel."
_NEW_POST = (
    "Nothing to do: Casebell posts a new message. To let it edit, lift the workspace's limit on editing messages."
)
_CLICK_AGAIN = "Click the button again: a form must open within three seconds. If it happens often, check the load."
_PERSON = "Correct the Slack id or the address in [people]; guests of other workspaces cannot be looked up."
_WAIT = "See https://slack-status.com; deliveries wait and are retried."
_REPORT = "Report this with `casebell preview slack`."
CURES: dict[str, str] = {
    **dict.fromkeys(("invalid_auth", "not_authed", "not_allowed_token_type"), _TOKEN),
    "token_expired": "Switch token rotation off on the Slack app's page, then: " + _TOKEN,
    **dict.fromkeys(("token_revoked", "account_inactive", "missing_scope", "no_permission"), _REINSTALL),
    **dict.fromkeys(("access_denied", "team_access_not_granted", "team_added_to_org"), _REINSTALL),
    "org_login_required": "The workspace is being moved into an organisation; reinstall the app afterwards.",
    "ekm_access_denied": "The workspace's administrators have suspended access (Enterprise Key Management).",
    "channel_not_found": "Put the channel's id (C…) into the route; for a private channel: " + _INVITE,
    "not_in_channel": _INVITE,
    **dict.fromkeys(("is_archived", "is_inactive"), "Unarchive the channel, or change the route's channel."),
    **dict.fromkeys(POSTING_RESTRICTED, _ALLOW),
    "cannot_dm_bot": "The route names a bot; use the id of a channel (C…) or of a person (U…).",
    "message_not_found": "Nothing to do: the message was deleted; Casebell posts a new one while the item is open.",
    **dict.fromkeys(("cant_update_message", "edit_window_closed"), _NEW_POST),
    "thread_not_found": "Nothing to do: the thread's first message was deleted; Casebell posts outside the thread.",
    **dict.fromkeys(("view_not_found", "not_found", *TRIGGER_INVALID), _CLICK_AGAIN),
    **dict.fromkeys(("user_not_found", "users_not_found", "user_not_visible"), _PERSON),
    "user_not_in_channel": "Invite the person to the channel, or let them decide by mail.",
    "message_limit_exceeded": "The workspace has reached its message limit; its administrators can raise it.",
    **dict.fromkeys(("ratelimited", "rate_limited"), "Nothing to do: deliveries wait and are retried."),
    **dict.fromkeys((*SLACK_IS_DOWN, "slack_no_answer"), _WAIT),
    **dict.fromkeys(sorted(INVALID_BLOCKS), "The alert was sent without blocks. " + _REPORT),
    "slack_unreachable": "Check that this machine can reach slack.base_url: firewall, proxy, DNS.",
    "slack_unreadable": "The server at slack.base_url is not Slack; correct the address or look for a proxy.",
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
