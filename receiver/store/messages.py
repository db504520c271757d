"""Which messages show which item, and at what version: how every copy is found again."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from receiver.store import upsert
from receiver.store.schema import item, message


@dataclass(frozen=True, slots=True)
class Shown:
    """One message about an item. ``is_doubtful``: another copy may be there that nobody knows of."""

    destination: str
    reference: str
    route: str
    version: int
    state_shown: str | None
    is_doubtful: bool = False


def of_item(connection: Connection, item_id: str, destination: str | None = None) -> list[Shown]:
    """All messages of an item, or those at one destination, oldest first."""
    chosen = select(*(message.c[name] for name in Shown.__slots__)).where(message.c.item_id == item_id)
    if destination is not None:
        chosen = chosen.where(message.c.destination == destination)
    return [Shown(*row) for row in connection.execute(chosen.order_by(message.c.id))]


def save(connection: Connection, item_id: str, shown: Shown, now: datetime) -> None:
    """Remember what a message shows now; an older version never overwrites a newer one."""
    values = {name: getattr(shown, name) for name in Shown.__slots__}
    statement = upsert.insert(connection, message).values(item_id=item_id, changed_at=now, **values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[message.c.item_id, message.c.destination, message.c.reference],
            set_={"version": shown.version, "state_shown": shown.state_shown, "changed_at": now},
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


def out_of_sync(connection: Connection) -> int:
    """How many Slack messages show an older version than their item has."""
    return connection.execute(
        select(func.count())
        .select_from(message.join(item, item.c.id == message.c.item_id))
        .where(message.c.version < item.c.version, message.c.destination.like("slack:%"))
    ).scalar_one()
