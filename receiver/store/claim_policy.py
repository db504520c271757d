"""What may leave now: claims that keep to the breakers, to each destination's pace and to an order of precedence.

What came of a person's click goes first, beside first-time alerts and not slowed down by their pace. What is held back
is not claimed, so holding back costs no attempt (reliability.md, A.3 and D.3).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select

from receiver.domain.breaker import SLACK_POSTS, Breaker, place_of
from receiver.domain.pace import Paces
from receiver.errors import DeliveryError
from receiver.store import breakers, groups, locks, outbox, upsert
from receiver.store.outbox import CLAIM_LOCK, Delivery
from receiver.store.schema import Instant, pace
from receiver.store.schema import outbox as rows

# The same objects each time: a claim's statement is kept by the conditions it is made of.
_INTERACTIVE, _NORMAL = rows.c.is_interactive, ~rows.c.is_interactive
_FILLING = select(pace.c.name, pace.c.full_at).where(pace.c.full_at > bindparam("now", type_=Instant))
INTERACTIVE_EACH = 4  # of one destination side by side: a slow one never takes all places
NORMAL_EACH, MAILS_EACH = 1, 4
UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many may start here, how many of them first-time alerts, and which destinations have their share already."""

    interactive: int
    normal: int
    busy: Collection[str] = ()
    busy_normal: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """What was claimed, each with its claim id; how many leases had run out; when a slow destination has room again."""

    claimed: list[tuple[Delivery, str]]
    reaped: int
    wake_at: datetime | None


def claim_batch(connection: Connection, now: datetime, claim_id: str, room: Capacity, paces: Paces) -> Batch:
    """Reap what died, then claim what may leave. Replicas do it one after the other (docs/decisions/0009)."""
    locks.hold(connection, [CLAIM_LOCK])
    reaped = outbox.reap(connection, now)
    groups.sweep(connection, paces.bursts, now)
    full_at = _buckets(connection, now)
    slow = {name: at for name, at in full_at.items() if _room(paces, name, at, now) < 1}
    is_open = breakers.opened(connection)
    shut = [_not_over(one.name) for one in is_open]
    interactive = outbox.claim(
        connection, now, claim_id, room.interactive, room.busy, INTERACTIVE_EACH, _INTERACTIVE, *shut
    )
    found = [(delivery, claim_id) for delivery in interactive]
    is_counted = groups.is_counted(tuple(paces.bursts))  # not what was committed since they were counted just now
    normal = (_NORMAL, _not_over("mail"), is_counted, *shut)
    held = [*room.busy_normal, *slow]
    most = min(room.normal, room.interactive - len(found))
    if most > 0:
        alerts = outbox.claim(connection, now, claim_id, most, held, NORMAL_EACH, *normal)
        most -= len(alerts)
        found += [(delivery, claim_id) for delivery in alerts]
    most = min(most, _room(paces, "mail", full_at.get("mail"), now))
    if most > 0:
        mails = (_NORMAL, _over("mail"), *shut)
        sent = outbox.claim(connection, now, claim_id, most, room.busy_normal, MAILS_EACH, *mails)
        found += [(delivery, claim_id) for delivery in sent]
    found += _probes(connection, is_open, now, claim_id, slow, is_counted)
    _spend(connection, [delivery for delivery, _ in found], full_at, paces, now)
    return Batch(found, reaped, min((_opens_at(paces, name, at) for name, at in slow.items()), default=None))


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
    """Tell the breakers what came of a delivery; those that this opened or closed.

    What waited for another try behind one that closes need not wait any longer. ``paces``: of a destination that was
    told too much too fast nothing is left in the bucket, or what the pause saved up would be too much at once again.
    """
    locks.hold(connection, [CLAIM_LOCK])  # before any row: who claims waits for rows in the other order
    turned = breakers.hear(connection, destination, is_interactive, error, claim_id, now, chance)
    for one in turned:
        if one.state == "closed":
            outbox.make_due_now(connection, _over(one.name), now)
        elif error is not None and error.reach == "pace" and paces is not None and one.open_until is not None:
            _empty(connection, place_of(destination), one.open_until, paces)
    return turned


def normal_each(destination: str) -> int:
    """How many first-time alerts go side by side: one to a Slack channel, so that they stay in order."""
    return MAILS_EACH if destination.startswith("mail:") else NORMAL_EACH


def _probes(
    connection: Connection,
    is_open: Sequence[Breaker],
    now: datetime,
    claim_id: str,
    slow: Collection[str],
    is_counted: ColumnElement[bool],
) -> list[tuple[Delivery, str]]:
    """One delivery for each breaker whose time has come."""
    found: list[tuple[Delivery, str]] = []
    for one in is_open:
        sync_locks = [_over(one.name), *(_not_over(other.name) for other in is_open if other.name != one.name)]
        sync_locks.append(or_(rows.c.is_interactive, and_(rows.c.destination.not_in(slow), is_counted)))
        probe_id = f"{claim_id} {one.name}"
        if one.open_until is None or one.open_until > now or not outbox.is_any_due(connection, now, *sync_locks):
            continue
        if not breakers.grant_probe(connection, one.name, probe_id, now):
            continue
        probe = outbox.claim(connection, now, probe_id, 1, (), 1, *sync_locks)
        if not probe:
            breakers.take_back_probes(connection, (one.name,), probe_id)
        found += [(delivery, probe_id) for delivery in probe]
    return found


@lru_cache(maxsize=256)
def _not_over(name: str) -> ColumnElement[bool]:
    return ~_over(name)


@lru_cache(maxsize=256)
def _over(name: str) -> ColumnElement[bool]:
    """The deliveries that pass this breaker."""
    if name == SLACK_POSTS:
        return and_(rows.c.destination.startswith("slack:"), ~rows.c.is_interactive)
    if ":" not in name:
        return rows.c.destination.startswith(f"{name}:")
    return or_(rows.c.destination == name, rows.c.destination.startswith(f"{name}/", autoescape=True))


def _buckets(connection: Connection, now: datetime) -> dict[str, datetime]:
    return {found.name: found.full_at for found in connection.execute(_FILLING, {"now": now})}


def _room(paces: Paces, name: str, full_at: datetime | None, now: datetime) -> int:
    kept = paces.of(name)
    return UNLIMITED if kept is None else kept.room(full_at, now)


def _opens_at(paces: Paces, name: str, full_at: datetime) -> datetime:
    kept = paces.of(name)
    return full_at if kept is None else kept.opens_at(full_at)


def _empty(connection: Connection, place: str, until: datetime, paces: Paces) -> None:
    """Room for one when the pause is over, and from then on one after the other."""
    kept = paces.of(place)
    if kept is not None:
        _fill(connection, place, kept.empty(until) - kept.interval)


def _fill(connection: Connection, place: str, full_at: datetime) -> None:
    statement = upsert.insert(connection, pace).values(name=place, full_at=full_at)
    connection.execute(statement.on_conflict_do_update(index_elements=[pace.c.name], set_={"full_at": full_at}))


def _spend(
    connection: Connection, taken: Sequence[Delivery], full_at: dict[str, datetime], paces: Paces, now: datetime
) -> None:
    """A token for each alert; what came of a click costs none."""
    spent: dict[str, int] = {}
    for delivery in taken:
        if not delivery.is_interactive:
            place = place_of(delivery.destination)
            spent[place] = spent.get(place, 0) + 1
    for place, count in spent.items():
        kept = paces.of(place)
        if kept is not None:
            _fill(connection, place, kept.take(full_at.get(place), now, count))
