"""The messages about each item and the version that each shows, so that every copy can be updated."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, and_, exists, func, or_, select, type_coerce, update

from receiver.store import upsert
from receiver.store.schema import EPOCH, item, message, outbox

MAX_OUTDATED = 200


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """One message about an item. ``maybe_delivered``: an unknown second copy may exist."""

    destination: str
    reference: str
    route: str
    version: int
    state_shown: str | None
    maybe_delivered: bool = False


@dataclass(frozen=True, slots=True)
class OutdatedMessage:
    """A destination whose message is outdated since ``changed_at``, and the last delivery that tried to update it."""

    item_id: str
    destination: str
    route: str
    changed_at: datetime
    row_id: int | None
    row_state: str | None
    tried_at: datetime | None


def list_of_item(connection: Connection, item_id: str, destination: str | None = None) -> list[PostedMessage]:
    """All messages of an item, or those at one destination, oldest first."""
    chosen = select(*(message.c[name] for name in PostedMessage.__slots__)).where(message.c.item_id == item_id)
    if destination is not None:
        chosen = chosen.where(message.c.destination == destination)
    return [PostedMessage(*row) for row in connection.execute(chosen.order_by(message.c.id))]


def save(connection: Connection, item_id: str, posted: PostedMessage, now: datetime) -> None:
    """Record what a message shows. An older version never overwrites a newer one."""
    values = {name: getattr(posted, name) for name in PostedMessage.__slots__}
    statement = upsert.insert(connection, message).values(item_id=item_id, changed_at=now, **values)
    shown = {name: values[name] for name in ("version", "state_shown", "maybe_delivered")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[message.c.item_id, message.c.destination, message.c.reference],
            set_={**shown, "changed_at": now},
            where=message.c.version <= posted.version,
        )
    )


def mark_unknown(connection: Connection, item_id: str, destination: str, reference: str) -> None:
    """Record that it is unknown what the message shows: the next delivery updates it."""
    where = (message.c.item_id == item_id, message.c.destination == destination, message.c.reference == reference)
    connection.execute(update(message).where(*where).values(version=0))


def delete(connection: Connection, item_id: str, destination: str, reference: str) -> None:
    """Forget a message that does not exist any more, such as one deleted in Slack."""
    where = (message.c.item_id == item_id, message.c.destination == destination, message.c.reference == reference)
    connection.execute(message.delete().where(*where))


def count_outdated(connection: Connection, before: datetime | None = None) -> int:
    """The number of Slack messages that show an older version than their item has.

    ``before``: only those whose item changed before then; the others are about to be updated.
    """
    chosen = select(func.count()).select_from(_WITH_ITEM).where(*_IS_OUTDATED)
    return connection.execute(chosen if before is None else chosen.where(item.c.changed_at < before)).scalar_one()


def list_outdated(
    connection: Connection, now: datetime, shortest: timedelta, longest: timedelta
) -> list[OutdatedMessage]:
    """Outdated Slack messages without a pending delivery that are due for another attempt, one row per destination.

    The interval between attempts doubles, from ``shortest`` to ``longest``: what is refused today may pass tomorrow.
    """
    is_pending = exists().where(*_OF_THE_MESSAGE, outbox.c.state.in_(("due", "deferred")))
    newest = select(func.max(outbox.c.id)).where(*_OF_THE_MESSAGE).scalar_subquery()
    outdated = (
        select(message.c.item_id, message.c.destination, func.min(message.c.route).label("route"), item.c.changed_at)
        .add_columns(newest.label("row_id"))
        .select_from(_WITH_ITEM)
        .where(*_IS_OUTDATED, ~is_pending)
        .group_by(message.c.item_id, message.c.destination, item.c.changed_at)
        .subquery()
    )
    tried_at = func.coalesce(outbox.c.done_at, outbox.c.created_at)
    waited = type_coerce(tried_at, BigInteger) * 2 - type_coerce(outdated.c.changed_at, BigInteger)
    is_due = or_(
        outbox.c.id.is_(None),
        tried_at <= now - longest,
        and_(tried_at <= now - shortest, waited <= (now - EPOCH) // timedelta(microseconds=1)),
    )
    chosen = select(outdated, outbox.c.state, tried_at).select_from(
        outdated.outerjoin(outbox, outbox.c.id == outdated.c.row_id)
    )
    rows = connection.execute(chosen.where(is_due).order_by(outdated.c.changed_at).limit(MAX_OUTDATED))
    return [OutdatedMessage(*row) for row in rows]


_WITH_ITEM = message.join(item, item.c.id == message.c.item_id)
_IS_OUTDATED = (message.c.version < item.c.version, message.c.destination.like("slack:%"))
_OF_THE_MESSAGE = (
    outbox.c.item_id == message.c.item_id,
    outbox.c.destination == message.c.destination,
    outbox.c.what == "show",
)
