"""The inbox: pages of items, blocking ones first, and the totals above them. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import JSON, ColumnElement, Connection, and_, case, cast, literal, or_, select, type_coerce

from receiver.domain.item import Item
from receiver.domain.totals import Totals
from receiver.store import items, stakes
from receiver.store.schema import item

PAGE_SIZE = 50
MAX_WORDS = 5
SEARCHED = ("key", "reference", "case_reference", "debtor", "title", "question", "quote")
_RANK = case((item.c.urgency == "blocking", 0), (item.c.urgency == "review", 1), else_=2)


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty: any. ``words``: each must occur in one of ``SEARCHED``. ``mine``: the address of the claimer."""

    state: str = "open"  # open: all that is not resolved; resolved; all
    kind: str = ""
    source: str = ""
    account: str = ""
    words: str = ""
    mine: str = ""


Cursor = tuple[int, datetime, str]  # rank, opened_at, key of the last item of a page


def list_page(connection: Connection, wanted: Filter, after: Cursor | None) -> tuple[list[Item], Cursor | None]:
    """The items after the cursor, and the cursor of the next page; None on the last page."""
    chosen = select(item.c.document, _RANK, item.c.opened_at, item.c.key).where(*_conditions(connection, wanted))
    if after is not None:
        rank, opened_at, key = after
        later = or_(item.c.opened_at > opened_at, and_(item.c.opened_at == opened_at, item.c.key > key))
        chosen = chosen.where(or_(rank < _RANK, and_(literal(rank) == _RANK, later)))
    rows = connection.execute(chosen.order_by(_RANK, item.c.opened_at, item.c.key).limit(PAGE_SIZE + 1)).all()
    last = rows[PAGE_SIZE - 1] if len(rows) > PAGE_SIZE else None
    return [items.from_json(row[0]) for row in rows[:PAGE_SIZE]], None if last is None else (last[1], last[2], last[3])


def totals(connection: Connection, wanted: Filter, now: datetime) -> Totals:
    """The totals of the unresolved items that match the filter, whatever its state."""
    return stakes.compute_totals(connection, now, *_conditions(connection, replace(wanted, state="all")))


def list_choices(connection: Connection) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """The existing kinds and accounts, for the form of the filter."""
    kinds = connection.execute(select(item.c.kind).distinct().order_by(item.c.kind)).scalars().all()
    accounts = connection.execute(select(item.c.source, item.c.account).distinct().order_by(item.c.source)).all()
    return kinds, [(row.source, row.account) for row in accounts]


def _conditions(connection: Connection, wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.state == "open":
        conditions.append(item.c.state != "resolved")
    elif wanted.state == "resolved":
        conditions.append(item.c.state == "resolved")
    for column, word in ((item.c.kind, wanted.kind), (item.c.source, wanted.source), (item.c.account, wanted.account)):
        if word:
            conditions.append(column == word)
    searched = [_in_document(connection, "snapshot", name).as_string() for name in SEARCHED]
    words = wanted.words.split()[:MAX_WORDS]
    conditions += [or_(*(field.icontains(word, autoescape=True) for field in searched)) for word in words]
    if wanted.mine:
        conditions.append(item.c.document.icontains(f'"claimer":{{"email":"{wanted.mine}"', autoescape=True))
    return conditions


def _in_document(connection: Connection, *path: str) -> ColumnElement[JSON]:
    document = (
        type_coerce(item.c.document, JSON) if connection.dialect.name == "sqlite" else cast(item.c.document, JSON)
    )
    return document[path]
