"""Step 5: the narrow waist. ``apply_fact`` alone changes an item, in the transaction of its caller.

It never touches the network: what must leave becomes outbox rows beside the change that causes them.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.domain.action import REOPENING
from receiver.domain.fact import (
    ClockStruck,
    Fact,
    PersonConfirmed,
    PersonDid,
    PersonFact,
    PersonProposed,
    PersonRequested,
    RuleForesaw,
    SourceAccepted,
    SourceDid,
    SourceGone,
    SourceRefused,
    SourceSaid,
)
from receiver.domain.item import Attempt, Item
from receiver.domain.ledger import Applied, Decision, Ignored, decide
from receiver.domain.people import Person
from receiver.domain.routing import Route, knows_more, routes_for
from receiver.store import actions, items, messages, outbox, reminders, sync_watermarks, twins
from receiver.store.bulk_insert import BulkInsert

_ID_ALPHABET = b"abcdefghijkmnpqrstuvwxyz23456789" * 8  # 32: a byte chooses each of them equally often


def apply_fact(connection: Connection, fact: Fact, now: datetime, routes: Sequence[Route]) -> Decision:
    """Apply one fact: the item, its history and every delivery it causes, or the reason it was ignored."""
    return apply_facts(connection, [fact], now, routes)[0]


def apply_facts(
    connection: Connection, facts: Sequence[Fact], now: datetime, routes: Sequence[Route]
) -> list[Decision]:
    """``apply_fact`` for several, in order."""
    keys = [fact.key for fact in facts]
    items.hold(connection, keys)
    known, opening = items.by_keys(connection, keys), BulkInsert(connection)
    heard = sync_watermarks.last(connection) if any(isinstance(fact, SourceSaid | SourceGone) for fact in facts) else {}
    lonely = twins.lonely(connection, [fact.snapshot for fact in facts if isinstance(fact, SourceSaid)])
    decisions: list[Decision] = []
    for fact in facts:
        if fact.key in opening.keys:
            opening.write()
        stored = known.get(fact.key)
        before = _as_heard(stored, heard)
        decision = decide(before, fact, now, "" if before else _new_id())
        if isinstance(decision, Applied):
            decision = _named_twin(connection, fact, decision, lonely)
            known[fact.key] = decision.item
        if stored and isinstance(decision, Applied) and _is_nothing_new(stored, before, decision):
            pass
        elif before is None and isinstance(decision, Applied):
            _open(opening, fact, decision, now, routes)
        else:
            _write(connection, before, fact, decision, now, routes)
        decisions.append(decision)
    opening.write()
    return decisions


def _as_heard(stored: Item | None, heard: Mapping[tuple[str, str], sync_watermarks.Heard]) -> Item | None:
    """The item with the time it was last heard of: its own, or that of a whole pass, which is not written to each."""
    if stored is None or stored.state == "resolved":  # passes are about what is open
        return stored
    last = heard.get((stored.snapshot.source, stored.snapshot.account))
    if last is None or last.said_at <= stored.said_at or stored.key in last.but_not:
        return stored
    return replace(stored, said_at=last.said_at)


def _is_nothing_new(stored: Item, before: Item | None, decision: Applied) -> bool:
    """Whether the row may stay as it is: nothing differs but a time that the whole pass remembers."""
    return decision.transition is None and decision.item == before != stored


def _named_twin(connection: Connection, fact: Fact, decision: Applied, lonely: Collection[str]) -> Applied:
    """The first message names the twin already."""
    item = decision.item
    if decision.transition is None or not isinstance(fact, SourceSaid) or item.state == "resolved":
        return decision
    twin = None if item.key in lonely else twins.of(connection, item.snapshot)
    return decision if twin == item.twin else replace(decision, item=replace(item, twin=twin))


def _open(opening: BulkInsert, fact: Fact, decision: Applied, now: datetime, routes: Sequence[Route]) -> None:
    """What is new shows nowhere yet: nothing has to be looked up for it."""
    item = decision.item
    holding = {route.name for route in routes if route.holds(item.snapshot, now)}
    shows = [(place, route, route in holding) for place, route in _destinations(item, {}, routes)]
    opening.add(item, _event(item, fact, decision, now), shows, now)


def _write(
    connection: Connection,
    before: Item | None,
    fact: Fact,
    decision: Decision,
    now: datetime,
    routes: Sequence[Route],
) -> None:
    match decision:
        case Ignored():
            if before is not None:  # else nothing to hang it on: never opened here
                items.record(connection, before.id, _event(before, fact, decision, now))
        case Applied(item, None):
            items.save(connection, item)
        case Applied(item, transition):
            items.save(connection, item)
            items.record(connection, item.id, _event(item, fact, decision, now))
            _close_attempt(connection, before, item, now)
            _close_proposal(connection, before, item, fact, now)
            _mail_refusal(connection, item, fact, now)
            if before is not None and before.waiting_since != item.waiting_since:
                reminders.forget(connection, item.id)
            rings = transition in {"opened", "reopened", "rang"} or _is_routed_anew(before, item)
            is_urgent = _is_somebody_waiting(before, fact)
            _show_everywhere(connection, item, now, routes, rings=rings, is_urgent=is_urgent)


def _is_routed_anew(before: Item | None, item: Item) -> bool:
    """Whether a route that asks for the amount or its currency can be judged only now."""
    return before is not None and item.state != "resolved" and knows_more(item.snapshot, before.snapshot)


def _is_somebody_waiting(before: Item | None, fact: Fact) -> bool:
    """Whether the change is what a person did, or what came of it at the source."""
    is_theirs = isinstance(fact, PersonFact | SourceAccepted | SourceDid | SourceRefused)
    return is_theirs or (before is not None and before.attempt is not None)


def _show_everywhere(
    connection: Connection, item: Item, now: datetime, routes: Sequence[Route], *, rings: bool, is_urgent: bool
) -> None:
    """Redraw every message and, if it ``rings``, make those that are missing; what would wake somebody waits."""
    on_the_way = outbox.on_the_way(connection, item.id)  # first: what is delivered meanwhile is among the messages
    shown = {message.destination: message.route for message in messages.of_item(connection, item.id)}
    standing = on_the_way | shown
    holding = {route.name for route in routes if route.holds(item.snapshot, now)}
    for destination, route in _destinations(item, standing, routes if rings else ()):
        is_new = destination not in standing or destination.startswith("mail:")  # a mail cannot be redrawn
        outbox.put_show(
            connection,
            item.id,
            destination,
            route,
            now,
            is_urgent=is_urgent and destination in shown,
            is_held=is_new and route in holding,
        )


def _destinations(item: Item, shown: dict[str, str], routes: Sequence[Route]) -> list[tuple[str, str]]:
    """Where the item shows or is about to, and where it must ring now: destination and route name, each once."""
    found = dict(shown)
    for route in routes_for(item.snapshot, routes):
        for destination in route.destinations():
            found.setdefault(destination, route.name)
    return list(found.items())


def _close_attempt(connection: Connection, before: Item | None, item: Item, now: datetime) -> None:
    """The action behind an attempt that ended: done when the source shows its outcome, failed otherwise."""
    attempt = before.attempt if before else None
    if attempt is None or item.attempt is not None:
        return
    is_theirs = _came_true(attempt, item)
    reason = None if is_theirs else item.problem or f"resolved at the source: {item.outcome}"
    actions.finish(connection, attempt.action_id, "done" if is_theirs else "failed", reason, now)
    action = actions.find(connection, attempt.action_id) if item.undo_until else None
    if action and action.answer_to:
        outbox.put(connection, item.id, action.answer_to, outbox.OFFER, {}, now)


def _came_true(attempt: Attempt, item: Item) -> bool:
    """Whether what was asked is what the item shows after it."""
    if item.state == "open":
        return item.problem is None and (attempt.verb in REOPENING or attempt.verb == "update_plan")
    return item.resolved_by == attempt.who and attempt.verb not in REOPENING


def _close_proposal(connection: Connection, before: Item | None, item: Item, fact: Fact, now: datetime) -> None:
    """The action behind a proposal that is gone without having been confirmed; whoever proposed it hears of that."""
    proposal = before.proposal if before else None
    if proposal is None or item.proposal is not None or isinstance(fact, PersonConfirmed):
        return
    by = fact.person if isinstance(fact, PersonDid) else None
    action = actions.find(connection, proposal.action_id)
    actions.finish(connection, proposal.action_id, "failed", "withdrawn" if by else "changed at the source", now)
    if action and action.answer_to and not (by and by.is_surely(proposal.person)):
        code = "proposal_withdrawn" if by else "proposal_void"
        payload: dict[str, object] = {"code": code, "values": {"who": by.label} if by else {}}
        outbox.put(connection, item.id, action.answer_to, outbox.TELL, payload, now)


def _mail_refusal(connection: Connection, item: Item, fact: Fact, now: datetime) -> None:
    """Who decided through a mail's link may have left its page long ago: the reason goes to them, with a fresh link."""
    action = actions.find(connection, fact.action_id) if isinstance(fact, SourceRefused) else None
    if action and action.via == "mail" and action.person.email:
        route = actions.route_of_links(connection, item.id, action.person.email)
        payload: dict[str, object] = {"route": route}
        outbox.put(connection, item.id, f"mail:{action.person.email}", outbox.FRESH_LINK, payload, now)


def _event(item: Item, fact: Fact, decision: Decision, now: datetime) -> items.Event:
    return items.Event(
        at=now,
        fact=type(fact).__name__,
        transition=decision.transition if isinstance(decision, Applied) else None,
        ignored=decision.reason if isinstance(decision, Ignored) else None,
        version=item.version,
        who=fact.person.label if isinstance(fact, PersonFact | RuleForesaw) else None,
        via=fact.via if isinstance(fact, PersonFact | RuleForesaw) else None,
        detail=_detail(fact, item),
    )


def _detail(fact: Fact, item: Item) -> str | None:
    match fact:
        case PersonDid(to=Person() as to):
            return f"{fact.verb} to {to.label}"
        case PersonDid(until=datetime() as until):
            return f"{fact.verb} until {until:%F %R} UTC"
        case PersonRequested() | PersonDid() | PersonProposed():
            return fact.verb
        case PersonConfirmed():
            return "confirm"
        case RuleForesaw():
            return f"dry run, would {fact.verb}: {fact.note}" if fact.note else f"dry run, would {fact.verb}"
        case ClockStruck():
            return fact.what
        case SourceRefused():
            return fact.reason[:500]
        case SourceSaid():
            return fact.snapshot.status or fact.snapshot.outcome
        case _:
            return item.outcome


def _new_id() -> str:
    return secrets.token_bytes(12).translate(_ID_ALPHABET).decode("ascii")
