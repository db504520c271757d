"""Decides when and where admins are alerted about Casebell itself: a silent source, a failing channel. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from receiver.domain.refusal import N_

SENTENCES = {
    "source_silent": N_(
        "No complete sync with {about} since {since}. Newer changes are missing; nothing was marked resolved because of"
        " it. `casebell doctor` says what helps. {reason}"
    ),
    "source_refuses": N_(
        "{about} has refused Casebell's credentials since {since}: new items do not arrive, and decisions are not sent."
        " `casebell doctor` says what helps. {reason}"
    ),
    "channel_stopped": N_(
        "{about} has accepted no message from Casebell since {since}. Alerts wait, and are sent when it works again."
        " `casebell doctor` says what helps. {reason}"
    ),
    "place_refuses": N_(
        "{about} has rejected every message from Casebell since {since}. New alerts go by mail instead, and to the"
        " channel when it works again. `casebell doctor` says what helps. {reason}"
    ),
    "address_refused": N_(
        "The mail server has rejected {about} since {since}. For a week no alert and no digest is sent there, then it"
        " is tried again. Correct the address or, once it works, run `casebell addresses --allow {about}`. {reason}"
    ),
    "address_over": N_("{about} gets mail again, including what is still open."),
    "automation_stopped": N_(
        "{about} has stopped since {since}: it would have acted on more than {reason} items within an hour. What it"
        " matches now waits for people. It begins again by itself after an hour; `dry_run = true` keeps it from that."
    ),
    "automation_over": N_("{about} acts again. Items that arrived while it was stopped wait for people."),
    "over": N_("{about} works again."),
    "login": N_(
        "Sign in to Casebell. Open {url} to sign in: it works once, within fifteen minutes. If you did not"
        " request it, ignore this message."
    ),
}
SYSTEMS = {"getbill": "Getbill", "debitura": "Debitura", "mail": "SMTP", "slack": "Slack", "automation": "Automation"}
REFUSALS = frozenset({"unauthorized", "forbidden"})
# Error codes of the mail server and of Slack that no retry can fix: docs/vendors/mail.md#smtp and
# docs/vendors/slack.md#messages-and-threads
NEED_ADMIN = frozenset(
    {"smtp_auth", "smtp_tls", "sender_refused", "invalid_auth", "not_authed", "token_revoked", "token_expired"}
) | frozenset({"account_inactive", "missing_scope", "no_permission", "org_login_required", "team_access_not_granted"})
# Slack's error codes that concern one channel (docs/vendors/slack.md#messages-and-threads).
CHANNEL_REFUSALS = frozenset(
    {"channel_not_found", "is_archived", "is_inactive", "not_in_channel", "cannot_dm_bot", "restricted_action"}
) | frozenset(f"restricted_action_{what}_channel" for what in ("read_only", "thread_only", "non_threadable"))
_END_CODES = {"automation_stopped": "automation_over", "address_refused": "address_over"}
STOPPED_AFTER_OPENINGS = 3  # consecutive openings of its breaker, after which a channel counts as stopped


@dataclass(frozen=True, slots=True)
class AdminAlert:
    """``name``: its subject, such as "getbill:main", "mail" or "slack". ``code``: a key of SENTENCES.

    ``reason``: the other system's error.
    """

    name: str
    code: str
    since: datetime
    reason: str = ""

    @property
    def end_code(self) -> str:
        """The key of SENTENCES for the end of this alert."""
        return _END_CODES.get(self.code, "over")

    @property
    def about(self) -> str:
        """The subject as people read it."""
        system, _, account = self.name.partition(":")
        if self.code == "address_refused":
            return account
        return f"{SYSTEMS.get(system, system)} ({account})" if account else SYSTEMS.get(system, system)


def needs_admin(reason: str | None, openings: int) -> bool:
    """Whether admins are alerted about a breaker that is open for this reason, after ``openings`` in a row."""
    return openings >= STOPPED_AFTER_OPENINGS or (reason or "").partition(":")[0] in NEED_ADMIN


def is_channel_refusal(reason: str | None) -> bool:
    """Whether a failure's reason concerns one Slack channel only."""
    return (reason or "").partition(":")[0] in CHANNEL_REFUSALS


def destinations(alert: AdminAlert, admins: Collection[str], channels: Collection[str]) -> Iterator[str]:
    """Where each of ``admins`` gets the alert: by mail if they have an address and mail works, else in Slack.

    ``channels``: the configured ones. A ``@domain`` entry of ``admins`` is nobody's address and gets nothing.
    """
    working = [channel for channel in channels if channel != alert.name]
    for entry in sorted(admins):
        if entry.startswith("@"):
            continue
        has_mail = "@" in entry and alert.name != f"mail:{entry.lower()}"
        order = ("mail", "slack") if has_mail else ("slack",)
        channel = next((name for name in order if name in working), None)
        if channel:
            yield f"{channel}:{entry}"
