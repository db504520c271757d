"""What the people who run Casebell must hear of: a source that is silent, a channel that takes nothing. Pure."""

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
        "{about} has refused Casebell's credentials since {since}, so nothing new is heard from there and no decision"
        " arrives. `casebell doctor` says what helps. {reason}"
    ),
    "channel_stopped": N_(
        "{about} has taken nothing from Casebell since {since}. Alerts wait, and are told when it is mended."
        " `casebell doctor` says what helps. {reason}"
    ),
    "place_refuses": N_(
        "{about} refuses what Casebell posts there, since {since}. New alerts go by mail instead, and into the channel"
        " when it is mended. `casebell doctor` says what helps. {reason}"
    ),
    "address_refused": N_(
        "The mail server has rejected {about} since {since}. For a week no alert and no digest is sent there, then it"
        " is tried again. Correct the address or, once it works, run `casebell addresses --allow {about}`. {reason}"
    ),
    "address_over": N_("{about} gets mail again, and what is still open with it."),
    "automation_stopped": N_(
        "{about} has stopped since {since}: it would have acted on more than {reason} items within an hour. What it"
        " matches now waits for people. It begins again by itself after an hour; `dry_run = true` keeps it from that."
    ),
    "automation_over": N_("{about} acts again. What came while it had stopped waits for people."),
    "over": N_("{about} works again."),
    "login": N_(
        "Sign in to Casebell. Open {url} to sign in: it works once, within fifteen minutes. If you did not ask"
        " for it, nothing happens."
    ),
}
SYSTEMS = {"getbill": "Getbill", "debitura": "Debitura", "mail": "SMTP", "slack": "Slack", "automation": "Automation"}
REFUSALS = frozenset({"unauthorized", "forbidden"})
# Reasons that no waiting mends, of the mail server's and of Slack's (slack-and-email.md, A7 and B4).
NEED_HANDS = frozenset(
    {"smtp_auth", "smtp_tls", "sender_refused", "invalid_auth", "not_authed", "token_revoked", "token_expired"}
) | frozenset({"account_inactive", "missing_scope", "no_permission", "org_login_required", "team_access_not_granted"})
# Slack's words for a channel that takes nothing until somebody sees to it (slack-and-email.md, A6).
PLACE_REFUSALS = frozenset(
    {"channel_not_found", "is_archived", "is_inactive", "not_in_channel", "cannot_dm_bot", "restricted_action"}
) | frozenset(f"restricted_action_{what}_channel" for what in ("read_only", "thread_only", "non_threadable"))
_ENDS = {"automation_stopped": "automation_over", "address_refused": "address_over"}
OPENINGS = 3  # of a breaker, one after the other, before a channel counts as stopped


@dataclass(frozen=True, slots=True)
class AdminAlert:
    """``name``: what it is about, "getbill:main", "mail" or "slack". ``code``: of SENTENCES. ``reason``: as heard."""

    name: str
    code: str
    since: datetime
    reason: str = ""

    @property
    def end(self) -> str:
        """The code that tells of its end."""
        return _ENDS.get(self.code, "over")

    @property
    def about(self) -> str:
        system, _, account = self.name.partition(":")
        if self.code == "address_refused":
            return account
        return f"{SYSTEMS.get(system, system)} ({account})" if account else SYSTEMS.get(system, system)


def needs_hands(reason: str | None, openings: int) -> bool:
    """Whether a breaker that is open for this reason, and for the so-manieth time, is somebody's business."""
    return openings >= OPENINGS or (reason or "").partition(":")[0] in NEED_HANDS


def refuses_place(reason: str | None) -> bool:
    """Whether a failure's reason says that this one channel takes nothing."""
    return (reason or "").partition(":")[0] in PLACE_REFUSALS


def destinations(alarm: AdminAlert, admins: Collection[str], channels: Collection[str]) -> Iterator[str]:
    """Where the admins hear of it: by mail those with an address that works, unless mail has stopped, else in Slack.

    An entry for a whole domain names nobody in particular.
    """
    working = [channel for channel in channels if channel != alarm.name]
    for entry in sorted(admins):
        if entry.startswith("@"):
            continue
        has_mail = "@" in entry and alarm.name != f"mail:{entry.lower()}"
        order = ("mail", "slack") if has_mail else ("slack",)
        channel = next((one for one in order if one in working), None)
        if channel:
            yield f"{channel}:{entry}"
