"""The inbox: raw bytes from outside, stored before they are answered, once each (architecture.md, The store)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select, update

from receiver.store import upsert
from receiver.store.schema import event

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 10  # counted when claimed, so that a body that kills the process runs out of them
SUSPECT_AFTER = 2  # claimed so often without an end: from then on alone, so that no other row dies with it
CLICK_SOURCES = ("slack", "mail", "web", "cli")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came in: verified, not yet understood."""

    source: str
    account: str
    event_id: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    source: str
    account: str
    body: bytes
    received_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One event for people: never its body."""

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
    """Store all that is new; for each whether it was, False where the event is known already.

    The hot path. The same event twice in one commit is new once; of two replicas that store it one is told that it is.
    """
    if connection.dialect.name == "postgresql":
        return _append_beside_others(connection, arrivals)
    newest_before = connection.execute(_NEWEST).scalar() or 0
    stored = connection.execute(_APPEND["sqlite"], [_values(arrival) for arrival in arrivals])
    if stored.rowcount == len(arrivals):  # nearly always, and RETURNING would cost SQLite three times as much
        return [True] * len(arrivals)
    return _which_are_in(arrivals, connection.execute(_SINCE, {"newest": newest_before}))


def _append_beside_others(connection: Connection, arrivals: Sequence[Arrival]) -> list[bool]:
    """In the order of their identities: replicas that store the same events wait for each other, never in a ring."""
    values = [_values(arrival) for arrival in sorted(arrivals, key=_identity)]
    return _which_are_in(arrivals, connection.execute(_APPEND["postgresql"], values))


def _which_are_in(arrivals: Sequence[Arrival], stored: Iterable[Sequence[str]]) -> list[bool]:
    fresh = {tuple(identity) for identity in stored}
    is_new = []
    for arrival in arrivals:
        is_new.append(_identity(arrival) in fresh)
        fresh.discard(_identity(arrival))
    return is_new


def claim(
    connection: Connection, sources: Sequence[str], account: str | None, now: datetime, claim_id: str, most: int
) -> list[Row]:
    """Take up to ``most`` waiting rows of these sources, oldest first, under a lease; suspects are left."""
    return _claim(connection, sources, account, now, claim_id, most, event.c.attempts < SUSPECT_AFTER)


def unread(connection: Connection, source: str, account: str, after_id: int, most: int) -> list[tuple[int, bytes]]:
    """Ids and bodies of what waits, oldest first, whoever has it."""
    mine = (event.c.state == "new", event.c.source == source, event.c.account == account, event.c.id > after_id)
    rows = connection.execute(select(event.c.id, event.c.body).where(*mine).order_by(event.c.id).limit(most))
    return [(row.id, row.body) for row in rows]


def claim_suspect(
    connection: Connection, sources: Sequence[str], account: str | None, now: datetime, claim_id: str
) -> list[Row]:
    """Take one row that was claimed before and never finished: perhaps it kills who works on it. None: []."""
    return _claim(connection, sources, account, now, claim_id, 1, event.c.attempts >= SUSPECT_AFTER)


def _claim(
    connection: Connection,
    sources: Sequence[str],
    account: str | None,
    now: datetime,
    claim_id: str,
    most: int,
    condition: ColumnElement[bool],
) -> list[Row]:
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
    taken = connection.execute(
        update(event)
        .where(event.c.id.in_(select(waiting.cte().c.id)))  # in a CTE it is asked once, and its limit holds
        .values(claim_id=claim_id, lease_until=now + LEASE, attempts=event.c.attempts + 1)
        .returning(*(event.c[name] for name in Row.__slots__))
    )
    return sorted((Row(*row) for row in taken), key=lambda row: row.id)


def finish(connection: Connection, ids: Sequence[int], claim_id: str, now: datetime) -> None:
    """Done with these. A row whose lease was lost to another claim is left to it."""
    connection.execute(
        update(event)
        .where(event.c.id.in_(ids), event.c.claim_id == claim_id)
        .values(state="done", done_at=now, claim_id=None, lease_until=None, reason=None)
    )


def release(connection: Connection, ids: Sequence[int], claim_id: str, due_at: datetime, reason: str) -> None:
    """Put back until ``due_at``. That is our own decision, so the claim does not count as an attempt."""
    connection.execute(
        update(event)
        .where(event.c.id.in_(ids), event.c.claim_id == claim_id)
        .values(due_at=due_at, claim_id=None, lease_until=None, reason=reason, attempts=event.c.attempts - 1)
    )


def renew(connection: Connection, ids: Sequence[int], claim_id: str, now: datetime) -> None:
    """Go on holding these for another lease; those that were lost meanwhile stay lost."""
    connection.execute(
        update(event).where(event.c.id.in_(ids), event.c.claim_id == claim_id).values(lease_until=now + LEASE)
    )


def quarantine(connection: Connection, id_: int, claim_id: str, reason: str, now: datetime) -> None:
    """Set aside with the reason: nothing is lost, nothing loops."""
    connection.execute(
        update(event)
        .where(event.c.id == id_, event.c.claim_id == claim_id)
        .values(state="quarantined", reason=reason[:500], done_at=now, claim_id=None, lease_until=None)
    )


def expire_leases(connection: Connection, now: datetime) -> None:
    """End every lease now. Only for a process that holds the database alone: whoever had them is dead."""
    held = (event.c.state == "new", event.c.claim_id.is_not(None))
    connection.execute(update(event).where(*held).values(lease_until=now - timedelta(seconds=1)))


def again(connection: Connection, ids: Sequence[int], now: datetime) -> list[tuple[str, str]]:
    """Understand these once more, under the identity they have; source and account of each that was at rest."""
    raised = connection.execute(
        update(event)
        .where(event.c.id.in_(ids), event.c.state.in_(("done", "quarantined")))
        .values(state="new", due_at=now, done_at=None, reason=None, attempts=0)
        .returning(event.c.source, event.c.account)
    )
    return [(row.source, row.account) for row in raised]


def at_rest(
    connection: Connection, *, event_id: str | None, since: datetime | None, is_quarantined: bool, after: int, most: int
) -> list[int]:
    """Ids above ``after`` of what can be understood again: of this event, since then, or only what was set aside.

    ``event_id`` may lack the ``id:`` that stands before a sender's own id. Presses are among them only where they are
    asked for by their id, or were set aside.
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


def listed(connection: Connection, state: str | None, most: int) -> list[Listed]:
    """Stored events, newest first."""
    chosen = select(*(event.c[name] for name in Listed.__slots__)).order_by(event.c.id.desc()).limit(most)
    if state is not None:
        chosen = chosen.where(event.c.state == state)
    return [Listed(*row) for row in connection.execute(chosen)]


def counts(connection: Connection) -> dict[str, int]:
    """How many rows are in each state."""
    return {
        row.state: row.n
        for row in connection.execute(select(event.c.state, func.count().label("n")).group_by(event.c.state))
    }


def state_of(connection: Connection, source: str, event_id: str) -> tuple[str, str | None] | None:
    """State and reason of one event, or None when it never came."""
    row = connection.execute(
        select(event.c.state, event.c.reason).where(
            event.c.source == bindparam("source"), event.c.event_id == bindparam("event")
        ),
        {"source": source, "event": event_id},
    ).first()
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


_NEWEST = select(func.max(event.c.id))
_APPEND = {
    "sqlite": upsert.INSERT["sqlite"](event).on_conflict_do_nothing(),
    "postgresql": upsert.INSERT["postgresql"](event)
    .on_conflict_do_nothing()
    .returning(event.c.source, event.c.account, event.c.event_id),
}
_SINCE = select(event.c.source, event.c.account, event.c.event_id).where(event.c.id > bindparam("newest"))
