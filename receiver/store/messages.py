"""Which messages show which item, and at what version: how every copy is found again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, and_, exists, func, or_, select, type_coerce, update

from receiver.store import upsert
from receiver.store.schema import EPOCH, item, message, outbox

MOST_BEHIND = 200


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """One message about an item. ``maybe_delivered``: another copy may be there that nobody knows of."""

    destination: str
    reference: str
    route: str
    version: int
    state_shown: str | None
    maybe_delivered: bool = False


@dataclass(frozen=True, slots=True)
class Behind:
    """A destination whose message shows an older version, since ``changed_at``, and what last tried to redraw it."""

    item_id: str
    destination: str
    route: str
    changed_at: datetime
    row_id: int | None
    row_state: str | None
    tried_at: datetime | None


def of_item(connection: Connection, item_id: str, destination: str | None = None) -> list[PostedMessage]:
    """All messages of an item, or those at one destination, oldest first."""
    chosen = select(*(message.c[name] for name in PostedMessage.__slots__)).where(message.c.item_id == item_id)
    if destination is not None:
        chosen = chosen.where(message.c.destination == destination)
    return [PostedMessage(*row) for row in connection.execute(chosen.order_by(message.c.id))]


def save(connection: Connection, item_id: str, shown: PostedMessage, now: datetime) -> None:
    """Remember what a message shows now; an older version never overwrites a newer one."""
    values = {name: getattr(shown, name) for name in PostedMessage.__slots__}
    statement = upsert.insert(connection, message).values(item_id=item_id, changed_at=now, **values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[message.c.item_id, message.c.destination, message.c.reference],
            set_={
                "version": shown.version,
                "state_shown": shown.state_shown,
                "maybe_delivered": shown.maybe_delivered,
                "changed_at": now,
            },
            where=message.c.version <= shown.version,
        )
    )


def doubt(connection: Connection, item_id: str, destination: str, reference: str) -> None:
    """What this message shows is not known any more: whoever draws the item next draws it too."""
    where = (message.c.item_id == item_id, message.c.destination == destination, message.c.reference == reference)
    connection.execute(update(message).where(*where).values(version=0))


def forget(connection: Connection, item_id: str, destination: str, reference: str) -> None:
    """The message is not there any more (deleted in Slack)."""
    connection.execute(
        message.delete().where(
            message.c.item_id == item_id, message.c.destination == destination, message.c.reference == reference
        )
    )


def out_of_sync(connection: Connection, before: datetime | None = None) -> int:
    """How many Slack messages show an older version than their item has.

    ``before``: only those that should have been redrawn by then; the others are about to be.
    """
    chosen = select(func.count()).select_from(_WITH_ITEM).where(*_IS_BEHIND)
    return connection.execute(chosen if before is None else chosen.where(item.c.changed_at < before)).scalar_one()


def behind(connection: Connection, now: datetime, shortest: timedelta, longest: timedelta) -> list[Behind]:
    """Slack messages that show an older version, that nothing waiting is about to redraw, and whose time has come; one
    row a destination.

    Each is tried again after twice as long as before, within ``shortest`` and ``longest``: what is refused today may
    pass tomorrow, when somebody has seen to it.
    """
    on_its_way = exists().where(*_OF_THE_MESSAGE, outbox.c.state.in_(("due", "deferred")))
    newest = select(func.max(outbox.c.id)).where(*_OF_THE_MESSAGE).scalar_subquery()
    late = (
        select(message.c.item_id, message.c.destination, func.min(message.c.route).label("route"), item.c.changed_at)
        .add_columns(newest.label("row_id"))
        .select_from(_WITH_ITEM)
        .where(*_IS_BEHIND, ~on_its_way)
        .group_by(message.c.item_id, message.c.destination, item.c.changed_at)
        .subquery()
    )
    tried_at = func.coalesce(outbox.c.done_at, outbox.c.created_at)
    waited = type_coerce(tried_at, BigInteger) * 2 - type_coerce(late.c.changed_at, BigInteger)
    is_time = or_(
        outbox.c.id.is_(None),
        tried_at <= now - longest,
        and_(tried_at <= now - shortest, waited <= (now - EPOCH) // timedelta(microseconds=1)),
    )
    chosen = select(late, outbox.c.state, tried_at).select_from(late.outerjoin(outbox, outbox.c.id == late.c.row_id))
    rows = connection.execute(chosen.where(is_time).order_by(late.c.changed_at).limit(MOST_BEHIND))
    return [Behind(*row) for row in rows]


_WITH_ITEM = message.join(item, item.c.id == message.c.item_id)
_IS_BEHIND = (message.c.version < item.c.version, message.c.destination.like("slack:%"))
_OF_THE_MESSAGE = (
    outbox.c.item_id == message.c.item_id,
    outbox.c.destination == message.c.destination,
    outbox.c.what == "show",
)
