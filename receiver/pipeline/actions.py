"""Turns a stored click into an action, or into a reply that says why not. One transaction, no network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.domain import plan
from receiver.domain.action import (
    DECIDING_VERBS,
    MAX_NOTE,
    MAX_REPLY,
    REQUIRED_TEXTS,
    SOURCE_VERBS,
    Click,
    PlanInput,
    utf16_units,
)
from receiver.domain.business_time import Calendar
from receiver.domain.fact import Fact, PersonActed, PersonConfirmed, PersonProposed, PersonRequested
from receiver.domain.item import Item
from receiver.domain.ledger import Ignored
from receiver.domain.notice import Reminder, verbs_for
from receiver.domain.people import People
from receiver.domain.refusal import why_stale
from receiver.domain.routing import DEFAULT_ROUTE, Route, route_at, routes_for
from receiver.domain.snooze import snooze_until
from receiver.pipeline.apply import apply_fact
from receiver.store import actions, items, messages, outbox
from receiver.store.outbox import enqueue_reminder
from receiver.store.payloads import Command, Reply

_SPENDING = (SOURCE_VERBS - {"undo"}) | {"confirm"}  # verbs that use up the link of a mail


@dataclass(frozen=True, slots=True)
class Taken:
    """The click had its effect; or had it before, if ``is_again``."""

    action_id: int
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The click has no effect. ``code``: a key of ``refusal.SENTENCES``; ``values``: for its placeholders."""

    code: str
    values: dict[str, str]


Outcome = Taken | Refused


def take_action(
    connection: Connection, click: Click, now: datetime, routes: Sequence[Route], people: People
) -> Outcome:
    """Check a click and act on it.

    It must be new, by somebody who may decide, about the current version, a verb that is offered, with all its input.
    A refused click gets a reply to ``click.answer_to`` and a row in ``action``.
    """
    item = items.find_and_lock(connection, click.item_id)
    earlier = actions.find_by_identity(connection, click.identity)
    if earlier is not None:
        return Taken(earlier.id, is_again=True) if earlier.state != "refused" else Refused("stale", {})
    if item is None:
        return Refused("unknown_item", {})
    _record_message(connection, item, click, now, routes)
    refusal = _refusal(item, click, people, now, routes)
    if refusal is None and click.token_id is not None and click.verb in _SPENDING:
        is_first = actions.spend_token(connection, click.token_id, click.person.label, click.verb, now)
        refusal = None if is_first else Refused("link_used", {})
    if refusal is not None:
        return _refuse(connection, item, click, refusal, now, routes)
    return _act(connection, item, click, now, routes, people)


def _act(
    connection: Connection, item: Item, click: Click, now: datetime, routes: Sequence[Route], people: People
) -> Outcome:
    if click.verb in DECIDING_VERBS and people.needs_second_person(item.snapshot.amount):
        return _propose(connection, item, click, now, routes)
    is_source_verb = click.verb in SOURCE_VERBS
    action_id = actions.add(connection, click, "asked" if is_source_verb else "done", None, now)
    if is_source_verb:
        request = PersonRequested(item.key, action_id, click.verb, click.person, click.via, click.terms.undo_for)
        _apply(connection, request, now, routes)
        _queue_command(connection, item, action_id, now)
    elif click.verb == "confirm" and item.proposal:
        first = item.proposal.action_id
        _apply(connection, PersonConfirmed(item.key, first, click.person, click.via), now, routes)
        actions.mark_asked(connection, first)
        _queue_command(connection, item, first, now)
    else:
        _apply(connection, _person_did(item, click, now, routes), now, routes)
        _notify_assignee(connection, item, click, now)
    return Taken(action_id)


def _propose(connection: Connection, item: Item, click: Click, now: datetime, routes: Sequence[Route]) -> Outcome:
    """Above the limit of [people] a click only proposes; the source gets nothing before a second person confirms."""
    action_id = actions.add(connection, click, "proposed", None, now)
    words, plan = click.text if click.verb == "reply" else click.note, click.terms.plan
    fact = PersonProposed(item.key, action_id, click.verb, click.person, click.via, words, plan)
    _apply(connection, fact, now, routes)
    return Taken(action_id)


def _person_did(item: Item, click: Click, now: datetime, routes: Sequence[Route]) -> PersonActed:
    until = None
    if click.verb == "snooze":
        until = snooze_until(click.terms.until or "", now, _calendar(item, routes))
    return PersonActed(item.key, click.verb, click.person, click.via, click.note, click.terms.to, until)


def _apply(connection: Connection, fact: Fact, now: datetime, routes: Sequence[Route]) -> None:
    decision = apply_fact(connection, fact, now, routes)
    # `_refusal` has refused all that the ledger would ignore
    assert not isinstance(decision, Ignored), f"{type(fact).__name__} on {fact.key}: {decision.reason}"


def _queue_command(connection: Connection, item: Item, action_id: int, now: datetime) -> None:
    destination = f"{item.snapshot.source}:{item.snapshot.account}"
    outbox.enqueue(connection, item.id, destination, Command(action_id), now)


def _notify_assignee(connection: Connection, item: Item, click: Click, now: datetime) -> None:
    """Mention the assignee below the item's Slack messages. No mail is sent for it."""
    to = click.terms.to
    if click.verb != "assign" or to is None or to.is_same_as(click.person):
        return
    reminder = Reminder("assigned", to, click.person.label)
    for shown in messages.list_of_item(connection, item.id):
        if shown.destination.startswith("slack:"):
            enqueue_reminder(connection, item.id, shown.destination, shown.route, reminder, now)


def _refusal(item: Item, click: Click, people: People, now: datetime, routes: Sequence[Route]) -> Refused | None:
    # the terminal and automations are trusted: both need the configuration
    if click.via not in {"cli", "automation"} and not people.may_resolve(click.person):
        return Refused("not_allowed", {})
    if click.version != item.version:
        return _stale(item, click)
    if click.verb not in verbs_for(item, now):
        return _not_offered(item, click)
    return _check_text(click) or _check_input(item, click, people, now, routes) or _check_four_eyes(item, click, people)


def _check_input(item: Item, click: Click, people: People, now: datetime, routes: Sequence[Route]) -> Refused | None:
    calendar, terms = _calendar(item, routes), click.terms
    if click.verb == "snooze" and snooze_until(terms.until or "", now, calendar) is None:
        return Refused("bad_until", {})
    if click.verb == "assign" and terms.to is None:
        return Refused("nobody", {})
    if click.verb == "assign" and terms.to and not people.may_resolve(terms.to):
        return Refused("not_a_resolver", {"who": terms.to.label})
    if click.verb == "update_plan":
        wish, snapshot = terms.plan or PlanInput(), item.snapshot
        faults = plan.find_faults(wish, snapshot.amount, plan.current_plan(snapshot), calendar.local_date(now))
        return Refused(faults[0].code, dict(faults[0].values)) if faults else None
    return None


def _check_four_eyes(item: Item, click: Click, people: People) -> Refused | None:
    """The four-eyes rule: why this person may not propose or confirm, or None.

    The person who proposes must have an identity that can be compared; the person who confirms must surely be another.
    """
    first = item.proposal.person if click.verb == "confirm" and item.proposal else None
    if first is None and not (click.verb in DECIDING_VERBS and people.needs_second_person(item.snapshot.amount)):
        return None
    if not people.may_resolve(click.person):
        return Refused("four_eyes_who", {})
    if first and click.person.is_same_as(first):
        return Refused("four_eyes", {})
    if not people.is_identifiable(click.person):
        return Refused("four_eyes_unlisted", {})
    if first and not people.are_different(click.person, first):
        return Refused("four_eyes_unsure", {"who": first.label})
    return None


def _calendar(item: Item, routes: Sequence[Route]) -> Calendar:
    """The business calendar of the first route that matches the item."""
    return next(routes_for(item.snapshot, routes), DEFAULT_ROUTE).calendar


def _not_offered(item: Item, click: Click) -> Refused:
    if click.verb == "undo" and item.state == "resolved":
        return Refused("undo_over", {})
    # a terminal always has the newest version, and the person still needs to know who was faster
    return Refused("not_offered", {}) if item.state == "open" else _stale(item, click)


def _stale(item: Item, click: Click) -> Refused:
    if click.verb == "claim" and item.state == "open" and item.claimed_by:
        return Refused("claimed", {"who": item.claimed_by})
    return Refused(*why_stale(item))


def _check_text(click: Click) -> Refused | None:
    needed = REQUIRED_TEXTS.get(click.verb)
    if needed and not (getattr(click, needed) or "").strip():
        return Refused("needs_words", {})
    for words, most in ((click.note, MAX_NOTE), (click.text, MAX_REPLY)):
        if words and utf16_units(words) > most:
            return Refused("too_long", {"most": str(most)})
    return None


def _refuse(
    connection: Connection, item: Item, click: Click, refusal: Refused, now: datetime, routes: Sequence[Route]
) -> Refused:
    actions.add(connection, replace(click, text=None), "refused", refusal.code, now)
    if click.answer_to:
        outbox.enqueue(connection, item.id, click.answer_to, Reply(refusal.code, refusal.values), now)
    if click.version != item.version and click.shown_at:
        destination, reference = _message_of(click.shown_at)
        for stored in _references(connection, item, destination):
            if stored.partition("@")[0] == reference:  # the message does not show the version that is stored for it
                messages.mark_unknown(connection, item.id, destination, stored)
        route = route_at(destination, item.snapshot, routes).name
        outbox.enqueue_show(connection, item.id, destination, route, now, is_interactive=True)
    return refusal


def _record_message(connection: Connection, item: Item, click: Click, now: datetime, routes: Sequence[Route]) -> None:
    """Record a message that was posted but not stored, because the process died in between: its click proves it."""
    if click.shown_at is None:
        return
    destination, reference = _message_of(click.shown_at)
    known = {stored.partition("@")[0] for stored in _references(connection, item, destination)}
    if reference not in known:
        route = route_at(destination, item.snapshot, routes).name
        messages.save(connection, item.id, messages.PostedMessage(destination, reference, route, 0, None), now)


def _message_of(shown_at: str) -> tuple[str, str]:
    """Destination and reference, as table ``message`` stores them."""
    destination, _, name = shown_at.partition("/")
    return destination, f"{destination.partition(':')[2]}/{name}"


def _references(connection: Connection, item: Item, destination: str) -> list[str]:
    """References of the item's messages. A message in a thread has the thread's timestamp after an "@"."""
    return [message.reference for message in messages.list_of_item(connection, item.id, destination)]
