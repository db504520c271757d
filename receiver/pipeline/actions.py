"""Step 8: a stored press becomes an action, or a word to the person why not. One transaction, no network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.domain import plan
from receiver.domain.action import (
    DECIDING,
    MAX_NOTE,
    MAX_REPLY,
    NEEDS_WORDS,
    SOURCE_VERBS,
    Click,
    PlanWish,
    utf16_units,
)
from receiver.domain.business_time import Calendar
from receiver.domain.fact import Fact, PersonConfirmed, PersonDid, PersonProposed, PersonRequested
from receiver.domain.item import Item
from receiver.domain.ledger import Ignored
from receiver.domain.notice import Reminder, verbs_for
from receiver.domain.people import People
from receiver.domain.refusal import why_stale
from receiver.domain.routing import DEFAULT_ROUTE, Route, route_at, routes_for
from receiver.domain.snooze import snooze_until
from receiver.pipeline.apply import apply_fact
from receiver.store import actions, items, messages, outbox
from receiver.store.outbox import put_nudge

_SPENDING = (SOURCE_VERBS - {"undo"}) | {"confirm"}  # what a link in a mail is good for once


@dataclass(frozen=True, slots=True)
class Taken:
    """The press had its effect, or had it before (``is_again``)."""

    action_id: int
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """No effect. ``code`` is a key of ``refusal.SENTENCES``, ``values`` fill it."""

    code: str
    values: dict[str, str]


Outcome = Taken | Refused


def take_action(
    connection: Connection, click: Click, now: datetime, routes: Sequence[Route], people: People
) -> Outcome:
    """Check a press and let it act: known? first time? allowed? current? offered? said enough?

    Whoever loses is told why: a ``tell`` row to ``click.answer_to``, and an audit line in ``action``.
    """
    item = items.find_to_change(connection, click.item_id)
    earlier = actions.by_identity(connection, click.identity)
    if earlier is not None:
        return Taken(earlier.id, is_again=True) if earlier.state != "refused" else Refused("stale", {})
    if item is None:
        return Refused("unknown_item", {})
    _adopt(connection, item, click, now, routes)
    refusal = _refusal(item, click, people, now, routes)
    if refusal is None and click.token_id is not None and click.verb in _SPENDING:
        is_first = actions.spend_token(connection, click.token_id, click.person.label, click.verb, now)
        refusal = None if is_first else Refused("link_used", {})
    if refusal is not None:
        return _refuse(connection, item, click, refusal, now, routes)
    return _do(connection, item, click, now, routes, people)


def _do(
    connection: Connection, item: Item, click: Click, now: datetime, routes: Sequence[Route], people: People
) -> Outcome:
    if click.verb in DECIDING and people.needs_second(item.snapshot.amount):
        return _propose(connection, item, click, now, routes)
    is_source_verb = click.verb in SOURCE_VERBS
    action_id = actions.add(connection, click, "asked" if is_source_verb else "done", None, now)
    if is_source_verb:
        asked = PersonRequested(item.key, action_id, click.verb, click.person, click.via, click.terms.undo_for)
        _apply(connection, asked, now, routes)
        _ask_the_source(connection, item, action_id, now)
    elif click.verb == "confirm" and item.proposal:
        first = item.proposal.action_id
        _apply(connection, PersonConfirmed(item.key, first, click.person, click.via), now, routes)
        actions.ask(connection, first)
        _ask_the_source(connection, item, first, now)
    else:
        _apply(connection, _own(item, click, now, routes), now, routes)
        _tell_whom_it_was_given(connection, item, click, now)
    return Taken(action_id)


def _propose(connection: Connection, item: Item, click: Click, now: datetime, routes: Sequence[Route]) -> Outcome:
    """Above the limit of [people] the first press only proposes; nothing leaves before a second person confirms."""
    action_id = actions.add(connection, click, "proposed", None, now)
    words, plan = click.text if click.verb == "reply" else click.note, click.terms.plan
    fact = PersonProposed(item.key, action_id, click.verb, click.person, click.via, words, plan)
    _apply(connection, fact, now, routes)
    return Taken(action_id)


def _own(item: Item, click: Click, now: datetime, routes: Sequence[Route]) -> PersonDid:
    until = None
    if click.verb == "snooze":
        until = snooze_until(click.terms.until or "", now, _calendar(item, routes))
    return PersonDid(item.key, click.verb, click.person, click.via, click.note, click.terms.to, until)


def _apply(connection: Connection, fact: Fact, now: datetime, routes: Sequence[Route]) -> None:
    decision = apply_fact(connection, fact, now, routes)
    # `_refusal` lets nothing through that the ledger would ignore
    assert not isinstance(decision, Ignored), f"{type(fact).__name__} on {fact.key}: {decision.reason}"


def _ask_the_source(connection: Connection, item: Item, action_id: int, now: datetime) -> None:
    destination = f"{item.snapshot.source}:{item.snapshot.account}"
    outbox.put(connection, item.id, destination, outbox.CARRY_OUT, {"action": action_id}, now)


def _tell_whom_it_was_given(connection: Connection, item: Item, click: Click, now: datetime) -> None:
    """Whoever is given an item by a colleague hears of it where it shows in Slack; a mail would be one too many."""
    to = click.terms.to
    if click.verb != "assign" or to is None or to.is_surely(click.person):
        return
    nudge = Reminder("assigned", to, click.person.label)
    for shown in messages.of_item(connection, item.id):
        if shown.destination.startswith("slack:"):
            put_nudge(connection, item.id, shown.destination, shown.route, nudge, now)


def _refusal(item: Item, click: Click, people: People, now: datetime, routes: Sequence[Route]) -> Refused | None:
    # whoever has the configuration's keys at a terminal needs no further leave, nor does a rule of the configuration
    if click.via not in {"cli", "automation"} and not people.may_resolve(click.person):
        return Refused("not_allowed", {})
    if click.version != item.version:
        return _too_late(item, click)
    if click.verb not in verbs_for(item, now):
        return _not_offered(item, click)
    return (
        _missing_words(click) or _bad_terms(item, click, people, now, routes) or _one_pair_of_eyes(item, click, people)
    )


def _bad_terms(item: Item, click: Click, people: People, now: datetime, routes: Sequence[Route]) -> Refused | None:
    calendar, terms = _calendar(item, routes), click.terms
    if click.verb == "snooze" and snooze_until(terms.until or "", now, calendar) is None:
        return Refused("bad_until", {})
    if click.verb == "assign" and terms.to is None:
        return Refused("nobody", {})
    if click.verb == "assign" and terms.to and not people.may_resolve(terms.to):
        return Refused("not_a_resolver", {"who": terms.to.label})
    if click.verb == "update_plan":
        wish, said = terms.plan or PlanWish(), item.snapshot
        found = plan.faults(wish, said.amount, plan.current(said), calendar.today(now))
        return Refused(found[0].code, dict(found[0].values)) if found else None
    return None


def _one_pair_of_eyes(item: Item, click: Click, people: People) -> Refused | None:
    """Why one pair of eyes is not enough, or None.

    Whoever proposes must be somebody who can be told apart from others; whoever confirms must surely be another.
    """
    first = item.proposal.person if click.verb == "confirm" and item.proposal else None
    if first is None and not (click.verb in DECIDING and people.needs_second(item.snapshot.amount)):
        return None
    if not people.may_resolve(click.person):
        return Refused("four_eyes_who", {})
    if first and click.person.is_surely(first):
        return Refused("four_eyes", {})
    if not people.can_be_told_apart(click.person):
        return Refused("four_eyes_unlisted", {})
    if first and not people.are_two(click.person, first):
        return Refused("four_eyes_unsure", {"who": first.label})
    return None


def _calendar(item: Item, routes: Sequence[Route]) -> Calendar:
    """Business time as the first route counts it that hears of the item."""
    return next(routes_for(item.snapshot, routes), DEFAULT_ROUTE).calendar


def _not_offered(item: Item, click: Click) -> Refused:
    if click.verb == "undo" and item.state == "resolved":
        return Refused("undo_over", {})
    # a terminal always knows the newest version, and still wants to hear who was faster
    return Refused("not_offered", {}) if item.state == "open" else _too_late(item, click)


def _too_late(item: Item, click: Click) -> Refused:
    if click.verb == "claim" and item.state == "open" and item.claimed_by:
        return Refused("claimed", {"who": item.claimed_by})
    return Refused(*why_stale(item))


def _missing_words(click: Click) -> Refused | None:
    needed = NEEDS_WORDS.get(click.verb)
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
        payload: dict[str, object] = {"code": refusal.code, "values": refusal.values}
        outbox.put(connection, item.id, click.answer_to, outbox.TELL, payload, now)
    if click.version != item.version and click.shown_at:
        destination, reference = _place(click.shown_at)
        for whole in _references(connection, item, destination):
            if whole.partition("@")[0] == reference:  # whatever is written down, it does not show that
                messages.doubt(connection, item.id, destination, whole)
        route = route_at(destination, item.snapshot, routes).name
        outbox.put_show(connection, item.id, destination, route, now, is_urgent=True)
    return refusal


def _adopt(connection: Connection, item: Item, click: Click, now: datetime, routes: Sequence[Route]) -> None:
    """A message that was posted but never written down (killed in between) shows up when somebody presses it."""
    if click.shown_at is None:
        return
    destination, reference = _place(click.shown_at)
    known = {whole.partition("@")[0] for whole in _references(connection, item, destination)}
    if reference not in known:
        route = route_at(destination, item.snapshot, routes).name
        messages.save(connection, item.id, messages.PostedMessage(destination, reference, route, 0, None), now)


def _place(shown_at: str) -> tuple[str, str]:
    """Destination and reference, as ``messages`` has them."""
    destination, _, name = shown_at.partition("/")
    return destination, f"{destination.partition(':')[2]}/{name}"


def _references(connection: Connection, item: Item, destination: str) -> list[str]:
    """Where the item shows; a message in a thread carries that thread's place behind an "@"."""
    return [shown.reference for shown in messages.of_item(connection, item.id, destination)]
