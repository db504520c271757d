"""The state machine of an item: decides what a fact changes. Item and fact in, changed item or reason to ignore out.

Only ``pipeline.apply.apply_facts`` calls it, and stores the result. Pure: time and new ids are arguments.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from receiver.domain.action import REOPENING_VERBS, outcome_of
from receiver.domain.fact import (
    DryRunMatched,
    Fact,
    PersonActed,
    PersonConfirmed,
    PersonProposed,
    PersonRequested,
    SourceAccepted,
    SourceCompleted,
    SourceGone,
    SourceRefused,
    SourceReported,
    TimePassed,
    TwinChanged,
)
from receiver.domain.item import Attempt, Foreseen, Item, Proposal, fill_from_known, looks_same
from receiver.domain.notice import STILL_OPEN

# A source may execute an accepted request later (docs/vendors/debitura.md#lifecycle-of-a-task). If it still shows the
# item open after this time, people are alerted.
MAX_COMPLETION_TIME = timedelta(minutes=30)
MAX_CLOCK_SKEW = timedelta(minutes=1)
DEFAULT_UNDO_TIME = timedelta(minutes=10)

Transition = Literal["opened", "changed", "resolved", "reopened", "rang"]


@dataclass(frozen=True, slots=True)
class Applied:
    """The item after the fact. ``transition`` None: nothing changed that people can see."""

    item: Item
    transition: Transition | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """The fact changes nothing. ``reason`` is a word for logs and counters."""

    reason: str  # older, unknown_item, not_open, already_resolved, other_attempt, never_open, not_due, other_proposal


Decision = Applied | Ignored


def decide(item: Item | None, fact: Fact, now: datetime, new_id: str) -> Decision:  # noqa: C901, PLR0912 - one case a fact
    """What the fact changes. ``item`` None: the key is unknown. ``new_id``: the id of an item that the fact opens."""
    match fact:
        case SourceReported():
            return _open(fact, now, new_id) if item is None else _source_reported(item, fact, now)
        case _ if item is None:
            return Ignored("unknown_item")
        case SourceGone():
            return _source_gone(item, fact, now)
        case PersonRequested():
            return _person_requested(item, fact, now)
        case PersonActed():
            return _person_acted(item, fact, now)
        case PersonProposed():
            return _person_proposed(item, fact, now)
        case PersonConfirmed():
            return _person_confirmed(item, fact, now)
        case TimePassed():
            return _time_passed(item, fact, now)
        case SourceAccepted():
            return _source_accepted(item, fact, now)
        case SourceCompleted():
            return _source_completed(item, fact, now)
        case SourceRefused():
            return _source_refused(item, fact, now)
        case TwinChanged():
            return _twin_changed(item, fact, now)
        case DryRunMatched():
            return _dry_run_matched(item, fact, now)


def _open(fact: SourceReported, now: datetime, new_id: str) -> Decision:
    if not fact.snapshot.is_open:
        return Ignored("never_open")  # resolved before Casebell first saw it: nobody is alerted
    return Applied(
        Item(new_id, fact.snapshot, "open", 1, fact.said_at, now, now, is_unconfirmed=fact.is_unconfirmed), "opened"
    )


def _source_reported(item: Item, fact: SourceReported, now: datetime) -> Decision:
    if _is_older(fact.said_at, item, now):
        return Ignored("older")
    snapshot = fill_from_known(fact.snapshot, item.snapshot)
    updated = replace(
        item, snapshot=snapshot, said_at=fact.said_at, is_missing=False, is_unconfirmed=fact.is_unconfirmed
    )
    if not fact.snapshot.is_open:
        return _reported_closed(updated, fact, now)
    if item.state == "resolved" or (_is_reopening(item) and item.attempt and item.attempt.is_accepted):
        return Applied(_next_version(_reopen(updated, now), now), "reopened")
    if item.attempt and _is_overdue(item.attempt, fact.said_at):
        return Applied(replace(_next_version(updated, now), state="open", attempt=None, problem=STILL_OPEN), "rang")
    if looks_same(item.snapshot, snapshot):
        return Applied(updated, None)
    if item.attempt and item.attempt.is_accepted and item.attempt.verb == "update_plan":
        return Applied(replace(_next_version(updated, now), state="open", attempt=None, problem=None), "changed")
    return Applied(_next_version(_void_proposal(replace(updated, foreseen=None)), now), "changed")


def _reported_closed(updated: Item, fact: SourceReported, now: datetime) -> Decision:
    """The source reports the item as closed. While Casebell tries to reopen it, that is not a resolution."""
    if updated.state == "resolved":
        return Applied(updated, None)
    if not _is_reopening(updated):
        return _resolve(updated, fact.snapshot.outcome or "gone", now)
    if updated.attempt and _is_overdue(updated.attempt, fact.said_at):
        item = replace(
            _next_version(updated, now), state="resolved", attempt=None, problem="still_closed", undo_until=None
        )
        return Applied(item, "changed")
    return Applied(updated, None)


def _is_reopening(item: Item) -> bool:
    return item.attempt is not None and item.attempt.verb in REOPENING_VERBS


def _void_proposal(item: Item) -> Item:
    """Discard the proposal: the data it was based on has changed."""
    return replace(item, proposal=None, problem="proposal_void") if item.proposal else item


def _source_gone(item: Item, fact: SourceGone, now: datetime) -> Decision:
    if _is_older(fact.said_at, item, now):
        return Ignored("older")
    if item.state == "resolved":
        return Ignored("already_resolved")
    missing = replace(item, said_at=fact.said_at, is_missing=True)
    if not fact.is_certain and not item.is_missing:
        return Applied(missing, None)
    return _resolve(missing, fact.outcome, now)


def _is_older(said_at: datetime, item: Item, now: datetime) -> bool:
    """Whether the item has newer data. Data from the future is replaced: it comes from a clock that was wrong."""
    return said_at < item.said_at <= now + MAX_CLOCK_SKEW


def _is_overdue(attempt: Attempt, said_at: datetime) -> bool:
    """Whether the effect of an accepted request should be visible by now."""
    return attempt.is_accepted and said_at - (attempt.accepted_at or attempt.at) >= MAX_COMPLETION_TIME


def _resolve(item: Item, outcome: str, now: datetime) -> Applied:
    """Resolved with the source's outcome; by the requesting person only if it is the outcome they requested."""
    attempt = item.attempt
    credited = attempt if attempt and (attempt.is_accepted or outcome_of(attempt.verb) == outcome) else None
    undo_for = DEFAULT_UNDO_TIME if credited is None or credited.undo_for is None else credited.undo_for
    return Applied(
        replace(
            _next_version(item, now),
            state="resolved",
            resolved_at=now,
            outcome=outcome,
            resolved_by=credited.who if credited else None,
            resolved_via=credited.via if credited else None,
            confirmed_by=credited.confirmed_by if credited else None,
            undo_until=now + undo_for if credited and "reopen" in item.snapshot.verbs else None,
            attempt=None,
            problem=None,
            is_missing=False,
            proposal=None,
            snoozed_until=None,
            snoozed_by=None,
        ),
        "resolved",
    )


def _person_requested(item: Item, fact: PersonRequested, now: datetime) -> Decision:
    if item.state == "acting" or (item.state == "resolved") != (fact.verb in REOPENING_VERBS):
        return Ignored("not_open")
    who = fact.person.label
    return _start_attempt(item, Attempt(fact.action_id, fact.verb, who, fact.via, now, undo_for=fact.undo_for), now)


def _start_attempt(item: Item, attempt: Attempt, now: datetime) -> Applied:
    acting = replace(_next_version(item, now), state="acting", attempt=attempt, problem=None, proposal=None)
    return Applied(acting, "changed")


def _person_proposed(item: Item, fact: PersonProposed, now: datetime) -> Decision:
    if item.state != "open" or item.proposal:
        return Ignored("not_open")
    proposal = Proposal(fact.action_id, fact.verb, fact.person, fact.via, now, fact.words, fact.plan)
    return Applied(replace(_next_version(item, now), proposal=proposal, problem=None), "changed")


def _person_confirmed(item: Item, fact: PersonConfirmed, now: datetime) -> Decision:
    """The request is made in the name of the person who proposed it, with the name of the one who confirmed it."""
    proposal = item.proposal
    if item.state != "open" or proposal is None or proposal.action_id != fact.action_id:
        return Ignored("other_proposal")
    who, via, second = proposal.person.label, proposal.via, fact.person.label
    return _start_attempt(item, Attempt(proposal.action_id, proposal.verb, who, via, now, confirmed_by=second), now)


def _person_acted(item: Item, fact: PersonActed, now: datetime) -> Decision:
    match fact.verb:
        case "claim":
            changed = replace(item, claimed_by=fact.person.label, claimer=fact.person)
        case "assign" if fact.to:
            changed = replace(item, claimed_by=fact.to.label, claimer=fact.to)
        case "release":
            changed = replace(item, claimed_by=None, claimer=None)
        case "snooze":
            changed = replace(item, snoozed_until=fact.until, snoozed_by=fact.person.label)
        case "wake":
            changed = _end_snooze(item, now)
        case "withdraw":
            changed = replace(item, proposal=None)
        case _:
            changed = replace(item, note=fact.note)
    return Applied(_next_version(changed, now), "changed")


def _time_passed(item: Item, fact: TimePassed, now: datetime) -> Decision:
    match fact.what:
        case "woken" if item.snoozed_until and item.snoozed_until <= now:
            changed = _end_snooze(item, now)
        case "escalated" if item.state == "open" and item.escalated_at is None:
            changed = replace(item, escalated_at=now)
        case "undo_over" if item.state == "resolved" and item.undo_until and item.undo_until <= now:
            changed = replace(item, undo_until=None)
        case _:
            return Ignored("not_due")
    return Applied(_next_version(changed, now), "changed")


def _end_snooze(item: Item, now: datetime) -> Item:
    return replace(item, snoozed_until=None, snoozed_by=None, waiting_since=now)


def _source_accepted(item: Item, fact: SourceAccepted, now: datetime) -> Decision:
    if item.attempt is None or item.attempt.action_id != fact.action_id:
        return Ignored("other_attempt")
    attempt = replace(item.attempt, is_accepted=True, accepted_at=now)
    return Applied(_next_version(replace(item, attempt=attempt), now), "changed")


def _source_completed(item: Item, fact: SourceCompleted, now: datetime) -> Decision:
    attempt = item.attempt
    if attempt is None or attempt.action_id != fact.action_id:
        return Ignored("other_attempt")
    if attempt.verb in REOPENING_VERBS:
        return Applied(_next_version(_reopen(item, now), now), "reopened")
    return Applied(replace(_next_version(item, now), state="open", attempt=None, problem=None), "changed")


def _source_refused(item: Item, fact: SourceRefused, now: datetime) -> Decision:
    if item.attempt is None or item.attempt.action_id != fact.action_id:
        return Ignored("other_attempt")
    state: Literal["open", "resolved"] = "resolved" if item.resolved_at else "open"
    reason = "still_closed" if fact.reason == "still_open" and _is_reopening(item) else fact.reason
    return Applied(_next_version(replace(item, state=state, attempt=None, problem=reason), now), "changed")


def _twin_changed(item: Item, fact: TwinChanged, now: datetime) -> Decision:
    if item.state == "resolved":
        return Ignored("already_resolved")
    if item.twin == fact.twin:
        return Applied(item, None)
    return Applied(_next_version(_void_proposal(replace(item, twin=fact.twin)), now), "changed")


def _dry_run_matched(item: Item, fact: DryRunMatched, now: datetime) -> Decision:
    if item.state != "open":
        return Ignored("not_open")
    return Applied(_next_version(replace(item, foreseen=Foreseen(fact.rule, fact.verb)), now), "changed")


def _reopen(item: Item, now: datetime) -> Item:
    return replace(
        item,
        state="open",
        resolved_at=None,
        outcome=None,
        resolved_by=None,
        resolved_via=None,
        confirmed_by=None,
        attempt=None,
        problem=None,
        undo_until=None,
        foreseen=None,
        escalated_at=None,
        waiting_since=now,
    )


def _next_version(item: Item, now: datetime) -> Item:
    return replace(item, version=item.version + 1, changed_at=now)
