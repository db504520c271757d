"""Digests that were made, what they are made of, and when each source was last heard out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, or_, select, update

from receiver.domain.item import Item
from receiver.store import payloads, upsert
from receiver.store.schema import digest, history, item, outbox

_whole = TypeAdapter(Item)
ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class DigestRun:
    """One slot that was taken up. ``sent_to``: destinations; 0 when there was nothing to tell."""

    name: str
    slot: datetime
    covers_since: datetime
    made_at: datetime
    sent_to: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that has not left. ``since``: from when on it tells what changed."""

    id: int
    destination: str
    since: datetime


def newest(connection: Connection, name: str) -> DigestRun | None:
    """The slot of this digest that was taken up last."""
    chosen = select(*(digest.c[column] for column in DigestRun.__slots__)).where(digest.c.name == name)
    row = connection.execute(chosen.order_by(digest.c.slot.desc()).limit(1)).first()
    return None if row is None else DigestRun(*row)


def claim(connection: Connection, made: DigestRun) -> bool:
    """Take the slot up, in the transaction that writes its deliveries. False: somebody else has."""
    values = {name: getattr(made, name) for name in DigestRun.__slots__}
    taken = connection.execute(
        upsert.insert(connection, digest).values(values).on_conflict_do_nothing().returning(digest.c.name)
    )
    return taken.first() is not None


def material(connection: Connection, since: datetime) -> Iterator[Item]:
    """What a digest is counted from: all that is open, what was opened or resolved ``since``, and every hardship."""
    chosen = select(item.c.document).where(
        or_(
            item.c.state != "resolved",
            item.c.resolved_at >= since,
            item.c.opened_at >= since,
            item.c.kind == "hardship",
        )
    )
    for whole in connection.execute(chosen.execution_options(yield_per=ROWS_AT_ONCE)).scalars():
        yield _whole.validate_json(whole)


def reopened(connection: Connection, since: datetime) -> frozenset[str]:
    """Ids of the items that opened again."""
    chosen = select(history.c.item_id).where(history.c.at > since, history.c.transition == "reopened")
    return frozenset(connection.execute(chosen).scalars())


def waiting(connection: Connection, name: str, now: datetime) -> list[Waiting]:
    """Deliveries of this digest that have not left and are not under way at this moment."""
    chosen = select(outbox.c.id, outbox.c.destination, outbox.c.payload).where(
        outbox.c.what == payloads.DIGEST,
        outbox.c.state == "due",
        or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now),
    )
    found = [(id_, to, payloads.decode(payloads.Digest, payload)) for id_, to, payload in connection.execute(chosen)]
    return [Waiting(id_, to, payload.since) for id_, to, payload in found if payload.name == name]


def take_back(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """End deliveries that are still waiting: a newer digest tells what they would have."""
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(ids), outbox.c.state == "due")
        .where(or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now))
        .values(state="done", done_at=now, claim_id=None, lease_until=None, reason="told in a newer digest")
    )
