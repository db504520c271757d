"""The outbox: what must leave, as rows committed with the transition that causes them.

A claim counts the attempt, sets a fresh claim id and a lease; finishing matches the claim id, and zero rows mean that
the lease was lost to somebody else. Of one item and destination only the oldest waiting row can be claimed, so that no
two deliveries of the same message run side by side (Convoy's protocol, reliability.md part B).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, insert, literal, select, update

from receiver.domain import notice
from receiver.store import claim_sql, locks, payloads
from receiver.store.payloads import COMMAND, FRESH_LINK, REPLY, SHOW, UNDO_OFFER, Payload, Show
from receiver.store.schema import Instant, item, outbox

P = TypeVar("P", bound=Payload)
# More than twice the longest total deadline of a delivery; pipeline/deliver/claims.py asserts it at the start.
LEASE = timedelta(seconds=95)
ORDER_LEASE = timedelta(seconds=180)
MOST_LOST = 10  # claims that ended without a word, counted when they are taken over: this row kills whoever takes it
PLENTY = 1_000_000
CLAIM = "claim of the outbox"
DUE, DEFERRED, IN_GROUP = "due", "deferred", "grouped"
INTERACTIVE = frozenset({REPLY, COMMAND, FRESH_LINK, UNDO_OFFER})  # somebody waits for it, before a screen


@dataclass(frozen=True, slots=True)
class Delivery:
    """One claimed row.

    ``maybe_delivered``: an earlier attempt may have arrived; ``unconfirmed_sends``: how many.
    """

    id: int
    item_id: str  # empty for what is about no one item
    destination: str
    what: str
    payload: str
    attempts: int
    maybe_delivered: bool
    created_at: datetime
    is_interactive: bool = False
    lost_leases: int = 0
    unconfirmed_sends: int = 0
    retried_at: datetime | None = None
    done_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """When its present chance began."""
        return self.retried_at or self.created_at

    def payload_as(self, kind: type[P]) -> P:
        """The payload, which must be of this kind. Raises what ``payloads.decode`` raises."""
        return payloads.decode(kind, self.payload)


class LostLeaseError(Exception):
    """The claim ran out meanwhile: the row is somebody else's, and so is its end."""


def enqueue(
    connection: Connection,
    item_id: str | None,
    destination: str,
    payload: Payload,
    now: datetime,
    *,
    is_interactive: bool = False,
    state: str = DUE,
) -> None:
    """Add a delivery of the payload's kind, due now unless ``state`` says otherwise.

    ``item_id`` None: it is about no single item. ``is_interactive``: it shows the result of a person's click.
    """
    is_interactive = is_interactive or payload.kind in INTERACTIVE
    connection.execute(
        _ENQUEUE, row_values(item_id, destination, payload, now, is_interactive=is_interactive, state=state)
    )


def enqueue_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add deliveries, as ``row_values`` makes them, in one statement."""
    if rows:
        connection.execute(_ENQUEUE, rows)


def row_values(
    item_id: str | None,
    destination: str,
    payload: Payload,
    now: datetime,
    *,
    is_interactive: bool = False,
    state: str = DUE,
) -> dict[str, Any]:
    """A delivery as the table holds it."""
    return {
        "item_id": item_id,
        "destination": destination,
        "what": payload.kind,
        "payload": payloads.encode(payload),
        "state": state,
        "due_at": now,
        "created_at": now,
        "is_interactive": is_interactive,
    }


def enqueue_show(
    connection: Connection,
    item_id: str,
    destination: str,
    route: str,
    now: datetime,
    *,
    is_interactive: bool = False,
    is_deferred: bool = False,
    below: str | None = None,
) -> None:
    """Make the destination show the item. One unclaimed row is enough for any number of changes.

    That row stays locked until this transaction ends, so that whoever claims it renders what changed here.
    ``is_interactive``: a person's click changed the item, and this destination shows it already.
    ``is_deferred``: it waits until quiet hours are over. ``below``: reference of the message whose thread it goes to.
    """
    waiting = connection.execute(_WAITING, {"of_item": item_id, "place": destination}).first()
    if waiting is None:
        state = DEFERRED if is_deferred else DUE
        enqueue(connection, item_id, destination, Show(route, below), now, is_interactive=is_interactive, state=state)
    elif is_interactive:
        connection.execute(update(outbox).where(outbox.c.id == waiting.id).values(is_interactive=True))


def enqueue_reminder(
    connection: Connection,
    item_id: str,
    destination: str,
    route: str,
    reminder: notice.Reminder,
    now: datetime,
    *,
    is_deferred: bool = False,
) -> None:
    """Send a reminder in the thread of the message that the destination shows of the item."""
    state = DEFERRED if is_deferred else DUE
    enqueue(connection, item_id, destination, payloads.Reminder(route, reminder=reminder), now, state=state)


def on_the_way(connection: Connection, item_id: str) -> dict[str, str]:
    """Where the item is to be shown and perhaps is being drawn at this moment: route name by destination."""
    rows = connection.execute(_ON_THE_WAY, {"of_item": item_id})
    return {destination: payloads.decode(Show, payload).route for destination, payload in rows}


def claim(
    connection: Connection,
    now: datetime,
    claim_id: str,
    most: int,
    busy: Collection[str],
    most_each: int,
    *only: ColumnElement[bool],
) -> list[Delivery]:
    """Take up to ``most`` due rows under a lease, none of the busy destinations, and of each so few that with those
    under way, here and on other replicas, there are at most ``most_each``.
    ``only``: further conditions on the rows.

    Replicas claim one after the other, so that each sees what the one before it took (docs/decisions/0009).
    """
    locks.hold(connection, [CLAIM])
    values = {
        "now": now,
        "busy": list(busy),
        "each": most_each,
        "most": most,
        "claimer": claim_id,
        "until": now + LEASE,
        "order_until": now + ORDER_LEASE,
    }
    return sorted(
        map(delivery_of, connection.execute(claim_sql.statement(only, Delivery.__slots__), values)),
        key=lambda row: row.id,
    )


def renew(connection: Connection, ids: Collection[int], claim_id: str, now: datetime) -> set[int]:
    """Begin the leases anew, of deliveries that take long; those that are still held."""
    held = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(ids), outbox.c.claim_id == claim_id)
        .values(lease_until=case((outbox.c.what == COMMAND, _at(now + ORDER_LEASE)), else_=_at(now + LEASE)))
        .returning(outbox.c.id)
    )
    return set(held.scalars())


def reap(connection: Connection, now: datetime) -> int:
    """End the claims whose lease has run out: their rows are due again, and in doubt. How many there were."""
    return connection.execute(claim_sql.REAPING, {"now": now}).rowcount


def finish(connection: Connection, id_: int, claim_id: str, now: datetime) -> bool:
    """Delivered. False: the lease was lost, somebody else has the row now."""
    return _settle(connection, id_, claim_id, state="done", done_at=now, reason=None)


def bury(connection: Connection, id_: int, claim_id: str | None, reason: str, now: datetime) -> bool:
    """Dead, with the reason, in the same row. ``claim_id`` None: it was nobody's. False: the lease was lost."""
    return _settle(connection, id_, claim_id, state="dead", done_at=now, reason=reason[:500])


def release(
    connection: Connection,
    id_: int,
    claim_id: str,
    due_at: datetime,
    reason: str,
    *,
    maybe_delivered: bool,
    is_uncounted: bool = False,
    is_copy: bool = False,
) -> bool:
    """Make it due again at ``due_at``; False when the lease was lost.

    ``maybe_delivered``: this attempt may have arrived. ``is_uncounted``: nothing was sent, for we refused ourselves.
    ``is_copy``: the destination did not say whether it accepted the message.
    """
    values: dict[str, Any] = {"due_at": due_at, "reason": reason[:500]}
    if maybe_delivered:
        values["maybe_delivered"] = True
    if is_copy:
        values["unconfirmed_sends"] = outbox.c.unconfirmed_sends + 1
    if is_uncounted:
        values["attempts"] = outbox.c.attempts - 1
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


def is_any_due(connection: Connection, now: datetime, *only: ColumnElement[bool]) -> bool:
    """Whether a row that nobody has is due."""
    chosen = select(outbox.c.id).where(outbox.c.state == "due", outbox.c.due_at <= now, *only)
    return connection.execute(chosen.where(outbox.c.claim_id.is_(None)).limit(1)).first() is not None


def hasten(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    """Due now, what was to wait for another try."""
    waiting = (outbox.c.state == "due", outbox.c.claim_id.is_(None), outbox.c.due_at > now)
    connection.execute(update(outbox).where(*waiting, outbox.c.attempts > 0, which).values(due_at=now))


def overdue(
    connection: Connection, now: datetime, orders_before: datetime, others_before: datetime, most: int
) -> list[Delivery]:
    """Rows that wait since before these instants and that nobody has, such as those behind an open breaker."""
    since = case(
        (outbox.c.attempts == 0, outbox.c.due_at), else_=func.coalesce(outbox.c.retried_at, outbox.c.created_at)
    )
    limit = case((outbox.c.what == COMMAND, _at(orders_before)), else_=_at(others_before))
    chosen = (
        select(*(outbox.c[name] for name in Delivery.__slots__))
        .where(outbox.c.state == "due", outbox.c.due_at <= now, outbox.c.claim_id.is_(None), since < limit)
        .order_by(outbox.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [delivery_of(row) for row in connection.execute(chosen)]


def is_put(connection: Connection, item_id: str, destination: str, what: str, since: datetime) -> bool:
    """Whether such a delivery was put here since then, whatever became of it."""
    chosen = select(outbox.c.id).where(outbox.c.item_id == item_id, outbox.c.destination == destination)
    put_since = chosen.where(outbox.c.what == what, outbox.c.created_at > since)
    return connection.execute(put_since.limit(1)).first() is not None


def have_taken(connection: Connection, destinations: Collection[str], since: datetime) -> bool:
    """Whether anything was delivered to any of these since then."""
    chosen = select(outbox.c.id).where(outbox.c.destination.in_(destinations), outbox.c.state == "done")
    taken = chosen.where(outbox.c.done_at > since, outbox.c.reason.is_(None))
    return connection.execute(taken.limit(1)).first() is not None


def retry(connection: Connection, id_: int, now: datetime) -> bool:
    """Give a dead row another chance, as if it were new, under the id it has. False: it is not dead."""
    raised = connection.execute(
        update(outbox)
        .where(outbox.c.id == id_, outbox.c.state == "dead")
        .values(state="due", due_at=now, retried_at=now, done_at=None, attempts=0, lost_leases=0, unconfirmed_sends=0)
    )
    return raised.rowcount == 1


def dead_ones(connection: Connection, ids: Collection[int] | None = None) -> list[Delivery]:
    """Dead rows, all or those among ``ids``."""
    chosen = select(*(outbox.c[name] for name in Delivery.__slots__)).where(outbox.c.state == "dead")
    if ids is not None:
        chosen = chosen.where(outbox.c.id.in_(ids))
    return [delivery_of(row) for row in connection.execute(chosen.order_by(outbox.c.id))]


def listed(connection: Connection, state: str | None, most: int) -> Sequence[Any]:
    """Deliveries with the key of their item, newest first, for ``casebell deliveries``."""
    chosen = select(*(outbox.c[name] for name in _LISTED), item.c.key).select_from(
        outbox.outerjoin(item, item.c.id == outbox.c.item_id)
    )
    if state is not None:
        chosen = chosen.where(outbox.c.state == state)
    return connection.execute(chosen.order_by(outbox.c.id.desc()).limit(most)).all()


def delivery_of(row: Any) -> Delivery:
    """A row that has the columns of a delivery."""
    return Delivery(**{**row._asdict(), "item_id": row.item_id or ""})


def _at(instant: datetime) -> ColumnElement[datetime]:
    return literal(instant, Instant)


def _settle(connection: Connection, id_: int, claim_id: str | None, **values: Any) -> bool:
    settled = connection.execute(
        update(outbox)
        .where(and_(outbox.c.id == id_, outbox.c.claim_id == claim_id))
        .values(claim_id=None, lease_until=None, **values)
    )
    return settled.rowcount == 1


_LISTED = (
    "id", "state", "what", "destination", "attempts", "maybe_delivered", "is_interactive", "created_at", "due_at",
    "lease_until", "done_at", "reason",
)  # fmt: skip

# Built once, for every change of every item needs them.
_ENQUEUE = insert(outbox)
_WAITING = (
    select(outbox.c.id)
    .where(
        outbox.c.item_id == bindparam("of_item"),
        outbox.c.destination == bindparam("place"),
        outbox.c.what == SHOW,
        outbox.c.state.in_((DUE, DEFERRED, IN_GROUP)),
        outbox.c.claim_id.is_(None),
    )
    .with_for_update(skip_locked=True)
)
_ON_THE_WAY = select(outbox.c.destination, outbox.c.payload).where(
    outbox.c.item_id == bindparam("of_item"), outbox.c.what == SHOW, outbox.c.state == DUE
)
