"""What the items add to the totals, without reading the whole of each. Only reads.

The column ``stake`` is written with its item; where an older version has written none, the item itself is read.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, case, select

from receiver.domain.item import Item
from receiver.domain.totals import Stake, Totals, add_stakes, stake_of
from receiver.store import items
from receiver.store.schema import EPOCH, item

ROWS_AT_ONCE = 500
KEPT_FOR = timedelta(minutes=1)  # while nothing changes: by the clock alone something may fall due
_stake = TypeAdapter(Stake)
_whole = TypeAdapter(Item)


def totals(connection: Connection, now: datetime, *where: ColumnElement[bool]) -> Totals:
    """The totals of the items for which this is so."""
    return add_stakes(_stakes(connection, *where), now)


class AllTotals:
    """The totals of all items, added up again after a change and once a minute: Home tabs and metrics share them."""

    def __init__(self) -> None:
        self._kept: tuple[object, Totals] = (None, Totals())

    def read(self, connection: Connection, now: datetime) -> Totals:
        """The totals now."""
        mark = (items.pulse(connection), (now - EPOCH) // KEPT_FOR)
        if self._kept[0] != mark:
            self._kept = (mark, totals(connection, now))
        return self._kept[1]


def written(of: Item) -> str | None:
    """What the column holds; nothing for what is resolved."""
    return None if of.state == "resolved" else _stake.dump_json(stake_of(of), exclude_defaults=True).decode()


def read(text: str) -> Stake:
    """What ``written`` made of it."""
    return _stake.validate_json(text)


def _stakes(connection: Connection, *where: ColumnElement[bool]) -> Iterator[Stake]:
    whole = case((item.c.stake.is_(None), item.c.document))
    chosen = select(item.c.stake, whole).where(item.c.state != "resolved", *where)
    for stake, older in connection.execute(chosen.execution_options(yield_per=ROWS_AT_ONCE)):
        yield read(stake) if stake else stake_of(_whole.validate_json(older))
