"""The table of transitions: an item and a fact in, a changed item or a reason to ignore out. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from receiver.domain.action import REOPENING, outcome_of
from receiver.domain.fact import (
    ClockStruck,
    Fact,
    PersonConfirmed,
    PersonDid,
    PersonProposed,
    PersonRequested,
    RuleForesaw,
    SourceAccepted,
    SourceDid,
    SourceGone,
    SourceRefused,
    SourceSaid,
    TwinSaid,
)
from receiver.domain.item import Attempt, Foreseen, Item, Proposal, completed, same_words
from receiver.domain.notice import STILL_OPEN

# A source that took the request and still shows the item open half an hour later: people must know
# (debitura.md, Consequences 10).
ACCEPTED_MEANS_DONE_WITHIN = timedelta(minutes=30)
CLOCKS_DIFFER_BY = timedelta(minutes=1)
UNDO_WITHIN = timedelta(minutes=10)

Transition = Literal["opened", "changed", "resolved", "reopened", "rang"]


@dataclass(frozen=True, slots=True)
class Applied:
    """The item after the fact. ``transition`` None: kept without anything that people could see."""

    item: Item
    transition: Transition | None


@dataclass(frozen=True, slots=True)
class Ignored:
    reason: str  # older, unknown_item, not_open, already_resolved, other_attempt, never_open, not_due, other_proposal


Decision = Applied | Ignored


def decide(item: Item | None, fact: Fact, now: datetime, new_id: str) -> Decision:  # noqa: C901, PLR0912 - one case a fact
    """What the fact makes of the item. ``new_id`` names the item if the fact opens one."""
    match fact:
        case SourceSaid():
            return _open(fact, now, new_id) if item is None else _source_said(item, fact, now)
        case _ if item is None:
            return Ignored("unknown_item")
        case SourceGone():
            return _source_gone(item, fact, now)
        case PersonRequested():
            return _person_asked(item, fact, now)
        case PersonDid():
            return _person_did(item, fact, now)
        case PersonProposed():
            return _person_proposed(item, fact, now)
        case PersonConfirmed():
            return _person_confirmed(item, fact, now)
        case ClockStruck():
            return _clock_struck(item, fact, now)
        case SourceAccepted():
            return _source_accepted(item, fact, now)
        case SourceDid():
            return _source_did(item, fact, now)
        case SourceRefused():
            return _source_refused(item, fact, now)
        case TwinSaid():
            return _twin_said(item, fact, now)
        case RuleForesaw():
            return _rule_foresaw(item, fact, now)


def _open(fact: SourceSaid, now: datetime, new_id: str) -> Decision:
    if not fact.snapshot.is_open:
        return Ignored("never_open")  # resolved before we first saw it: nothing to decide, nobody to wake
    return Applied(
        Item(new_id, fact.snapshot, "open", 1, fact.said_at, now, now, is_unconfirmed=fact.is_unconfirmed), "opened"
    )


def _source_said(item: Item, fact: SourceSaid, now: datetime) -> Decision:
    if _is_older(fact.said_at, item, now):
        return Ignored("older")
    said = completed(fact.snapshot, item.snapshot)
    heard = replace(item, snapshot=said, said_at=fact.said_at, is_missing=False, is_unconfirmed=fact.is_unconfirmed)
    is_changed = not same_words(item.snapshot, said)
    if not fact.snapshot.is_open:
        return _shown_closed(heard, fact, now)
    if item.state == "resolved" or (_is_reopening(item) and item.attempt and item.attempt.is_accepted):
        return Applied(_raised(_reopened(heard, now), now), "reopened")
    if item.attempt and _is_overdue(item.attempt, fact.said_at):
        return Applied(replace(_raised(heard, now), state="open", attempt=None, problem=STILL_OPEN), "rang")
    if not is_changed:
        return Applied(heard, None)
    if item.attempt and item.attempt.is_accepted and item.attempt.verb == "update_plan":
        return Applied(replace(_raised(heard, now), state="open", attempt=None, problem=None), "changed")
    return Applied(_raised(_void(replace(heard, foreseen=None)), now), "changed")


def _shown_closed(heard: Item, fact: SourceSaid, now: datetime) -> Decision:
    """The source shows it closed: news, known, or what is about to be reopened."""
    if heard.state == "resolved":
        return Applied(heard, None)
    if not _is_reopening(heard):
        return _resolve(heard, fact.snapshot.outcome or "gone", now)
    if heard.attempt and _is_overdue(heard.attempt, fact.said_at):
        back = replace(_raised(heard, now), state="resolved", attempt=None, problem="still_closed", undo_until=None)
        return Applied(back, "changed")
    return Applied(heard, None)


def _is_reopening(item: Item) -> bool:
    return item.attempt is not None and item.attempt.verb in REOPENING


def _void(item: Item) -> Item:
    """What was proposed was decided on other words than these."""
    return replace(item, proposal=None, problem="proposal_void") if item.proposal else item


def _source_gone(item: Item, fact: SourceGone, now: datetime) -> Decision:
    if _is_older(fact.said_at, item, now):
        return Ignored("older")
    if item.state == "resolved":
        return Ignored("already_resolved")
    heard = replace(item, said_at=fact.said_at, is_missing=True)
    if not fact.is_certain and not item.is_missing:
        return Applied(heard, None)
    return _resolve(heard, fact.outcome, now)


def _is_older(said_at: datetime, item: Item, now: datetime) -> bool:
    """Whether something newer was heard; what was heard in the future came by a clock that was since set right."""
    return said_at < item.said_at <= now + CLOCKS_DIFFER_BY


def _is_overdue(attempt: Attempt, said_at: datetime) -> bool:
    """Whether the source took it so long ago that it ought to show; not counting how long it took to reach it."""
    return attempt.is_accepted and said_at - (attempt.accepted_at or attempt.at) >= ACCEPTED_MEANS_DONE_WITHIN


def _resolve(item: Item, outcome: str, now: datetime) -> Applied:
    """Resolved as the source says; credited to the person only if the source did what that person asked."""
    attempt = item.attempt
    is_theirs = attempt is not None and (attempt.is_accepted or outcome_of(attempt.verb) == outcome)
    undo_for = attempt.undo_for if attempt and attempt.undo_for is not None else UNDO_WITHIN
    return Applied(
        replace(
            _raised(item, now),
            state="resolved",
            resolved_at=now,
            outcome=outcome,
            resolved_by=attempt.who if attempt and is_theirs else None,
            resolved_via=attempt.via if attempt and is_theirs else None,
            confirmed_by=attempt.confirmed_by if attempt and is_theirs else None,
            undo_until=now + undo_for if is_theirs and "reopen" in item.snapshot.verbs else None,
            attempt=None,
            problem=None,
            is_missing=False,
            proposal=None,
            snoozed_until=None,
            snoozed_by=None,
        ),
        "resolved",
    )


def _person_asked(item: Item, fact: PersonRequested, now: datetime) -> Decision:
    if item.state == "acting" or (item.state == "resolved") != (fact.verb in REOPENING):
        return Ignored("not_open")
    who = fact.person.label
    return _asking(item, Attempt(fact.action_id, fact.verb, who, fact.via, now, undo_for=fact.undo_for), now)


def _asking(item: Item, attempt: Attempt, now: datetime) -> Applied:
    return Applied(replace(_raised(item, now), state="acting", attempt=attempt, problem=None, proposal=None), "changed")


def _person_proposed(item: Item, fact: PersonProposed, now: datetime) -> Decision:
    if item.state != "open" or item.proposal:
        return Ignored("not_open")
    proposal = Proposal(fact.action_id, fact.verb, fact.person, fact.via, now, fact.words, fact.plan)
    return Applied(replace(_raised(item, now), proposal=proposal, problem=None), "changed")


def _person_confirmed(item: Item, fact: PersonConfirmed, now: datetime) -> Decision:
    """The source is asked in the name of whoever proposed it; whoever confirmed stands beside."""
    proposal = item.proposal
    if item.state != "open" or proposal is None or proposal.action_id != fact.action_id:
        return Ignored("other_proposal")
    who, via, second = proposal.person.label, proposal.via, fact.person.label
    return _asking(item, Attempt(proposal.action_id, proposal.verb, who, via, now, confirmed_by=second), now)


def _person_did(item: Item, fact: PersonDid, now: datetime) -> Decision:
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
            changed = _woken(item, now)
        case "withdraw":
            changed = replace(item, proposal=None)
        case _:
            changed = replace(item, note=fact.note)
    return Applied(_raised(changed, now), "changed")


def _clock_struck(item: Item, fact: ClockStruck, now: datetime) -> Decision:
    match fact.what:
        case "woken" if item.snoozed_until and item.snoozed_until <= now:
            changed = _woken(item, now)
        case "escalated" if item.state == "open" and item.escalated_at is None:
            changed = replace(item, escalated_at=now)
        case "undo_over" if item.state == "resolved" and item.undo_until and item.undo_until <= now:
            changed = replace(item, undo_until=None)
        case _:
            return Ignored("not_due")
    return Applied(_raised(changed, now), "changed")


def _woken(item: Item, now: datetime) -> Item:
    return replace(item, snoozed_until=None, snoozed_by=None, waiting_since=now)


def _source_accepted(item: Item, fact: SourceAccepted, now: datetime) -> Decision:
    if item.attempt is None or item.attempt.action_id != fact.action_id:
        return Ignored("other_attempt")
    attempt = replace(item.attempt, is_accepted=True, accepted_at=now)
    return Applied(_raised(replace(item, attempt=attempt), now), "changed")


def _source_did(item: Item, fact: SourceDid, now: datetime) -> Decision:
    attempt = item.attempt
    if attempt is None or attempt.action_id != fact.action_id:
        return Ignored("other_attempt")
    if attempt.verb in REOPENING:
        return Applied(_raised(_reopened(item, now), now), "reopened")
    return Applied(replace(_raised(item, now), state="open", attempt=None, problem=None), "changed")


def _source_refused(item: Item, fact: SourceRefused, now: datetime) -> Decision:
    if item.attempt is None or item.attempt.action_id != fact.action_id:
        return Ignored("other_attempt")
    state: Literal["open", "resolved"] = "resolved" if item.resolved_at else "open"
    reason = "still_closed" if fact.reason == "still_open" and _is_reopening(item) else fact.reason
    return Applied(_raised(replace(item, state=state, attempt=None, problem=reason), now), "changed")


def _twin_said(item: Item, fact: TwinSaid, now: datetime) -> Decision:
    """What is resolved stays as it was told."""
    if item.state == "resolved":
        return Ignored("already_resolved")
    if item.twin == fact.twin:
        return Applied(item, None)
    return Applied(_raised(_void(replace(item, twin=fact.twin)), now), "changed")


def _rule_foresaw(item: Item, fact: RuleForesaw, now: datetime) -> Decision:
    if item.state != "open":
        return Ignored("not_open")
    return Applied(_raised(replace(item, foreseen=Foreseen(fact.rule, fact.verb)), now), "changed")


def _reopened(item: Item, now: datetime) -> Item:
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


def _raised(item: Item, now: datetime) -> Item:
    return replace(item, version=item.version + 1, changed_at=now)
