"""What the page of an item shows and which verbs it offers. Pure: it reads nothing and changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request

from receiver.domain import plan
from receiver.domain.action import DECIDING_VERBS
from receiver.domain.refusal import N_
from receiver.domain.snooze import CHOICES, snooze_until
from receiver.web.action_form import LINK_VERBS, MAX_LENGTHS
from receiver.web.action_service import ActionTarget
from receiver.web.pages import Language, format_datetime

PROPOSAL_KINDS: Final = frozenset({"payment_plan", "hardship"})  # a person accepts or declines these
SNOOZE_LABELS: Final = {
    "1h": N_("An hour: {moment}"),
    "4h": N_("Four hours: {moment}"),
    "tomorrow": N_("Tomorrow: {moment}"),
    "monday": N_("Next Monday: {moment}"),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for the page of an item.

    ``path``: of the page. ``browser_id``: what the nonces of the page are bound to. ``verbs``: what such a page may
    offer. ``context``: values that only this page's template needs.
    """

    request: Request
    token_id: str
    target: ActionTarget
    language: Language
    path: str
    browser_id: str
    is_expired: bool = False
    verbs: tuple[str, ...] = LINK_VERBS
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def offered_verbs(self) -> tuple[str, ...]:
        """The verbs that the person may choose now.

        Empty after the link expired. A link that was used offers only ``undo``. An older link of a resolved item offers
        nothing: a decision is reverted through the mail that reported it.
        """
        target = self.target
        is_older = target.version_when_sent < target.item.version
        if self.is_expired or (target.item.state == "resolved" and not target.link_use and is_older):
            return ()
        verbs = tuple(verb for verb in self.verbs if verb in target.notice.verbs)
        return tuple(verb for verb in verbs if verb == "undo") if target.link_use else verbs

    @property
    def needs_new_link(self) -> bool:
        return self.target.item.state == "open" and (self.is_expired or self.target.link_use is not None)


def item_context(visit: Visit, now: datetime) -> dict[str, Any]:
    """The values of the template ``act.html`` that depend on the item and its link only."""
    target = visit.target
    item, notice, link_use = target.item, target.notice, target.link_use
    used_at = format_datetime(link_use.at, notice.route.timezone, notice.route.locale) if link_use else ""
    return {
        "item": item,
        "story": visit.language.translator.story(notice),
        "tone": item.snapshot.urgency if item.state == "open" else item.state,
        "source": item.snapshot.source.capitalize(),
        "is_decided_at_source": item.state == "open" and not set(notice.verbs) & {*DECIDING_VERBS, "confirm"},
        "is_proposal": item.kind in PROPOSAL_KINDS,
        "address": target.address,
        "has_changed": item.version != target.version_when_sent,
        "is_expired": visit.is_expired,
        "needs_new_link": visit.needs_new_link,
        "link_use": link_use,
        "used_at": used_at,
        "files": [link for link in notice.links if link.what == "media"],
        "solution": next((link.url for link in notice.links if _is_solution(link.what, link.url)), None),
        "max_lengths": MAX_LENGTHS,
        "snooze_options": _snooze_options(visit, now),
        "plan": plan.as_input(plan.current_plan(item.snapshot)),
        **visit.context,
    }


def _snooze_options(visit: Visit, now: datetime) -> list[tuple[str, str]]:
    """Value and label of each choice."""
    route = visit.target.notice.route
    ends = [(choice, snooze_until(choice, now, route.calendar)) for choice in CHOICES]
    return [
        (
            choice,
            visit.language.translate(SNOOZE_LABELS[choice], moment=format_datetime(end, route.timezone, route.locale)),
        )
        for choice, end in ends
        if end
    ]


def _is_solution(what: str, url: str) -> bool:
    return what == "solution" and url.startswith(("https://", "http://127.0.0.1:", "http://localhost:"))
