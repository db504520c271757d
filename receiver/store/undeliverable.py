"""What a destination did not take: dead for a reason of its own, or waiting behind what is."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from receiver.store import outbox as outbox_rows
from receiver.store.outbox import DUE, IN_GROUP, Delivery
from receiver.store.payloads import GROUPED, SHOW
from receiver.store.schema import outbox


def at(connection: Connection, destination: str, codes: Collection[str]) -> list[Delivery]:
    """What shows items and is dead at this destination for one of these reasons, or waits for it now, oldest first."""
    chosen = (
        select(*(outbox.c[name] for name in Delivery.__slots__))
        .where(outbox.c.destination == destination, outbox.c.what == SHOW)
        .where(or_(outbox.c.state.in_((DUE, IN_GROUP)), and_(outbox.c.state == "dead", _was_refused(codes))))
        .order_by(outbox.c.id)
    )
    return [outbox_rows.as_delivery(row) for row in connection.execute(chosen)]


def gathered(connection: Connection, destination: str, codes: Collection[str]) -> list[int]:
    """Ids of what was to tell of several items at the end of quiet hours and is dead for one of these reasons."""
    chosen = select(outbox.c.id).where(outbox.c.destination == destination, outbox.c.what == GROUPED)
    dead = chosen.where(outbox.c.state == "dead", _was_refused(codes)).order_by(outbox.c.id)
    return list(connection.execute(dead).scalars())


def was_ever_shown(connection: Connection, item_id: str, destination: str) -> bool:
    """Whether the item was shown there, or is about to be, or could not be."""
    chosen = select(outbox.c.id).where(outbox.c.item_id == item_id, outbox.c.destination == destination)
    return connection.execute(chosen.where(outbox.c.what.in_((SHOW, GROUPED))).limit(1)).first() is not None


def _was_refused(codes: Collection[str]) -> ColumnElement[bool]:
    return or_(*(outbox.c.reason.startswith(f"{code}:", autoescape=True) for code in sorted(codes)))
