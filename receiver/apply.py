"""Step 5: the narrow waist. ``apply_fact`` alone changes an item, in the transaction of its caller.

It never touches the network: what must leave becomes outbox rows beside the change that causes them.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.domain.fact import Fact, PersonAsked, PersonDid, SourceAccepted, SourceRefused, SourceSaid
from receiver.domain.item import Item
from receiver.domain.ledger import Applied, Decision, Ignored, decide
from receiver.domain.routing import Route, routes_for
from receiver.store import actions, items, messages, outbox, twins

_ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def apply_fact(connection: Connection, fact: Fact, now: datetime, routes: Sequence[Route]) -> Decision:
    """Apply one fact: the item, its history and every delivery it causes, or the reason it was ignored."""
    items.hold(connection, [fact.key])
    return _apply(connection, fact, now, routes)


def apply_facts(
    connection: Connection, facts: Sequence[Fact], now: datetime, routes: Sequence[Route]
) -> list[Decision]:
    """``apply_fact`` for several, in order."""
    items.hold(connection, [fact.key for fact in facts])
    return [_apply(connection, fact, now, routes) for fact in facts]


def _apply(connection: Connection, fact: Fact, now: datetime, routes: Sequence[Route]) -> Decision:
    before = items.by_key(connection, fact.key)
    decision = decide(before, fact, now, _new_id())
    match decision:
        case Ignored():
            _remember(connection, before, fact, decision, now)
        case Applied(item, None):
            items.save(connection, item)
        case Applied(item, transition):
            if isinstance(fact, SourceSaid) and item.state != "resolved":  # the first message names the twin already
                item = replace(item, twin=twins.of(connection, item.snapshot))
                decision = Applied(item, transition)
            items.save(connection, item)
            _remember(connection, item, fact, decision, now)
            _close_attempt(connection, before, item, now)
            rings = transition in {"opened", "reopened", "rang"}
            is_urgent = _is_somebody_waiting(before, fact)
            shown = {one.destination for one in messages.of_item(connection, item.id)} if is_urgent else set()
            for destination, route in _destinations(connection, item, routes if rings else ()):
                is_redrawn = is_urgent and destination in shown
                outbox.put_show(connection, item.id, destination, route, now, is_urgent=is_redrawn)
    return decision


def _is_somebody_waiting(before: Item | None, fact: Fact) -> bool:
    """Whether the change is what a person did, or what came of it at the source."""
    is_theirs = isinstance(fact, PersonAsked | PersonDid | SourceAccepted | SourceRefused)
    return is_theirs or (before is not None and before.attempt is not None)


def _destinations(connection: Connection, item: Item, routes: Sequence[Route]) -> list[tuple[str, str]]:
    """Where the item shows or is about to, and where it must ring now: destination and route name, each once."""
    found = outbox.on_the_way(connection, item.id)  # asked first: what is delivered meanwhile is among the messages
    found |= {shown.destination: shown.route for shown in messages.of_item(connection, item.id)}
    for route in routes_for(item.snapshot, routes):
        for destination in route.destinations():
            found.setdefault(destination, route.name)
    return list(found.items())


def _close_attempt(connection: Connection, before: Item | None, item: Item, now: datetime) -> None:
    """The action behind an attempt that ended: done when the source shows its outcome, failed otherwise."""
    attempt = before.attempt if before else None
    if attempt is None or item.attempt is not None:
        return
    is_theirs = item.state == "resolved" and item.resolved_by == attempt.who
    reason = None if is_theirs else item.problem or f"resolved at the source: {item.outcome}"
    actions.finish(connection, attempt.action_id, "done" if is_theirs else "failed", reason, now)


def _remember(connection: Connection, item: Item | None, fact: Fact, decision: Decision, now: datetime) -> None:
    if item is None:  # nothing to hang it on: never opened here
        return
    who = fact.person.label if isinstance(fact, PersonAsked | PersonDid) else None
    via = fact.via if isinstance(fact, PersonAsked | PersonDid) else None
    items.record(
        connection,
        item.id,
        items.Event(
            at=now,
            fact=type(fact).__name__,
            transition=decision.transition if isinstance(decision, Applied) else None,
            ignored=decision.reason if isinstance(decision, Ignored) else None,
            version=item.version,
            who=who,
            via=via,
            detail=_detail(fact, item),
        ),
    )


def _detail(fact: Fact, item: Item) -> str | None:
    match fact:
        case PersonAsked() | PersonDid():
            return fact.verb
        case SourceRefused():
            return fact.reason[:500]
        case SourceSaid():
            return fact.snapshot.status or fact.snapshot.outcome
        case _:
            return item.outcome


def _new_id() -> str:
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(12))
