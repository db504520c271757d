"""What the inbox's page lists: a page of items at a time, what blocks first, and the totals above them. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    and_,
    case,
    cast,
    literal,
    or_,
    select,
    type_coerce,
)

from receiver.domain.item import Item
from receiver.domain.totals import Totals
from receiver.store import items, stakes
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


Place = tuple[int, datetime, str]  # rank, opened, key: where a page ends


def page(connection: Connection, wanted: Filter, after: Place | None) -> tuple[list[Item], Place | None]:
    """The next items behind ``after``, and where the page ends; None with the last."""
    chosen = select(item.c.document, _RANK, item.c.opened_at, item.c.key).where(*_where(connection, wanted))
    if after is not None:
        rank, opened_at, key = after
        later = or_(item.c.opened_at > opened_at, and_(item.c.opened_at == opened_at, item.c.key > key))
        chosen = chosen.where(or_(rank < _RANK, and_(literal(rank) == _RANK, later)))
    rows = connection.execute(chosen.order_by(_RANK, item.c.opened_at, item.c.key).limit(MOST + 1)).all()
    last = rows[MOST - 1] if len(rows) > MOST else None
    return [items.whole(row[0]) for row in rows[:MOST]], None if last is None else (last[1], last[2], last[3])


def totals(connection: Connection, wanted: Filter, now: datetime) -> Totals:
    """What stands above the list: what of it waits now, whatever state is asked for."""
    return stakes.totals(connection, now, *_where(connection, replace(wanted, state="all")))


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
        found.append(item.c.document.icontains(f'"claimer":{{"email":"{wanted.mine}"', autoescape=True))
    return found


def _in_whole(connection: Connection, *path: str) -> ColumnElement[JSON]:
    whole = type_coerce(item.c.document, JSON) if connection.dialect.name == "sqlite" else cast(item.c.document, JSON)
    return whole[path]
