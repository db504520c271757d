"""What time causes: reminders, escalations, the end of a snooze and of quiet hours.

Reads find what is due. Each claim is made in the transaction that queues its deliveries, so two processes that run this
at the same time queue nothing twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Literal

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.fact import TimePassed
from receiver.domain.item import Item
from receiver.domain.ledger import Applied
from receiver.domain.notice import Reminder
from receiver.domain.routing import DEFAULT_ROUTE, Route, possible_routes, routes_for
from receiver.pipeline.apply import apply_fact
from receiver.store import items, messages, outbox, payloads, quiet_hours, reminders
from receiver.store.payloads import Grouped
from receiver.store.quiet_hours import DeferredDelivery

MOST_AT_ONCE = 200
ESCALATE = "escalate"
LONGEST_UNKNOWN = timedelta(hours=1)  # for an amount or currency: Getbill's hourly limit may delay its details


@dataclass(frozen=True, slots=True)
class DueReminder:
    """An item and the steps that one reminder covers; the last step is the reason for it."""

    item_id: str
    steps: tuple[str, ...]


async def remind_due(adapters: Adapters) -> int:
    """Do everything that is due now; return how much that was."""
    now = adapters.now()
    done = 0
    if woken := await adapters.database.read(reminders.list_to_wake, now):
        done += await adapters.database.write(_end_snoozes, adapters.rules.routes, [item.id for item in woken], now)
    if await adapters.database.read(quiet_hours.list_deferred):
        done += await adapters.database.write(_end_quiet_hours, adapters.rules, now)
    has_money_condition = any(route.match.has_money_condition() for route in adapters.rules.routes)
    if has_money_condition and (
        late := await adapters.database.read(reminders.list_incomplete_unshown, now - LONGEST_UNKNOWN)
    ):
        done += await adapters.database.write(_alert_unknown, adapters.rules.routes, [item.id for item in late], now)
    for route in adapters.rules.routes:
        if due := await adapters.database.read(_due_reminders, route, adapters.rules.routes, now):
            done += await adapters.database.write(_remind, route, due, now)
        if due := await adapters.database.read(_due_escalations, route, adapters.rules.routes, now):
            done += await adapters.database.write(_escalate, route, adapters.rules.routes, due, now)
    if done:
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return done


def _end_snoozes(connection: Connection, routes: Sequence[Route], ids: Sequence[str], now: datetime) -> int:
    """End snoozes that are over, and remove undo buttons whose time is over."""
    done = 0
    for item in filter(None, (items.find(connection, item_id) for item_id in ids)):
        if item.snoozed_until is None:
            done += isinstance(apply_fact(connection, TimePassed(item.key, "undo_over"), now, routes), Applied)
        elif isinstance(apply_fact(connection, TimePassed(item.key, "woken"), now, routes), Applied):
            _queue_reminders(connection, item, next(routes_for(item.snapshot, routes), DEFAULT_ROUTE), "woken", now)
            done += 1
    return done


def _alert_unknown(connection: Connection, routes: Sequence[Route], ids: Sequence[str], now: datetime) -> int:
    """An amount or currency that is still unknown: alert every route that the item may belong to, rather than none."""
    done = 0
    for item in filter(None, (items.find_and_lock(connection, item_id) for item_id in ids)):
        if item.state != "open" or not reminders.claim(connection, item.id, "", reminders.UNKNOWN, now):
            continue
        for route in possible_routes(item.snapshot, routes):
            is_deferred = route.must_wait(item.snapshot, now)
            for destination in route.destinations():
                outbox.enqueue_show(connection, item.id, destination, route.name, now, is_deferred=is_deferred)
                done += 1
    return done


def _due_reminders(connection: Connection, route: Route, routes: Sequence[Route], now: datetime) -> list[DueReminder]:
    """An item that is late for several steps gets one reminder, for the longest of them."""
    found: dict[str, DueReminder] = {}
    for step in reversed(route.remind_after):
        steps = tuple(_name(shorter) for shorter in route.remind_after if shorter <= step)
        for item in _waiting(connection, route, _name(step), step, now, is_shown=True):
            if route in routes_for(item.snapshot, routes):
                found.setdefault(item.id, DueReminder(item.id, steps))
    return list(found.values())[:MOST_AT_ONCE]


def _due_escalations(connection: Connection, route: Route, routes: Sequence[Route], now: datetime) -> list[DueReminder]:
    if route.escalate_to is None:
        return []
    is_shown = any(route.destinations())  # a route that only feeds a digest posts nothing and still escalates
    late = _waiting(connection, route, ESCALATE, route.escalate_to.after, now, is_shown=is_shown)
    ids = [item.id for item in late if route in routes_for(item.snapshot, routes)]
    return [DueReminder(id_, (ESCALATE,)) for id_ in ids[:MOST_AT_ONCE]]


def _waiting(
    connection: Connection, route: Route, name: str, step: timedelta, now: datetime, *, is_shown: bool
) -> Iterator[Item]:
    """Items without a decision for ``step`` of business time.

    The database cannot count business time: it returns those that are old enough by the calendar.
    """
    opened_before = now - route.calendar.business_hours_in(step)
    for item in reminders.list_candidates(connection, route.name, name, opened_before, is_shown=is_shown):
        if item.snoozed_until is None and not route.must_wait(item.snapshot, now):
            due_at = route.calendar.add(item.since, step)
            if due_at is not None and due_at <= now:
                yield item


def _remind(connection: Connection, route: Route, due: Sequence[DueReminder], now: datetime) -> int:
    claimed = _claim(connection, route, due, now)
    return sum(_queue_reminders(connection, item, route, "reminder", now) for item in claimed)


def _escalate(
    connection: Connection, route: Route, routes: Sequence[Route], due: Sequence[DueReminder], now: datetime
) -> int:
    """Alert the destinations of ``escalate_to``, and mark the item as escalated in every message."""
    done = 0
    for item in _claim(connection, route, due, now):
        apply_fact(connection, TimePassed(item.key, "escalated"), now, routes)
        for destination in route.escalation_destinations():
            outbox.enqueue_show(connection, item.id, destination, route.name, now)
            done += 1
    return done


def _claim(connection: Connection, route: Route, due: Sequence[DueReminder], now: datetime) -> Iterator[Item]:
    """The items that still wait and whose reminder no other process has claimed."""
    for one in due:
        item = items.find(connection, one.item_id)
        if item is None or item.state != "open" or item.snoozed_until is not None:
            continue
        fresh = [reminders.claim(connection, item.id, route.name, step, now) for step in one.steps]
        if fresh[-1]:
            yield item


def _queue_reminders(
    connection: Connection, item: Item, route: Route, what: Literal["reminder", "woken"], now: datetime
) -> int:
    """Queue a reminder below each message of the route, mentioning whoever has claimed the item; return how many."""
    reminder = Reminder(what, item.claimer)
    elsewhere = set(route.escalation_destinations()) - set(route.destinations())
    routes = {
        message.destination: message.route
        for message in messages.list_of_item(connection, item.id)
        if message.destination not in elsewhere and (what == "woken" or message.route == route.name)
    }
    for destination, name in routes.items():
        is_deferred = route.must_wait(item.snapshot, now)
        outbox.enqueue_reminder(connection, item.id, destination, name, reminder, now, is_deferred=is_deferred)
    return len(routes)


def _end_quiet_hours(connection: Connection, rules: Rules, now: datetime) -> int:
    """Queue what quiet hours have deferred; several new alerts of a destination become one grouped message."""
    rows = [row for row in quiet_hours.list_deferred(connection) if not _is_still_quiet(connection, row, rules, now)]
    group_key, done = attrgetter("destination", "route"), 0
    for (destination, route), group in groupby(sorted(rows, key=group_key), key=group_key):
        waiting = list(group)
        shows = [row for row in waiting if row.what == payloads.SHOW]
        new = [row for row in shows if not messages.list_of_item(connection, row.item_id, row.destination)]
        if len({row.item_id for row in new}) < 2:  # noqa: PLR2004 - a single alert needs no group
            new = []
        done += len(quiet_hours.release(connection, [row.id for row in waiting if row not in new], now))
        freed = quiet_hours.release(connection, [row.id for row in new], now, is_grouped=True)
        ids = [row.item_id for row in new if row.id in freed]
        if ids:
            outbox.enqueue(connection, ids[0], destination, Grouped(route, tuple(ids)), now)
        done += len(freed)
    return done


def _is_still_quiet(connection: Connection, row: DeferredDelivery, rules: Rules, now: datetime) -> bool:
    item = items.find(connection, row.item_id)
    return item is not None and rules.route_for(row.route, row.destination, item.snapshot).must_wait(item.snapshot, now)


def _name(step: timedelta) -> str:
    return f"{round(step.total_seconds())}s"
