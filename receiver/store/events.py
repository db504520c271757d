"""Stored events: raw requests of webhooks and clicks, stored once each before they are acknowledged."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select, update

from receiver.store import upsert
from receiver.store.schema import event

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 10  # counted when claimed, so that an event that kills the process runs out of them
SUSPECT_AFTER = 2  # attempts without an end: from then on it is claimed alone, so that it cannot harm other events
CLICK_SOURCES = ("slack", "mail", "web", "cli")


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event to store: verified, not interpreted."""

    source: str
    account: str
    event_id: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """An event under a lease."""

    id: int
    source: str
    account: str
    body: bytes
    received_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class EventSummary:
    """An event in lists for people, without its body."""

    id: int
    source: str
    account: str
    event_id: str
    received_at: datetime
    state: str
    attempts: int
    done_at: datetime | None
    reason: str | None


def append(connection: Connection, arrivals: Sequence[Arrival]) -> list[bool]:
    """Store the events that are new; for each whether it was new.

    The hot path. An event that is in ``arrivals`` twice is new once. When two replicas store the same event, it is new
    for one of them.
    """
    if connection.dialect.name == "postgresql":
        # in the order of identities, so that replicas that store the same events cannot deadlock
        values = [_values(arrival) for arrival in sorted(arrivals, key=_identity)]
        return _match_stored(arrivals, connection.execute(_APPEND["postgresql"], values))
    last_id = connection.execute(_NEWEST).scalar() or 0
    stored = connection.execute(_APPEND["sqlite"], [_values(arrival) for arrival in arrivals])
    if stored.rowcount == len(arrivals):  # nearly always; RETURNING would take SQLite three times as long
        return [True] * len(arrivals)
    return _match_stored(arrivals, connection.execute(_SINCE, {"newest": last_id}))


def _match_stored(arrivals: Sequence[Arrival], stored: Iterable[Sequence[str]]) -> list[bool]:
    fresh = {tuple(identity) for identity in stored}
    is_new = []
    for arrival in arrivals:
        is_new.append(_identity(arrival) in fresh)
        fresh.discard(_identity(arrival))
    return is_new


def claim(
    connection: Connection, sources: Sequence[str], account: str | None, now: datetime, claim_id: str, most: int
) -> list[ClaimedEvent]:
    """Claim up to ``most`` new events of these sources, oldest first, without suspects."""
    return _claim(connection, sources, account, now, claim_id, most, event.c.attempts < SUSPECT_AFTER)


def list_new(connection: Connection, source: str, account: str, after_id: int, most: int) -> list[tuple[int, bytes]]:
    """Ids and bodies of new events, oldest first, claimed ones included."""
    conditions = (event.c.state == "new", event.c.source == source, event.c.account == account, event.c.id > after_id)
    rows = connection.execute(select(event.c.id, event.c.body).where(*conditions).order_by(event.c.id).limit(most))
    return [(row.id, row.body) for row in rows]


def claim_suspect(
    connection: Connection, sources: Sequence[str], account: str | None, now: datetime, claim_id: str
) -> list[ClaimedEvent]:
    """Claim one suspect: an event whose claims ended without an outcome, perhaps because it kills the process."""
    return _claim(connection, sources, account, now, claim_id, 1, event.c.attempts >= SUSPECT_AFTER)


def _claim(
    connection: Connection,
    sources: Sequence[str],
    account: str | None,
    now: datetime,
    claim_id: str,
    most: int,
    condition: ColumnElement[bool],
) -> list[ClaimedEvent]:
    waiting = (
        select(event.c.id)
        .where(event.c.state == "new", event.c.source.in_(sources), event.c.due_at <= now, condition)
        .where(or_(event.c.lease_until.is_(None), event.c.lease_until < now))
        .order_by(event.c.due_at, event.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    if account is not None:
        waiting = waiting.where(event.c.account == account)
    claimed = connection.execute(
        update(event)
        .where(event.c.id.in_(select(waiting.cte().c.id)))  # a CTE, so that the limit is evaluated once
        .values(claim_id=claim_id, lease_until=now + LEASE, attempts=event.c.attempts + 1)
        .returning(*(event.c[name] for name in ClaimedEvent.__slots__))
    )
    return sorted((ClaimedEvent(*row) for row in claimed), key=lambda row: row.id)


def finish(connection: Connection, ids: Sequence[int], claim_id: str, now: datetime) -> None:
    """Mark these as done. An event whose lease was lost is left to the other claim."""
    ended = {"state": "done", "done_at": now, "reason": None}
    _update_claimed(connection, ids, claim_id, ended | _UNCLAIMED)


def release(connection: Connection, ids: Sequence[int], claim_id: str, due_at: datetime, reason: str) -> None:
    """Make these due again at ``due_at``. The claim does not count as an attempt."""
    waiting = {"due_at": due_at, "reason": reason, "attempts": event.c.attempts - 1}
    _update_claimed(connection, ids, claim_id, waiting | _UNCLAIMED)


def renew(connection: Connection, ids: Sequence[int], claim_id: str, now: datetime) -> None:
    """Extend the leases of these. Lost ones stay lost."""
    _update_claimed(connection, ids, claim_id, {"lease_until": now + LEASE})


def quarantine(connection: Connection, id_: int, claim_id: str, reason: str, now: datetime) -> None:
    """Set the event aside, with the reason. It is kept and not tried again by itself."""
    ended = {"state": "quarantined", "done_at": now, "reason": reason[:500]}
    _update_claimed(connection, (id_,), claim_id, ended | _UNCLAIMED)


def _update_claimed(connection: Connection, ids: Sequence[int], claim_id: str, values: dict[str, Any]) -> None:
    connection.execute(update(event).where(event.c.id.in_(ids), event.c.claim_id == claim_id).values(values))


def expire_leases(connection: Connection, now: datetime) -> None:
    """End every lease now. Only for the process that has the database to itself: all other holders are dead."""
    leased = (event.c.state == "new", event.c.claim_id.is_not(None))
    connection.execute(update(event).where(*leased).values(lease_until=now - timedelta(seconds=1)))


def requeue(connection: Connection, ids: Sequence[int], now: datetime) -> list[tuple[str, str]]:
    """Make finished events new again, under their ids; source and account of each."""
    requeued = connection.execute(
        update(event)
        .where(event.c.id.in_(ids), event.c.state.in_(("done", "quarantined")))
        .values(state="new", due_at=now, done_at=None, reason=None, attempts=0)
        .returning(event.c.source, event.c.account)
    )
    return [(row.source, row.account) for row in requeued]


def list_replayable(
    connection: Connection, *, event_id: str | None, since: datetime | None, is_quarantined: bool, after: int, most: int
) -> list[int]:
    """Ids above ``after`` of finished events that can be replayed: this event, those received since, or quarantined.

    ``event_id`` may lack the prefix ``id:`` of a sender's own id. Clicks are included only when asked for by id, or
    when quarantined.
    """
    states = ("quarantined",) if is_quarantined else ("done", "quarantined")
    has_body = or_(event.c.state == "quarantined", func.length(event.c.body) > 0)  # retention erases bodies first
    chosen = select(event.c.id).where(event.c.state.in_(states), event.c.id > after, has_body)
    if event_id is not None:
        chosen = chosen.where(event.c.event_id.in_((event_id, f"id:{event_id}")))
    elif not is_quarantined:
        chosen = chosen.where(event.c.source.not_in(CLICK_SOURCES))
    if since is not None:
        chosen = chosen.where(event.c.received_at >= since)
    return list(connection.execute(chosen.order_by(event.c.id).limit(most)).scalars())


def list_events(connection: Connection, state: str | None, most: int) -> list[EventSummary]:
    """Stored events, newest first."""
    chosen = select(*(event.c[name] for name in EventSummary.__slots__)).order_by(event.c.id.desc()).limit(most)
    if state is not None:
        chosen = chosen.where(event.c.state == state)
    return [EventSummary(*row) for row in connection.execute(chosen)]


def counts(connection: Connection) -> dict[str, int]:
    """The number of events by state."""
    chosen = select(event.c.state, func.count().label("n")).group_by(event.c.state)
    return {row.state: row.n for row in connection.execute(chosen)}


def find_state(connection: Connection, source: str, event_id: str) -> tuple[str, str | None] | None:
    """State and reason of one event; None when it is not stored."""
    chosen = select(event.c.state, event.c.reason).where(event.c.source == source, event.c.event_id == event_id)
    row = connection.execute(chosen).first()
    return None if row is None else (row.state, row.reason)


def _values(arrival: Arrival) -> dict[str, object]:
    return {
        "source": arrival.source,
        "account": arrival.account,
        "event_id": arrival.event_id,
        "headers": json.dumps(dict(arrival.headers)),
        "body": arrival.body,
        "received_at": arrival.received_at,
        "state": "new",
        "due_at": arrival.received_at,
    }


def _identity(arrival: Arrival) -> tuple[str, ...]:
    return (arrival.source, arrival.account, arrival.event_id)


_UNCLAIMED = {"claim_id": None, "lease_until": None}
_NEWEST = select(func.max(event.c.id))
_APPEND = {
    "sqlite": upsert.INSERT["sqlite"](event).on_conflict_do_nothing(),
    "postgresql": upsert.INSERT["postgresql"](event)
    .on_conflict_do_nothing()
    .returning(event.c.source, event.c.account, event.c.event_id),
}
_SINCE = select(event.c.source, event.c.account, event.c.event_id).where(event.c.id > bindparam("newest"))
