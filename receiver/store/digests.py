"""Digest runs, the items that a digest is built from, and digests that are not sent yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from receiver.domain.item import Item
from receiver.store import payloads, upsert
from receiver.store.schema import digest, history, item, outbox

_adapter = TypeAdapter(Item)
ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class DigestRun:
    """A slot for which a digest was built. ``sent_to``: number of destinations; 0 when there was nothing to send."""

    name: str
    slot: datetime
    covers_since: datetime
    made_at: datetime
    sent_to: int


@dataclass(frozen=True, slots=True)
class UnsentDigest:
    """A digest delivery that is not sent yet. ``since``: the time from which on it covers changes."""

    id: int
    destination: str
    since: datetime


def find_last_run(connection: Connection, name: str) -> DigestRun | None:
    """The newest run of this digest."""
    chosen = select(*(digest.c[column] for column in DigestRun.__slots__)).where(digest.c.name == name)
    row = connection.execute(chosen.order_by(digest.c.slot.desc()).limit(1)).first()
    return None if row is None else DigestRun(*row)


def claim(connection: Connection, run: DigestRun) -> bool:
    """Claim the slot, in the transaction that enqueues its deliveries. False: another process has it."""
    values = {name: getattr(run, name) for name in DigestRun.__slots__}
    statement = upsert.insert(connection, digest).values(values).on_conflict_do_nothing()
    return connection.execute(statement.returning(digest.c.name)).first() is not None


def list_items(connection: Connection, since: datetime) -> Iterator[Item]:
    """The items a digest is built from: open ones, those opened or resolved ``since``, and all hardship items."""
    is_recent = or_(item.c.resolved_at >= since, item.c.opened_at >= since)
    chosen = select(item.c.document).where(or_(item.c.state != "resolved", is_recent, item.c.kind == "hardship"))
    for document in connection.execute(chosen.execution_options(yield_per=ROWS_AT_ONCE)).scalars():
        yield _adapter.validate_json(document)


def list_reopened(connection: Connection, since: datetime) -> frozenset[str]:
    """Ids of the items that were opened again."""
    chosen = select(history.c.item_id).where(history.c.at > since, history.c.transition == "reopened")
    return frozenset(connection.execute(chosen).scalars())


def list_unsent(connection: Connection, name: str, now: datetime) -> list[UnsentDigest]:
    """Deliveries of this digest that are due and not claimed."""
    chosen = select(outbox.c.id, outbox.c.destination, outbox.c.payload)
    chosen = chosen.where(outbox.c.what == payloads.DIGEST, _is_unclaimed(now))
    due = [(id_, to, payloads.decode(payloads.Digest, payload)) for id_, to, payload in connection.execute(chosen)]
    return [UnsentDigest(id_, to, payload.since) for id_, to, payload in due if payload.name == name]


def cancel_unsent(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """End these deliveries, if they are still unclaimed: a newer digest covers what they would have."""
    values = {
        "state": "done",
        "done_at": now,
        "claim_id": None,
        "lease_until": None,
        "reason": "merged into a newer digest",
    }
    connection.execute(update(outbox).where(outbox.c.id.in_(ids), _is_unclaimed(now)).values(values))


def _is_unclaimed(now: datetime) -> ColumnElement[bool]:
    return and_(outbox.c.state == "due", or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now))
