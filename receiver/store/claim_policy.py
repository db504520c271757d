"""Which deliveries may leave now: claims that respect breakers, the pace of each destination and priorities.

Deliveries caused by a click have interactive priority: they go first and are not limited by the pace of alerts. A
delivery that may not leave is not claimed, so waiting costs no attempt.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select

from receiver.domain.breaker import SLACK_POSTS, Breaker, failure_scope_of
from receiver.domain.pace import Paces
from receiver.errors import DeliveryError
from receiver.store import breakers, groups, locks, outbox
from receiver.store.outbox import CLAIM_LOCK, Delivery
from receiver.store.schema import Instant, pace
from receiver.store.schema import outbox as rows

# The same objects each time: claim statements are cached by the conditions they are built from.
_INTERACTIVE, _NORMAL = rows.c.is_interactive, ~rows.c.is_interactive
_FILLING = select(pace.c.name, pace.c.full_at).where(pace.c.full_at > bindparam("now", type_=Instant))
INTERACTIVE_EACH = 4  # deliveries of one destination at a time: a slow one never takes all slots
NORMAL_EACH, MAILS_EACH = 1, 4
UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many deliveries may start: in total, with normal priority; and the destinations that have their share."""

    interactive: int
    normal: int
    busy: Collection[str] = ()
    busy_normal: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Claimed deliveries with their claim ids, the number of reaped leases, and when a paced destination is free."""

    claimed: list[tuple[Delivery, str]]
    reaped: int
    wake_at: datetime | None


def claim_batch(connection: Connection, now: datetime, claim_id: str, capacity: Capacity, paces: Paces) -> Batch:
    """Reap expired leases, then claim what may leave. Replicas do this one after the other (docs/decisions/0009)."""
    locks.acquire(connection, [CLAIM_LOCK])
    reaped = outbox.reap(connection, now)
    groups.assign_groups(connection, paces.bursts, now)
    full_at = _buckets(connection, now)
    paced = {name: at for name, at in full_at.items() if _available(paces, name, at, now) < 1}
    is_open = breakers.list_open(connection)
    is_assigned = groups.is_assigned(tuple(paces.bursts))  # excludes rows that were committed since assign_groups
    closed = [_avoids_breaker(one.name) for one in is_open]
    claim = partial(outbox.claim, connection, now, claim_id)
    claimed = claim(capacity.interactive, capacity.busy, INTERACTIVE_EACH, _INTERACTIVE, *closed)
    most = min(capacity.normal, capacity.interactive - len(claimed))
    busy = [*capacity.busy_normal, *paced]
    alerts = claim(most, busy, NORMAL_EACH, _NORMAL, _avoids_breaker("mail"), is_assigned, *closed)
    most = min(most - len(alerts), _available(paces, "mail", full_at.get("mail"), now))
    mails = claim(most, capacity.busy_normal, MAILS_EACH, _NORMAL, _uses_breaker("mail"), *closed)
    batch = [(delivery, claim_id) for delivery in (*claimed, *alerts, *mails)]
    batch += _probes(connection, is_open, now, claim_id, paced, is_assigned)
    _spend_tokens(connection, [delivery for delivery, _ in batch], full_at, paces, now)
    return Batch(batch, reaped, min((_opens_at(paces, name, at) for name, at in paced.items()), default=None))


def record_outcome(
    connection: Connection,
    destination: str,
    is_interactive: bool,
    error: DeliveryError | None,
    claim_id: str,
    now: datetime,
    chance: float,
    paces: Paces | None = None,
) -> list[Breaker]:
    """Record the outcome of a delivery with the breakers; those that this opened or closed.

    When a breaker closes, deliveries that wait for another attempt behind it become due. When a destination limited our
    rate, its bucket is emptied (``paces``), so that the pause is not followed by another burst.
    """
    locks.acquire(connection, [CLAIM_LOCK])  # before any row: claims lock rows in the other order
    changed = breakers.record_outcome(connection, destination, is_interactive, error, claim_id, now, chance)
    for one in changed:
        if one.state == "closed":
            outbox.make_due_now(connection, _uses_breaker(one.name), now)
        elif error is not None and error.scope == "pace" and paces is not None and one.open_until is not None:
            _drain_bucket(connection, failure_scope_of(destination), one.open_until, paces)
    return changed


def max_normal(destination: str) -> int:
    """How many deliveries of normal priority run at a time: one per Slack channel, so that they stay in order."""
    return MAILS_EACH if destination.startswith("mail:") else NORMAL_EACH


def _probes(
    connection: Connection,
    is_open: Sequence[Breaker],
    now: datetime,
    claim_id: str,
    paced: Collection[str],
    is_assigned: ColumnElement[bool],
) -> list[tuple[Delivery, str]]:
    """One delivery for each breaker whose pause is over."""
    probes: list[tuple[Delivery, str]] = []
    for one in is_open:
        only = [_uses_breaker(one.name), *(_avoids_breaker(other.name) for other in is_open if other.name != one.name)]
        only.append(or_(rows.c.is_interactive, and_(rows.c.destination.not_in(paced), is_assigned)))
        probe_id = f"{claim_id} {one.name}"
        if one.open_until is None or one.open_until > now or not outbox.is_any_due(connection, now, *only):
            continue
        if not breakers.grant_probe(connection, one.name, probe_id, now):
            continue
        claimed = outbox.claim(connection, now, probe_id, 1, (), 1, *only)
        if not claimed:
            breakers.return_probes(connection, (one.name,), probe_id)
        probes += [(delivery, probe_id) for delivery in claimed]
    return probes


@lru_cache(maxsize=256)
def _avoids_breaker(name: str) -> ColumnElement[bool]:
    return ~_uses_breaker(name)


@lru_cache(maxsize=256)
def _uses_breaker(name: str) -> ColumnElement[bool]:
    """Matches the deliveries that this breaker can pause."""
    if name == SLACK_POSTS:
        return and_(rows.c.destination.startswith("slack:"), ~rows.c.is_interactive)
    if ":" not in name:
        return rows.c.destination.startswith(f"{name}:")
    return or_(rows.c.destination == name, rows.c.destination.startswith(f"{name}/", autoescape=True))


def _buckets(connection: Connection, now: datetime) -> dict[str, datetime]:
    return {row.name: row.full_at for row in connection.execute(_FILLING, {"now": now})}


def _available(paces: Paces, name: str, full_at: datetime | None, now: datetime) -> int:
    limit = paces.of(name)
    return UNLIMITED if limit is None else limit.available(full_at, now)


def _opens_at(paces: Paces, name: str, full_at: datetime) -> datetime:
    limit = paces.of(name)
    return full_at if limit is None else limit.next_at(full_at)


def _drain_bucket(connection: Connection, scope: str, until: datetime, paces: Paces) -> None:
    """Empty the bucket, so that it has one token at the end of the pause."""
    limit = paces.of(scope)
    if limit is not None:
        groups.save_bucket(connection, scope, limit.full_at_if_empty(until) - limit.interval)


def _spend_tokens(
    connection: Connection, claimed: Sequence[Delivery], full_at: dict[str, datetime], paces: Paces, now: datetime
) -> None:
    """Take a token for each delivery of normal priority. Interactive ones are free."""
    spent: dict[str, int] = {}
    for delivery in claimed:
        if not delivery.is_interactive:
            scope = failure_scope_of(delivery.destination)
            spent[scope] = spent.get(scope, 0) + 1
    for scope, count in spent.items():
        limit = paces.of(scope)
        if limit is not None:
            groups.save_bucket(connection, scope, limit.full_at_after(full_at.get(scope), now, count))
