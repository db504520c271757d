"""When to leave a destination alone: the circuit breaker's rules, and what fails together. Pure.

Closed, everything passes. Open, nothing does until a moment that grows with each opening. Then exactly one delivery is
let through as a probe, and what comes of it closes the breaker or opens it again (reliability.md, A.5).
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from receiver.errors import DeliveryError, RetryLaterError, UncertainError

OPENS_AFTER = 5  # failures one after the other
SHORTEST_S, LONGEST_S = 5.0, 300.0
SHORTEST_ASKED_S, LONGEST_ASKED_S = 1.0, 3_600.0
SLACK_POSTS = "slack posts"

State = Literal["closed", "open"]


@dataclass(frozen=True, slots=True)
class Breaker:
    """``openings``: how often it opened since all was well. ``probe``: the claim that was let through, if any."""

    name: str
    state: State = "closed"
    failures: int = 0
    openings: int = 0
    open_until: datetime | None = None
    probe: str | None = None
    reason: str | None = None


def place_of(destination: str) -> str:
    """What fails together at the finest: a Slack channel whoever reads there, the mail server, a source's account."""
    channel, _, address = destination.partition(":")
    if channel == "mail":
        return "mail"
    return f"{channel}:{address.partition('/')[0]}" if channel == "slack" else destination


def names_over(destination: str, *, is_interactive: bool) -> tuple[str, ...]:
    """The breakers a delivery passes. Slack counts posts apart from redraws and whispers (slack-and-email.md, A5), so
    what a person's click caused does not wait for a pause that posting had earned."""
    place = place_of(destination)
    if not destination.startswith("slack:"):
        return (place,)
    return (place, "slack") if is_interactive else (place, "slack", SLACK_POSTS)


def name_struck(destination: str, error: DeliveryError, *, is_interactive: bool) -> str | None:
    """The breaker that this failure counts against; None when it is the one delivery's own affair."""
    names = names_over(destination, is_interactive=is_interactive)
    match error.reach:
        case "item" | "ours":
            return None
        case "pace":
            return names[-1] if not is_interactive or len(names) == 1 else None
        case "system":
            return names[min(1, len(names) - 1)]
        case "place":
            return names[0]


def after_failure(before: Breaker, error: DeliveryError, claim_id: str, now: datetime, chance: float) -> Breaker:
    """``chance`` in [0, 1) spreads the next look.

    Opens after several failures, or at once when the system names a pause or refuses everybody. While it is open only
    the probe's failure counts: what was under way when it opened tells nothing new.
    """
    is_probe = before.probe is not None and before.probe == claim_id
    if before.state == "open" and not is_probe:
        return before
    failures = before.failures + 1
    asked_s = asked_of(error)
    if not is_probe and failures < OPENS_AFTER and asked_s is None and error.reach != "system":
        return replace(before, failures=failures, reason=_why(error))
    wait_s = wait_of(before.openings, chance) if asked_s is None else asked_s + chance
    return Breaker(
        before.name,
        "open",
        failures,
        before.openings + 1,
        now + timedelta(seconds=wait_s),
        None,
        _why(error),
    )


def after_success(before: Breaker, claim_id: str) -> Breaker:
    """The other side answers. What was under way when the breaker opened does not close it; only its probe does."""
    if before.state == "open" and before.probe != claim_id:
        return before
    return Breaker(before.name)


def after_nothing(before: Breaker, claim_id: str) -> Breaker:
    """The probe ended without a word from the other side, by a fault of ours: the next delivery may be one."""
    return replace(before, probe=None) if before.probe == claim_id else before


def wait_of(openings: int, chance: float) -> float:
    """5 s to 10 s at first, twice as long with each opening, 5 min at most."""
    ceiling = min(2 * SHORTEST_S * 2.0 ** min(openings, 20), LONGEST_S)
    return ceiling / 2 + chance * ceiling / 2


def asked_of(error: DeliveryError) -> float | None:
    """The pause the other side named, within a second and an hour; None when it named none that can be kept."""
    given = error.after_s if isinstance(error, RetryLaterError) else None
    if given is None or math.isnan(given) or given <= 0:
        return None
    return min(max(given, SHORTEST_ASKED_S), LONGEST_ASKED_S)


def is_uncounted(error: DeliveryError) -> bool:
    """A refusal of our own does not count as a try (reliability.md, A.3)."""
    return error.reach == "ours" and not isinstance(error, UncertainError)


def _why(error: DeliveryError) -> str:
    return f"{error.code}: {error.message}"[:500]
