"""Deliveries that a destination rejected: dead, or due behind dead ones."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from receiver.store.outbox import DUE, IN_GROUP, Delivery, as_delivery
from receiver.store.payloads import GROUPED, SHOW
from receiver.store.schema import outbox


def list_undeliverable(connection: Connection, destination: str, codes: Collection[str]) -> list[Delivery]:
    """SHOW deliveries of the destination that are due, or dead with one of these codes, oldest first."""
    chosen = (
        select(*(outbox.c[name] for name in Delivery.__slots__))
        .where(outbox.c.destination == destination, outbox.c.what == SHOW)
        .where(or_(outbox.c.state.in_((DUE, IN_GROUP)), and_(outbox.c.state == "dead", _was_refused(codes))))
        .order_by(outbox.c.id)
    )
    return [as_delivery(row) for row in connection.execute(chosen)]


def list_dead_grouped(connection: Connection, destination: str, codes: Collection[str]) -> list[int]:
    """Ids of GROUPED deliveries of the destination that are dead with one of these codes."""
    chosen = select(outbox.c.id).where(outbox.c.destination == destination, outbox.c.what == GROUPED)
    dead = chosen.where(outbox.c.state == "dead", _was_refused(codes)).order_by(outbox.c.id)
    return list(connection.execute(dead).scalars())


def was_ever_shown(connection: Connection, item_id: str, destination: str) -> bool:
    """Whether the outbox has any delivery that shows the item at the destination."""
    chosen = select(outbox.c.id).where(outbox.c.item_id == item_id, outbox.c.destination == destination)
    return connection.execute(chosen.where(outbox.c.what.in_((SHOW, GROUPED))).limit(1)).first() is not None


def _was_refused(codes: Collection[str]) -> ColumnElement[bool]:
    return or_(*(outbox.c.reason.startswith(f"{code}:", autoescape=True) for code in sorted(codes)))
