"""Applies facts to items. Only ``apply_facts`` changes an item; it runs in its caller's transaction.

It never uses the network: deliveries become outbox rows in the same transaction.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.domain.action import REOPENING_VERBS
from receiver.domain.fact import (
    DryRunMatched,
    Fact,
    PersonActed,
    PersonConfirmed,
    PersonFact,
    PersonProposed,
    PersonRequested,
    SourceAccepted,
    SourceCompleted,
    SourceGone,
    SourceRefused,
    SourceReported,
    TimePassed,
)
from receiver.domain.item import Attempt, Item
from receiver.domain.ledger import Applied, Decision, Ignored, decide
from receiver.domain.people import Person
from receiver.domain.routing import Route, has_new_money_data, routes_for
from receiver.store import accounts, actions, items, messages, outbox, reminders, twins
from receiver.store.bulk_insert import BulkInsert
from receiver.store.payloads import FreshLink, Reply, UndoOffer

_ID_ALPHABET = b"abcdefghijkmnpqrstuvwxyz23456789" * 8  # 32 characters, so that each byte gives one without bias


def apply_fact(connection: Connection, fact: Fact, now: datetime, routes: Sequence[Route]) -> Decision:
    """Write the item, its history and every delivery that the fact causes; or the reason why the fact is ignored."""
    return apply_facts(connection, [fact], now, routes)[0]


def apply_facts(
    connection: Connection, facts: Sequence[Fact], now: datetime, routes: Sequence[Route]
) -> list[Decision]:
    """``apply_fact`` for several facts, in order."""
    keys = [fact.key for fact in facts]
    items.lock(connection, keys)
    known, opening = items.find_by_keys(connection, keys), BulkInsert(connection)
    is_report = any(isinstance(fact, SourceReported | SourceGone) for fact in facts)
    watermarks = accounts.watermarks(connection) if is_report else {}
    reported = [fact.snapshot for fact in facts if isinstance(fact, SourceReported)]
    without_twin = twins.keys_without_twin(connection, reported)
    decisions: list[Decision] = []
    for fact in facts:
        if fact.key in opening.keys:
            opening.write()
        stored = known.get(fact.key)
        before = _with_sync_time(stored, watermarks)
        decision = decide(before, fact, now, "" if before else secrets.token_bytes(12).translate(_ID_ALPHABET).decode())
        if isinstance(decision, Applied):
            decision = _with_twin(connection, fact, decision, without_twin)
            known[fact.key] = decision.item
        if isinstance(decision, Applied) and decision.transition is None and decision.item == before != stored:
            pass  # only the time of the last report differs, and the account has that
        elif before is None and isinstance(decision, Applied):
            _open(opening, fact, decision, now, routes)
        else:
            _write(connection, before, fact, decision, now, routes)
        decisions.append(decision)
    opening.write()
    return decisions


def _with_sync_time(stored: Item | None, watermarks: Mapping[tuple[str, str], accounts.Watermark]) -> Item | None:
    """The item with the time of its last report: its own, or that of a complete sync, which no row stores."""
    if stored is None or stored.state == "resolved":  # a sync reports open items
        return stored
    last = watermarks.get((stored.snapshot.source, stored.snapshot.account))
    if last is None or last.as_of <= stored.said_at or stored.key in last.missing:
        return stored
    return replace(stored, said_at=last.as_of)


def _with_twin(connection: Connection, fact: Fact, decision: Applied, without_twin: Collection[str]) -> Applied:
    """The decision with the item's twin, so that already the first message shows it."""
    item = decision.item
    if decision.transition is None or not isinstance(fact, SourceReported) or item.state == "resolved":
        return decision
    twin = None if item.key in without_twin else twins.find_twin(connection, item.snapshot)
    return decision if twin == item.twin else replace(decision, item=replace(item, twin=twin))


def _open(opening: BulkInsert, fact: Fact, decision: Applied, now: datetime, routes: Sequence[Route]) -> None:
    """A new item has no messages and no deliveries yet, so nothing is read for it."""
    item = decision.item
    quiet = {route.name for route in routes if route.must_wait(item.snapshot, now)}
    shows = [(destination, route, route in quiet) for destination, route in _destinations(item, {}, routes)]
    opening.add(item, _event(item, fact, decision, now), shows, now)


def _write(
    connection: Connection, before: Item | None, fact: Fact, decision: Decision, now: datetime, routes: Sequence[Route]
) -> None:
    match decision:
        case Ignored():
            if before is not None:  # otherwise there is no item to record it for
                items.add_history(connection, before.id, _event(before, fact, decision, now))
        case Applied(item, None):
            items.save(connection, item)
        case Applied(item, transition):
            items.save(connection, item)
            items.add_history(connection, item.id, _event(item, fact, decision, now))
            _close_attempt(connection, before, item, now)
            _close_proposal(connection, before, item, fact, now)
            _mail_refusal(connection, item, fact, now)
            if before is not None and before.waiting_since != item.waiting_since:
                reminders.reset(connection, item.id)
            is_alert = transition in {"opened", "reopened", "rang"}
            if before is not None and item.state != "resolved":  # more routes match once an amount is known
                is_alert = is_alert or has_new_money_data(item.snapshot, before.snapshot)
            is_interactive = _is_of_a_person(before, fact)
            _queue_shows(connection, item, now, routes, is_alert=is_alert, is_interactive=is_interactive)


def _is_of_a_person(before: Item | None, fact: Fact) -> bool:
    """Whether the change is a person's action or the source's answer to one."""
    is_action = isinstance(fact, PersonFact | SourceAccepted | SourceCompleted | SourceRefused)
    return is_action or (before is not None and before.attempt is not None)


def _queue_shows(
    connection: Connection, item: Item, now: datetime, routes: Sequence[Route], *, is_alert: bool, is_interactive: bool
) -> None:
    """Queue an update of every message and, if ``is_alert``, the missing ones. Quiet hours defer new messages."""
    # the queue first: a delivery that ends meanwhile is then among the messages
    queued = outbox.pending_shows(connection, item.id)
    posted = {message.destination: message.route for message in messages.list_of_item(connection, item.id)}
    current = queued | posted
    quiet = {route.name for route in routes if route.must_wait(item.snapshot, now)}
    for destination, route in _destinations(item, current, routes if is_alert else ()):
        is_new = destination not in current or destination.startswith("mail:")  # a mail cannot be updated
        is_deferred, is_answer = is_new and route in quiet, is_interactive and destination in posted
        outbox.enqueue_show(
            connection, item.id, destination, route, now, is_interactive=is_answer, is_deferred=is_deferred
        )


def _destinations(item: Item, current: dict[str, str], routes: Sequence[Route]) -> list[tuple[str, str]]:
    """``current`` and the destinations of the matching ``routes``: destination and route name, each once."""
    found = dict(current)
    for route in routes_for(item.snapshot, routes):
        for destination in route.destinations():
            found.setdefault(destination, route.name)
    return list(found.items())


def _close_attempt(connection: Connection, before: Item | None, item: Item, now: datetime) -> None:
    """End the action of an attempt that is over: done when the source shows its outcome, failed otherwise."""
    attempt = before.attempt if before else None
    if attempt is None or item.attempt is not None:
        return
    is_done = _has_outcome(attempt, item)
    reason = None if is_done else item.problem or f"resolved at the source: {item.outcome}"
    actions.finish(connection, attempt.action_id, "done" if is_done else "failed", reason, now)
    action = actions.find(connection, attempt.action_id) if item.undo_until else None
    if action and action.answer_to:
        outbox.enqueue(connection, item.id, action.answer_to, UndoOffer(), now)


def _has_outcome(attempt: Attempt, item: Item) -> bool:
    """Whether the item now shows what the attempt asked for."""
    if item.state == "open":
        return item.problem is None and (attempt.verb in REOPENING_VERBS or attempt.verb == "update_plan")
    return item.resolved_by == attempt.who and attempt.verb not in REOPENING_VERBS


def _close_proposal(connection: Connection, before: Item | None, item: Item, fact: Fact, now: datetime) -> None:
    """End the action of a proposal that is gone without a confirmation, and reply to the person who proposed it."""
    proposal = before.proposal if before else None
    if proposal is None or item.proposal is not None or isinstance(fact, PersonConfirmed):
        return
    by = fact.person if isinstance(fact, PersonActed) else None
    action = actions.find(connection, proposal.action_id)
    actions.finish(connection, proposal.action_id, "failed", "withdrawn" if by else "changed at the source", now)
    if action and action.answer_to and not (by and by.is_same_as(proposal.person)):
        code = "proposal_withdrawn" if by else "proposal_void"
        reply = Reply(code, {"who": by.label} if by else {})
        outbox.enqueue(connection, item.id, action.answer_to, reply, now)


def _mail_refusal(connection: Connection, item: Item, fact: Fact, now: datetime) -> None:
    """Mail the reason and a fresh link to a person who decided by mail: their page may be closed."""
    action = actions.find(connection, fact.action_id) if isinstance(fact, SourceRefused) else None
    if action and action.via == "mail" and action.person.email:
        route = actions.find_link_route(connection, item.id, action.person.email)
        outbox.enqueue(connection, item.id, f"mail:{action.person.email}", FreshLink(route), now)


def _event(item: Item, fact: Fact, decision: Decision, now: datetime) -> items.HistoryEntry:
    who, via = (fact.person.label, fact.via) if isinstance(fact, PersonFact | DryRunMatched) else (None, None)
    transition, ignored = (decision.transition, None) if isinstance(decision, Applied) else (None, decision.reason)
    return items.HistoryEntry(
        now, type(fact).__name__, transition, ignored, item.version, who, via, _detail(fact, item)
    )


def _detail(fact: Fact, item: Item) -> str | None:
    match fact:
        case PersonActed(to=Person() as to):
            return f"{fact.verb} to {to.label}"
        case PersonActed(until=datetime() as until):
            return f"{fact.verb} until {until:%F %R} UTC"
        case PersonRequested() | PersonActed() | PersonProposed():
            return fact.verb
        case PersonConfirmed():
            return "confirm"
        case DryRunMatched():
            return f"dry run, would {fact.verb}: {fact.note}" if fact.note else f"dry run, would {fact.verb}"
        case TimePassed():
            return fact.what
        case SourceRefused():
            return fact.reason[:500]
        case SourceReported():
            return fact.snapshot.status or fact.snapshot.outcome
        case _:
            return item.outcome
