"""The outbox: what must leave, as rows committed with the transition that causes them.

A claim counts the attempt, sets a fresh claim id and a lease; finishing matches the claim id, and zero rows mean that
the lease was lost to somebody else. Of one item and destination only the oldest waiting row can be claimed, so that no
two deliveries of the same message run side by side (Convoy's protocol, reliability.md part B).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, insert, or_, select, update

from receiver.store import locks
from receiver.store.schema import outbox

LEASE = timedelta(seconds=90)  # more than twice the longest total deadline (30 s); asserted by a test
SHOW, TELL, CARRY_OUT, FRESH_LINK, DIGEST = "show", "tell", "carry_out", "fresh_link", "digest"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One claimed row. ``is_doubtful``: an earlier try may have reached the destination."""

    id: int
    item_id: str  # empty for what is about no one item
    destination: str
    what: str
    payload: str
    attempts: int
    is_doubtful: bool
    created_at: datetime

    def value(self, name: str) -> Any:
        return json.loads(self.payload).get(name)


def put(
    connection: Connection,
    item_id: str | None,
    destination: str,
    what: str,
    payload: Mapping[str, object],
    now: datetime,
) -> None:
    """Add a delivery, due now. ``item_id`` None: it is about no one item."""
    connection.execute(
        insert(outbox).values(
            item_id=item_id,
            destination=destination,
            what=what,
            payload=json.dumps(payload),
            state="due",
            due_at=now,
            created_at=now,
        )
    )


def put_show(connection: Connection, item_id: str, destination: str, route: str, now: datetime) -> None:
    """Make the destination show the item as it will be when it is drawn; one waiting row is enough for any changes.

    The waiting row is kept from being claimed until this transaction ends: who draws it then sees what changed here.
    """
    waiting = connection.execute(
        select(outbox.c.id)
        .where(
            outbox.c.item_id == item_id,
            outbox.c.destination == destination,
            outbox.c.what == SHOW,
            outbox.c.state == "due",
            outbox.c.claim_id.is_(None),
        )
        .with_for_update(skip_locked=True)
    ).first()
    if waiting is None:
        put(connection, item_id, destination, SHOW, {"route": route}, now)


def on_the_way(connection: Connection, item_id: str) -> dict[str, str]:
    """Where the item is to be shown and perhaps is being drawn at this moment: route name by destination."""
    chosen = select(outbox.c.destination, outbox.c.payload).where(
        outbox.c.item_id == item_id, outbox.c.what == SHOW, outbox.c.state == "due"
    )
    return {destination: json.loads(payload).get("route", "") for destination, payload in connection.execute(chosen)}


def claim(
    connection: Connection, now: datetime, claim_id: str, most: int, busy: Collection[str], most_each: int
) -> list[Delivery]:
    """Take up to ``most`` due rows under a lease, none of the busy destinations, and of each so few that with those
    under way, here and on other replicas, there are at most ``most_each``.

    Replicas claim one after the other, so that each sees what the one before it took (docs/decisions/0009).
    """
    locks.hold(connection, ["claim of the outbox"])
    is_under_way = case((outbox.c.lease_until >= now, 1), else_=0)
    place = func.row_number().over(
        partition_by=outbox.c.destination, order_by=(is_under_way.desc(), outbox.c.due_at, outbox.c.id)
    )
    ranked = (
        select(outbox.c.id, outbox.c.due_at, is_under_way.label("is_under_way"), place.label("place"))
        .where(outbox.c.state == "due")
        .where(or_(outbox.c.lease_until >= now, _is_ready(now, busy)))
        .subquery()
    )
    chosen = (
        select(outbox.c.id)
        .join(ranked, ranked.c.id == outbox.c.id)
        .where(ranked.c.is_under_way == 0, ranked.c.place <= most_each)
        .where(outbox.c.state == "due", _is_free(now))  # looked at again under the lock
        .order_by(ranked.c.due_at, ranked.c.id)
        .limit(most)
        .with_for_update(of=outbox, skip_locked=True)
        .cte()
    )
    taken = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(select(chosen.c.id)))
        .values(
            claim_id=claim_id,
            lease_until=now + LEASE,
            attempts=outbox.c.attempts + 1,
            # a claim id that is still there belongs to somebody who never told how it ended
            is_doubtful=case((outbox.c.claim_id.is_not(None), True), else_=outbox.c.is_doubtful),
        )
        .returning(*(outbox.c[name] for name in Delivery.__slots__))
    )
    found = (Delivery(**{**row._asdict(), "item_id": row.item_id or ""}) for row in taken)
    return sorted(found, key=lambda row: row.id)


def _is_ready(now: datetime, busy: Collection[str]) -> ColumnElement[bool]:
    """Due, nobody's, and no other delivery of the same item and destination before it or under way."""
    other = outbox.alias()
    in_the_way = exists().where(
        other.c.item_id == outbox.c.item_id,
        other.c.destination == outbox.c.destination,
        other.c.state == "due",
        other.c.id != outbox.c.id,
        or_(other.c.id < outbox.c.id, other.c.lease_until >= now),
    )
    return and_(outbox.c.due_at <= now, outbox.c.destination.not_in(busy), _is_free(now), ~in_the_way)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now)


def finish(connection: Connection, id_: int, claim_id: str, now: datetime) -> bool:
    """Delivered. False: the lease was lost, somebody else has the row now."""
    return _settle(connection, id_, claim_id, state="done", done_at=now, reason=None)


def bury(connection: Connection, id_: int, claim_id: str, reason: str, now: datetime) -> bool:
    """Dead, with the reason, in the same row. False: the lease was lost."""
    return _settle(connection, id_, claim_id, state="dead", done_at=now, reason=reason[:500])


def release(
    connection: Connection, id_: int, claim_id: str, due_at: datetime, reason: str, *, is_doubtful: bool
) -> bool:
    """Due again at ``due_at``. ``is_doubtful``: this try may have arrived. False: the lease was lost."""
    values: dict[str, Any] = {"due_at": due_at, "reason": reason[:500]}
    if is_doubtful:
        values["is_doubtful"] = True
    return _settle(connection, id_, claim_id, **values)


def expire_leases(connection: Connection, now: datetime) -> None:
    """End every lease now. Only for a process that holds the database alone: whoever had them is dead."""
    held = (outbox.c.state == "due", outbox.c.claim_id.is_not(None))
    connection.execute(update(outbox).where(*held).values(lease_until=now - timedelta(seconds=1)))


def counts(connection: Connection) -> dict[str, int]:
    """How many rows are in each state."""
    return {
        row.state: row.n
        for row in connection.execute(select(outbox.c.state, func.count().label("n")).group_by(outbox.c.state))
    }


def oldest_due(connection: Connection, now: datetime) -> tuple[int, datetime | None]:
    """How many rows are due, and since when the oldest is."""
    n, oldest = connection.execute(
        select(func.count(), func.min(outbox.c.due_at)).where(outbox.c.state == "due", outbox.c.due_at <= now)
    ).one()
    return n, oldest


def of_item(connection: Connection, item_id: str) -> Sequence[Any]:
    """All deliveries of an item, for ``casebell item``."""
    return connection.execute(
        select(
            outbox.c.destination, outbox.c.what, outbox.c.state, outbox.c.attempts, outbox.c.reason, outbox.c.created_at
        )
        .where(outbox.c.item_id == item_id)
        .order_by(outbox.c.id)
    ).all()


def _settle(connection: Connection, id_: int, claim_id: str, **values: Any) -> bool:
    settled = connection.execute(
        update(outbox)
        .where(and_(outbox.c.id == id_, outbox.c.claim_id == claim_id))
        .values(claim_id=None, lease_until=None, **values)
    )
    return settled.rowcount == 1
