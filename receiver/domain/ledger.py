"""The table of transitions: an item and a fact in, a changed item or a reason to ignore out. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from receiver.domain.action import outcome_of
from receiver.domain.fact import (
    Fact,
    PersonAsked,
    PersonDid,
    SourceAccepted,
    SourceGone,
    SourceRefused,
    SourceSaid,
    TwinSaid,
)
from receiver.domain.item import Attempt, Item, same_words
from receiver.domain.notice import STILL_OPEN

# A source that took the request and still shows the item open half an hour later: people must know
# (debitura.md, Consequences 10).
ACCEPTED_MEANS_DONE_WITHIN = timedelta(minutes=30)
CLOCKS_DIFFER_BY = timedelta(minutes=1)

Transition = Literal["opened", "changed", "resolved", "reopened", "rang"]


@dataclass(frozen=True, slots=True)
class Applied:
    """The item after the fact. ``transition`` None: kept without anything that people could see."""

    item: Item
    transition: Transition | None


@dataclass(frozen=True, slots=True)
class Ignored:
    reason: str  # older, unknown_item, not_open, already_resolved, other_attempt, never_open


Decision = Applied | Ignored


def decide(item: Item | None, fact: Fact, now: datetime, new_id: str) -> Decision:
    """What the fact makes of the item. ``new_id`` names the item if the fact opens one."""
    match fact:
        case SourceSaid():
            return _open(fact, now, new_id) if item is None else _source_said(item, fact, now)
        case _ if item is None:
            return Ignored("unknown_item")
        case SourceGone():
            return _source_gone(item, fact, now)
        case PersonAsked():
            return _person_asked(item, fact, now)
        case PersonDid():
            return _person_did(item, fact, now)
        case SourceAccepted():
            return _source_accepted(item, fact, now)
        case SourceRefused():
            return _source_refused(item, fact, now)
        case TwinSaid():
            return _twin_said(item, fact, now)


def _open(fact: SourceSaid, now: datetime, new_id: str) -> Decision:
    if not fact.snapshot.is_open:
        return Ignored("never_open")  # resolved before we first saw it: nothing to decide, nobody to wake
    return Applied(Item(new_id, fact.snapshot, "open", 1, fact.said_at, now, now), "opened")


def _source_said(item: Item, fact: SourceSaid, now: datetime) -> Decision:
    if _is_older(fact.said_at, item, now):
        return Ignored("older")
    heard = replace(item, snapshot=fact.snapshot, said_at=fact.said_at, is_missing=False)
    if not fact.snapshot.is_open:
        if item.state == "resolved":
            return Applied(heard, None)
        return _resolve(heard, fact.snapshot.outcome or "gone", now)
    if item.state == "resolved":
        return Applied(_raised(_reopened(heard), now), "reopened")
    if item.attempt and _is_overdue(item.attempt, fact.said_at):
        return Applied(replace(_raised(heard, now), state="open", attempt=None, problem=STILL_OPEN), "rang")
    if same_words(item.snapshot, fact.snapshot):
        return Applied(heard, None)
    return Applied(_raised(heard, now), "changed")


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
    return Applied(
        replace(
            _raised(item, now),
            state="resolved",
            resolved_at=now,
            outcome=outcome,
            resolved_by=attempt.who if attempt and is_theirs else None,
            resolved_via=attempt.via if attempt and is_theirs else None,
            attempt=None,
            problem=None,
            is_missing=False,
        ),
        "resolved",
    )


def _person_asked(item: Item, fact: PersonAsked, now: datetime) -> Decision:
    if item.state == "acting" or (item.state == "resolved") != (fact.verb == "reopen"):
        return Ignored("not_open")
    attempt = Attempt(fact.action_id, fact.verb, fact.person.label, fact.via, now)
    return Applied(replace(_raised(item, now), state="acting", attempt=attempt, problem=None), "changed")


def _person_did(item: Item, fact: PersonDid, now: datetime) -> Decision:
    match fact.verb:
        case "claim":
            changed = replace(item, claimed_by=fact.person.label)
        case "release":
            changed = replace(item, claimed_by=None)
        case _:
            changed = replace(item, note=fact.note)
    return Applied(_raised(changed, now), "changed")


def _source_accepted(item: Item, fact: SourceAccepted, now: datetime) -> Decision:
    if item.attempt is None or item.attempt.action_id != fact.action_id:
        return Ignored("other_attempt")
    attempt = replace(item.attempt, is_accepted=True, accepted_at=now)
    return Applied(_raised(replace(item, attempt=attempt), now), "changed")


def _source_refused(item: Item, fact: SourceRefused, now: datetime) -> Decision:
    if item.attempt is None or item.attempt.action_id != fact.action_id:
        return Ignored("other_attempt")
    state: Literal["open", "resolved"] = "resolved" if item.resolved_at else "open"
    return Applied(_raised(replace(item, state=state, attempt=None, problem=fact.reason), now), "changed")


def _twin_said(item: Item, fact: TwinSaid, now: datetime) -> Decision:
    """What is resolved stays as it was told."""
    if item.state == "resolved":
        return Ignored("already_resolved")
    if item.twin == fact.twin:
        return Applied(item, None)
    return Applied(_raised(replace(item, twin=fact.twin), now), "changed")


def _reopened(item: Item) -> Item:
    return replace(
        item, state="open", resolved_at=None, outcome=None, resolved_by=None, resolved_via=None, problem=None
    )


def _raised(item: Item, now: datetime) -> Item:
    return replace(item, version=item.version + 1, changed_at=now)
