"""The SQL of a claim of the outbox, compiled once: building the statement takes longer than running it."""

from functools import lru_cache

from sqlalchemy import (
    CTE,
    ColumnElement,
    Executable,
    Integer,
    Subquery,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from receiver.store.payloads import COMMAND
from receiver.store.schema import Instant, outbox

_NOW = bindparam("now", type_=Instant)


@lru_cache(maxsize=256)
def claim_statement(only: tuple[ColumnElement[bool], ...], names: tuple[str, ...]) -> Executable:
    """A claim under these further conditions that returns these columns. ``claims.claim`` has its parameters."""
    return (
        update(outbox)
        .where(outbox.c.id.in_(select(_lock_rows(_rank_rows(only)).c.id)))
        .values(
            claim_id=bindparam("claimer", type_=outbox.c.claim_id.type),
            lease_until=case(
                (outbox.c.what == COMMAND, bindparam("command_until", type_=Instant)),
                else_=bindparam("until", type_=Instant),
            ),
            attempts=outbox.c.attempts + 1,
            # a claim id that is still there belongs to a claim that ended without an outcome
            maybe_delivered=case((outbox.c.claim_id.is_not(None), True), else_=outbox.c.maybe_delivered),
        )
        .returning(*(outbox.c[name] for name in names))
    )


def _rank_rows(only: tuple[ColumnElement[bool], ...]) -> Subquery:
    """Leased and ready rows with their position in the queue of their destination, leased ones first."""
    is_leased = case((outbox.c.lease_until >= _NOW, 1), else_=0)
    position = func.row_number().over(
        partition_by=outbox.c.destination, order_by=(is_leased.desc(), outbox.c.due_at, outbox.c.id)
    )
    return (
        select(outbox.c.id, outbox.c.due_at, is_leased.label("is_leased"), position.label("position"))
        .where(outbox.c.state == "due")
        .where(or_(outbox.c.lease_until >= _NOW, and_(_is_ready(), *only)))
        .subquery()
    )


def _lock_rows(ranked: Subquery) -> CTE:
    """The rows to claim, locked. A CTE, so that the limit is evaluated once."""
    return (
        select(outbox.c.id)
        .join(ranked, ranked.c.id == outbox.c.id)
        .where(ranked.c.is_leased == 0, ranked.c.position <= bindparam("each", type_=Integer))
        .where(outbox.c.state == "due", _is_unleased())  # checked again under the lock
        .order_by(ranked.c.due_at, ranked.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(of=outbox, skip_locked=True)
        .cte()
    )


def _is_ready() -> ColumnElement[bool]:
    """Due, unleased, and no other delivery of the same item and destination is older or leased."""
    other = outbox.alias()
    is_blocked = exists().where(
        other.c.item_id == outbox.c.item_id,
        other.c.destination == outbox.c.destination,
        other.c.state == "due",
        other.c.id != outbox.c.id,
        or_(other.c.id < outbox.c.id, other.c.lease_until >= _NOW),
    )
    is_busy = outbox.c.destination.in_(bindparam("busy", expanding=True))
    return and_(outbox.c.due_at <= _NOW, ~is_busy, _is_unleased(), ~is_blocked)


def _is_unleased() -> ColumnElement[bool]:
    return or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < _NOW)


REAP_STATEMENT = (
    update(outbox)
    .where(outbox.c.lease_until < _NOW, outbox.c.state == "due")
    .values(claim_id=None, lease_until=None, maybe_delivered=True, lost_leases=outbox.c.lost_leases + 1)
)
