"""What the clock does: reminders, escalation, the end of a snooze and of quiet hours.

Beside the walk: it joins at the waist (``apply_fact``) and leaves through the outbox. It looks for what is due without
holding anything, and takes it in the transaction that writes what leaves, so that it may run twice side by side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.fact import ClockStruck
from receiver.domain.item import Item
from receiver.domain.ledger import Applied
from receiver.domain.notice import Reminder
from receiver.domain.routing import DEFAULT_ROUTE, Route, possible_routes, routes_for
from receiver.pipeline.apply import apply_fact
from receiver.store import items, messages, outbox, quiet_hours, reminders
from receiver.store.quiet_hours import DeferredDelivery

MOST_AT_ONCE = 200
ESCALATE = "escalate"
LONGEST_UNKNOWN = timedelta(hours=1)  # the amount or its currency: what Getbill allows in an hour may be used up


@dataclass(frozen=True, slots=True)
class Due:
    """One item and what it is due for: the steps that count as given with it, the last one being the reason."""

    item_id: str
    steps: tuple[str, ...]


async def remind_due(adapters: Adapters) -> int:
    """Do what time has brought about; how much that was."""
    now = adapters.now()
    done = 0
    if woken := await adapters.database.read(reminders.woken, now):
        done += await adapters.database.write(_wake, adapters.rules.routes, [item.id for item in woken], now)
    if await adapters.database.read(quiet_hours.held):
        done += await adapters.database.write(_let_go, adapters.rules, now)
    asks_for_money = any(route.match.asks_for_money() for route in adapters.rules.routes)
    if asks_for_money and (late := await adapters.database.read(reminders.unknown_and_unshown, now - LONGEST_UNKNOWN)):
        done += await adapters.database.write(_ring_unknown, adapters.rules.routes, [item.id for item in late], now)
    for route in adapters.rules.routes:
        if due := await adapters.database.read(_due_reminders, route, adapters.rules.routes, now):
            done += await adapters.database.write(_give, route, due, now)
        if due := await adapters.database.read(_due_escalations, route, adapters.rules.routes, now):
            done += await adapters.database.write(_escalate, route, adapters.rules.routes, due, now)
    if done:
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return done


def _wake(connection: Connection, routes: Sequence[Route], ids: Sequence[str], now: datetime) -> int:
    """Snoozes that are over, and buttons that have had their time."""
    done = 0
    for item in filter(None, (items.find(connection, item_id) for item_id in ids)):
        if item.snoozed_until is None:
            done += isinstance(apply_fact(connection, ClockStruck(item.key, "undo_over"), now, routes), Applied)
        elif isinstance(apply_fact(connection, ClockStruck(item.key, "woken"), now, routes), Applied):
            _nudge(connection, item, next(routes_for(item.snapshot, routes), DEFAULT_ROUTE), "woken", now)
            done += 1
    return done


def _ring_unknown(connection: Connection, routes: Sequence[Route], ids: Sequence[str], now: datetime) -> int:
    """The amount or its currency is still not known: it rings wherever it may belong, rather than nowhere."""
    done = 0
    for item in filter(None, (items.find_to_change(connection, item_id) for item_id in ids)):
        if item.state != "open" or not reminders.claim(connection, item.id, "", reminders.UNKNOWN, now):
            continue
        for route in possible_routes(item.snapshot, routes):
            is_held = route.holds(item.snapshot, now)
            for destination in route.destinations():
                outbox.put_show(connection, item.id, destination, route.name, now, is_held=is_held)
                done += 1
    return done


def _due_reminders(connection: Connection, route: Route, routes: Sequence[Route], now: datetime) -> list[Due]:
    """Whoever is late for several steps is reminded once, of the longest."""
    found: dict[str, Due] = {}
    for step in reversed(route.remind_after):
        steps = tuple(_name(shorter) for shorter in route.remind_after if shorter <= step)
        for item in _waiting(connection, route, _name(step), step, now, is_shown=True):
            if route in routes_for(item.snapshot, routes):
                found.setdefault(item.id, Due(item.id, steps))
    return list(found.values())[:MOST_AT_ONCE]


def _due_escalations(connection: Connection, route: Route, routes: Sequence[Route], now: datetime) -> list[Due]:
    if route.escalate_to is None:
        return []
    is_shown = any(route.destinations())  # one that only feeds a digest has no messages, and escalates all the same
    late = _waiting(connection, route, ESCALATE, route.escalate_to.after, now, is_shown=is_shown)
    return [Due(item.id, (ESCALATE,)) for item in late if route in routes_for(item.snapshot, routes)][:MOST_AT_ONCE]


def _waiting(
    connection: Connection, route: Route, name: str, step: timedelta, now: datetime, *, is_shown: bool
) -> Iterator[Item]:
    """Items that nobody has decided for ``step`` of business time. The database cannot count that: it only says which
    are old enough at all."""
    opened_before = now - route.calendar.length(step)
    for item in reminders.candidates(connection, route.name, name, opened_before, is_shown=is_shown):
        if item.snoozed_until is None and not route.holds(item.snapshot, now):
            due_at = route.calendar.add(item.since, step)
            if due_at is not None and due_at <= now:
                yield item


def _give(connection: Connection, route: Route, due: Sequence[Due], now: datetime) -> int:
    return sum(_nudge(connection, item, route, "reminder", now) for item in _taken(connection, route, due, now))


def _escalate(connection: Connection, route: Route, routes: Sequence[Route], due: Sequence[Due], now: datetime) -> int:
    """It rings where nobody has looked yet, and every message says so."""
    done = 0
    for item in _taken(connection, route, due, now):
        apply_fact(connection, ClockStruck(item.key, "escalated"), now, routes)
        for destination in route.escalated_to():
            outbox.put_show(connection, item.id, destination, route.name, now)
            done += 1
    return done


def _taken(connection: Connection, route: Route, due: Sequence[Due], now: datetime) -> Iterator[Item]:
    """Those that are still waiting and that nobody else has taken."""
    for one in due:
        item = items.find(connection, one.item_id)
        if item is None or item.state != "open" or item.snoozed_until is not None:
            continue
        fresh = [reminders.claim(connection, item.id, route.name, step, now) for step in one.steps]
        if fresh[-1]:
            yield item


def _nudge(connection: Connection, item: Item, route: Route, what: Literal["reminder", "woken"], now: datetime) -> int:
    """A word below each message of the route, with one mention of whoever has claimed it; how many."""
    nudge = Reminder(what, item.claimer)
    elsewhere = set(route.escalated_to()) - set(route.destinations())
    places = {
        shown.destination: shown.route
        for shown in messages.of_item(connection, item.id)
        if shown.destination not in elsewhere and (what == "woken" or shown.route == route.name)
    }
    for destination, name in places.items():
        is_held = route.holds(item.snapshot, now)
        outbox.put_nudge(connection, item.id, destination, name, nudge, now, is_held=is_held)
    return len(places)


def _let_go(connection: Connection, rules: Rules, now: datetime) -> int:
    """What waited for the end of quiet hours: several new alerts of a destination leave as one message."""
    rows = [row for row in quiet_hours.held(connection) if not _is_still_quiet(connection, row, rules, now)]
    done = 0
    for (destination, route), group in groupby(sorted(rows, key=_place), key=_place):
        waiting = list(group)
        new = [row for row in waiting if row.what == outbox.SHOW and _is_new(connection, row)]
        if len({row.item_id for row in new}) < 2:  # noqa: PLR2004 - one alone needs no gathering
            new = []
        done += len(quiet_hours.let_go(connection, [row.id for row in waiting if row not in new], now))
        freed = quiet_hours.let_go(connection, [row.id for row in new], now, gathered=True)
        ids = [row.item_id for row in new if row.id in freed]
        if ids:
            payload: dict[str, object] = {"route": route, "items": ids}
            outbox.put(connection, ids[0], destination, outbox.GATHER, payload, now)
        done += len(freed)
    return done


def _is_still_quiet(connection: Connection, row: DeferredDelivery, rules: Rules, now: datetime) -> bool:
    item = items.find(connection, row.item_id)
    return item is not None and rules.route_for(row.route, row.destination, item.snapshot).holds(item.snapshot, now)


def _is_new(connection: Connection, row: DeferredDelivery) -> bool:
    return not messages.of_item(connection, row.item_id, row.destination)


def _place(row: DeferredDelivery) -> tuple[str, str]:
    return row.destination, row.route


def _name(step: timedelta) -> str:
    return f"{round(step.total_seconds())}s"
