"""The statements of a claim of the outbox, written once: writing one takes longer than running it."""

from functools import lru_cache

from sqlalchemy import ColumnElement, Executable, Integer, and_, bindparam, case, exists, func, or_, select, update

from receiver.store.payloads import COMMAND
from receiver.store.schema import Instant, outbox

_NOW = bindparam("now", type_=Instant)


@lru_cache(maxsize=256)
def statement(only: tuple[ColumnElement[bool], ...], names: tuple[str, ...]) -> Executable:
    """A claim under these further conditions that returns these columns; ``outbox.claim`` has its values."""
    is_under_way = case((outbox.c.lease_until >= _NOW, 1), else_=0)
    place = func.row_number().over(
        partition_by=outbox.c.destination, order_by=(is_under_way.desc(), outbox.c.due_at, outbox.c.id)
    )
    ranked = (
        select(outbox.c.id, outbox.c.due_at, is_under_way.label("is_under_way"), place.label("place"))
        .where(outbox.c.state == "due")
        .where(or_(outbox.c.lease_until >= _NOW, and_(_is_ready(), *only)))
        .subquery()
    )
    chosen = (
        select(outbox.c.id)
        .join(ranked, ranked.c.id == outbox.c.id)
        .where(ranked.c.is_under_way == 0, ranked.c.place <= bindparam("each", type_=Integer))
        .where(outbox.c.state == "due", _is_free())  # looked at again under the lock
        .order_by(ranked.c.due_at, ranked.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(of=outbox, skip_locked=True)
        .cte()
    )
    return (
        update(outbox)
        .where(outbox.c.id.in_(select(chosen.c.id)))
        .values(
            claim_id=bindparam("claimer", type_=outbox.c.claim_id.type),
            lease_until=case(
                (outbox.c.what == COMMAND, bindparam("order_until", type_=Instant)),
                else_=bindparam("until", type_=Instant),
            ),
            attempts=outbox.c.attempts + 1,
            # a claim id that is still there belongs to somebody who never told how it ended
            maybe_delivered=case((outbox.c.claim_id.is_not(None), True), else_=outbox.c.maybe_delivered),
        )
        .returning(*(outbox.c[name] for name in names))
    )


def _is_ready() -> ColumnElement[bool]:
    """Due, nobody's, and no other delivery of the same item and destination before it or under way."""
    other = outbox.alias()
    in_the_way = exists().where(
        other.c.item_id == outbox.c.item_id,
        other.c.destination == outbox.c.destination,
        other.c.state == "due",
        other.c.id != outbox.c.id,
        or_(other.c.id < outbox.c.id, other.c.lease_until >= _NOW),
    )
    is_busy = outbox.c.destination.in_(bindparam("busy", expanding=True))
    return and_(outbox.c.due_at <= _NOW, ~is_busy, _is_free(), ~in_the_way)


def _is_free() -> ColumnElement[bool]:
    return or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < _NOW)


REAPING = (
    update(outbox)
    .where(outbox.c.lease_until < _NOW, outbox.c.state == "due")
    .values(claim_id=None, lease_until=None, maybe_delivered=True, lost_leases=outbox.c.lost_leases + 1)
)
