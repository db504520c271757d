"""Deletes what is older than the retention settings, and repairs timestamps that a wrong clock has left."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.domain.people import People, Person
from receiver.observability import log
from receiver.store import clock_skew, groups, logins, retention, sessions

PAUSE_S = 0.01  # between two writes, so that those of ingest and delivery come first
BODIES, EVENTS, DELIVERIES, ROWS, SESSIONS = "bodies", "events", "deliveries", "rows of items", "sessions"


async def purge(adapters: Adapters, *, max_duration_s: float = math.inf) -> tuple[dict[str, int], bool]:
    """Erase what ``Rules.retention`` does not keep: how many rows, and whether ``longest_s`` seconds were enough."""
    counted = Counter({BODIES: 0, EVENTS: 0, DELIVERIES: 0, ROWS: 0, SESSIONS: 0})
    ends = time.monotonic() + max_duration_s
    async for what, erased in _erase(adapters, adapters.now()):
        counted[what] += erased
        if time.monotonic() > ends:
            break
        await asyncio.sleep(PAUSE_S)
    else:
        ends = math.inf
    if counted.total():
        log.info("store.rows.erased", **{what.replace(" ", "_"): n for what, n in counted.items()})
    return dict(counted), ends == math.inf


async def purge_all(adapters: Adapters) -> int:
    """For a loop: return the number of erased rows."""
    counted, _ = await purge(adapters)
    return sum(counted.values())


async def repair_timestamps(adapters: Adapters) -> int:
    """Repair rows with timestamps in the future, which a clock that was set back leaves; return how many."""
    repaired = await adapters.database.write(clock_skew.correct_future_rows, adapters.now())
    if repaired:
        log.warning("clock.rows.repaired", count=repaired)
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return repaired


async def _erase(adapters: Adapters, now: datetime) -> AsyncIterator[tuple[str, int]]:
    """Erase in small writes; yield the kind and the number of rows. Bodies come first."""
    read, write = adapters.database.read, adapters.database.write
    kept = adapters.rules.retention
    since = datetime.fromtimestamp(0, UTC)
    while True:
        ids, since = await read(retention.list_old_bodies, since, now - kept.bodies)
        if not ids:
            break
        yield BODIES, await write(retention.erase_bodies, ids)
    while ids := await read(retention.list_old_events, now - kept.events):
        yield EVENTS, await write(retention.delete_events, ids, now - kept.events)
    while ids := await read(retention.list_old_deliveries, now - kept.events):
        yield DELIVERIES, await write(retention.delete_deliveries, ids)
    if forgotten := await write(groups.delete_closed, now - kept.events):
        yield DELIVERIES, forgotten
    if ended := await write(_end_sessions, await read(_removed_addresses, adapters.rules.people), now):
        yield SESSIONS, ended
    before = now - kept.items
    while item_ids := await read(retention.list_old_items, before):
        for item_id in item_ids:
            while erased := await write(retention.delete_item, item_id, before):
                yield ROWS, erased


def _removed_addresses(connection: Connection, people: People) -> list[str]:
    """Addresses with a session that [people] no longer names."""
    return [one for one in sessions.list_addresses(connection) if not people.may_resolve(Person(email=one))]


def _end_sessions(connection: Connection, gone: list[str], now: datetime) -> int:
    """Delete expired sessions, those of the addresses ``gone``, and expired sign-in links; return how many."""
    return sessions.delete_expired(connection, gone, now) + logins.delete_expired(connection, now)
