"""What a destination did not take: dead for a reason of its own, or waiting behind what is."""

from collections.abc import Collection

from sqlalchemy import Connection, and_, or_, select

from receiver.store import outbox as outbox_rows
from receiver.store.outbox import DUE, GATHER, SHOW, SWEPT, Delivery
from receiver.store.schema import outbox


def at(connection: Connection, destination: str, codes: Collection[str]) -> list[Delivery]:
    """What shows items and is dead at this destination for one of these reasons, or waits for it now, oldest first."""
    was_refused = or_(*(outbox.c.reason.startswith(f"{code}:", autoescape=True) for code in sorted(codes)))
    chosen = (
        select(*(outbox.c[name] for name in Delivery.__slots__))
        .where(outbox.c.destination == destination, outbox.c.what == SHOW)
        .where(or_(outbox.c.state.in_((DUE, SWEPT)), and_(outbox.c.state == "dead", was_refused)))
        .order_by(outbox.c.id)
    )
    return [outbox_rows.delivery_of(row) for row in connection.execute(chosen)]


def was_ever_shown(connection: Connection, item_id: str, destination: str) -> bool:
    """Whether the item was shown there, or is about to be, or could not be."""
    chosen = select(outbox.c.id).where(outbox.c.item_id == item_id, outbox.c.destination == destination)
    return connection.execute(chosen.where(outbox.c.what.in_((SHOW, GATHER))).limit(1)).first() is not None
