"""What the inbox's page lists: a page of items at a time, what blocks first, and the figures above them. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    type_coerce,
)

from receiver.domain.item import Item
from receiver.domain.money import Money
from receiver.store import items
from receiver.store.schema import item

MOST = 50
MOST_WORDS = 5
SEARCHED = ("key", "reference", "case_reference", "debtor", "title", "question", "quote")
_RANK = case((item.c.urgency == "blocking", 0), (item.c.urgency == "review", 1), else_=2)


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty: any. ``words``: each somewhere in the ``SEARCHED``; ``mine``: the address of who claimed it."""

    state: str = "open"  # open: all that is not resolved; resolved; all
    kind: str = ""
    source: str = ""
    account: str = ""
    words: str = ""
    mine: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """``at_risk``: one total a currency, of items that name one."""

    count: int
    blocking: int
    oldest: datetime | None
    at_risk: tuple[Money, ...]


Place = tuple[int, datetime, str]  # rank, opened, key: where a page ends


def page(connection: Connection, wanted: Filter, after: Place | None) -> tuple[list[Item], Place | None]:
    """The next items behind ``after``, and where the page ends; None with the last."""
    chosen = select(item.c.whole, _RANK, item.c.opened_at, item.c.key).where(*_where(connection, wanted))
    if after is not None:
        rank, opened_at, key = after
        later = or_(item.c.opened_at > opened_at, and_(item.c.opened_at == opened_at, item.c.key > key))
        chosen = chosen.where(or_(rank < _RANK, and_(literal(rank) == _RANK, later)))
    rows = connection.execute(chosen.order_by(_RANK, item.c.opened_at, item.c.key).limit(MOST + 1)).all()
    last = rows[MOST - 1] if len(rows) > MOST else None
    return [items.whole(row[0]) for row in rows[:MOST]], None if last is None else (last[1], last[2], last[3])


def figures(connection: Connection, wanted: Filter) -> Figures:
    """What stands above the list."""
    where = _where(connection, wanted)
    blocking = func.sum(case((item.c.urgency == "blocking", 1), else_=0))
    chosen = select(func.count(), blocking, func.min(item.c.opened_at)).where(*where)
    count, blocked, oldest = connection.execute(chosen).one()
    currency, minor = (_in_whole(connection, "snapshot", "amount", name) for name in ("currency", "minor"))
    total = func.sum(cast(minor.as_string(), BigInteger))
    sums = select(currency.as_string(), total).where(*where).group_by(currency.as_string())
    totals = [Money(int(sum_), name) for name, sum_ in connection.execute(sums) if name and sum_]
    return Figures(count, int(blocked or 0), oldest, tuple(sorted(totals, key=lambda money: money.currency or "")))


def choices(connection: Connection) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """Kinds and accounts that there are, to choose from."""
    kinds = connection.execute(select(item.c.kind).distinct().order_by(item.c.kind)).scalars().all()
    accounts = connection.execute(select(item.c.source, item.c.account).distinct().order_by(item.c.source)).all()
    return kinds, [(row.source, row.account) for row in accounts]


def _where(connection: Connection, wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state == "open":
        found.append(item.c.state != "resolved")
    elif wanted.state == "resolved":
        found.append(item.c.state == "resolved")
    for column, word in ((item.c.kind, wanted.kind), (item.c.source, wanted.source), (item.c.account, wanted.account)):
        if word:
            found.append(column == word)
    searched = [_in_whole(connection, "snapshot", name).as_string() for name in SEARCHED]
    words = wanted.words.split()[:MOST_WORDS]
    found += [or_(*(field.icontains(word, autoescape=True) for field in searched)) for word in words]
    if wanted.mine:
        found.append(item.c.whole.icontains(f'"claimer":{{"email":"{wanted.mine}"', autoescape=True))
    return found


def _in_whole(connection: Connection, *path: str) -> ColumnElement[JSON]:
    whole = type_coerce(item.c.whole, JSON) if connection.dialect.name == "sqlite" else cast(item.c.whole, JSON)
    return whole[path]
