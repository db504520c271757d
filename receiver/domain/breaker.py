"""Decides when deliveries to a failing destination pause: a circuit breaker, and its scope. Pure.

A closed breaker lets everything pass. An open one lets nothing pass until ``open_until``, which is later with each
opening. Then one delivery passes as a probe, and its result closes the breaker or opens it again
(docs/vendors/webhooks.md#claims-and-leases).
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from receiver.errors import DeliveryError, RetryLaterError, UncertainError

OPENS_AFTER = 5  # consecutive failures
SHORTEST_S, LONGEST_S = 5.0, 300.0
SHORTEST_REQUESTED_S, LONGEST_REQUESTED_S = 1.0, 3_600.0
SLACK_POSTS = "slack posts"

State = Literal["closed", "open"]


@dataclass(frozen=True, slots=True)
class Breaker:
    """``openings``: consecutive openings, without a success between them. ``probe``: claim id of the current probe."""

    name: str
    state: State = "closed"
    failures: int = 0
    openings: int = 0
    open_until: datetime | None = None
    probe: str | None = None
    reason: str | None = None


def failure_scope_of(destination: str) -> str:
    """The smallest unit that fails as a whole: a Slack channel, the mail server, or an account of a source."""
    channel, _, address = destination.partition(":")
    if channel == "mail":
        return "mail"
    return f"{channel}:{address.partition('/')[0]}" if channel == "slack" else destination


def breakers_for(destination: str, *, is_interactive: bool) -> tuple[str, ...]:
    """Names of the breakers that a delivery must pass.

    Slack limits posts separately from updates and ephemeral messages (docs/vendors/slack.md#rate-limits), so
    interactive deliveries, which a click caused, do not wait while posts are paused.
    """
    scope = failure_scope_of(destination)
    if not destination.startswith("slack:"):
        return (scope,)
    return (scope, "slack") if is_interactive else (scope, "slack", SLACK_POSTS)


def breaker_of_failure(destination: str, error: DeliveryError, *, is_interactive: bool) -> str | None:
    """Name of the breaker that counts this failure; None if the failure concerns only this delivery."""
    names = breakers_for(destination, is_interactive=is_interactive)
    match error.scope:
        case "item" | "internal":
            return None
        case "pace":
            return names[-1] if not is_interactive or len(names) == 1 else None
        case "system":
            return names[min(1, len(names) - 1)]
        case "destination":
            return names[0]


def after_failure(before: Breaker, error: DeliveryError, claim_id: str, now: datetime, jitter: float) -> Breaker:
    """The breaker after the failure of a claim. ``jitter``: random in [0, 1).

    It opens after OPENS_AFTER failures, or at once if the system asks for a pause or fails as a whole. While it is
    open, only the probe counts; other deliveries started before it opened.
    """
    is_probe = before.probe is not None and before.probe == claim_id
    if before.state == "open" and not is_probe:
        return before
    failures, reason = before.failures + 1, f"{error.code}: {error.message}"[:500]
    requested_s = requested_pause_s(error)
    if not is_probe and failures < OPENS_AFTER and requested_s is None and error.scope != "system":
        return replace(before, failures=failures, reason=reason)
    pause = pause_s(before.openings, jitter) if requested_s is None else requested_s + jitter
    return Breaker(before.name, "open", failures, before.openings + 1, now + timedelta(seconds=pause), None, reason)


def after_success(before: Breaker, claim_id: str) -> Breaker:
    """The breaker after a successful claim. Only its probe closes an open one."""
    if before.state == "open" and before.probe != claim_id:
        return before
    return Breaker(before.name)


def after_no_answer(before: Breaker, claim_id: str) -> Breaker:
    """The breaker after a claim that did not reach the other system, by an error of Casebell. A probe is released."""
    return replace(before, probe=None) if before.probe == claim_id else before


def pause_s(openings: int, jitter: float) -> float:
    """Seconds until the next probe: 5 to 10 at first, doubled with each opening, at most 300."""
    ceiling = min(2 * SHORTEST_S * 2.0 ** min(openings, 20), LONGEST_S)
    return ceiling / 2 + jitter * ceiling / 2


def requested_pause_s(error: DeliveryError) -> float | None:
    """The pause that the other system asked for, limited to between a second and an hour; None if there is none."""
    after_s = error.after_s if isinstance(error, RetryLaterError) else None
    if after_s is None or math.isnan(after_s) or after_s <= 0:
        return None
    return min(max(after_s, SHORTEST_REQUESTED_S), LONGEST_REQUESTED_S)


def is_uncounted(error: DeliveryError) -> bool:
    """Whether this is a refusal by Casebell, which is not an attempt (docs/vendors/webhooks.md#retries)."""
    return error.scope == "internal" and not isinstance(error, UncertainError)
