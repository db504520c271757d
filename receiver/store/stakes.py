"""Totals over items, computed from the column ``stake``; the document is read where it is null. Only reads."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, case, select

from receiver.domain.item import Item
from receiver.domain.totals import Stake, Totals, stake_of, sum_stakes
from receiver.store import items
from receiver.store.schema import EPOCH, item

ROWS_AT_ONCE = 500
KEPT_FOR = timedelta(minutes=1)  # when nothing changes: an item may become overdue by time alone
_stake = TypeAdapter(Stake)
_item = TypeAdapter(Item)


def compute_totals(connection: Connection, now: datetime, *where: ColumnElement[bool]) -> Totals:
    """The totals of the unresolved items that match the conditions."""
    return sum_stakes(_list_stakes(connection, *where), now)


class AllTotals:
    """The totals of all items, computed after a change and once a minute. App Homes and metrics share them."""

    def __init__(self) -> None:
        self._cached: tuple[object, Totals] = (None, Totals())

    def read(self, connection: Connection, now: datetime) -> Totals:
        """The totals now."""
        marker = (items.change_marker(connection), (now - EPOCH) // KEPT_FOR)
        if self._cached[0] != marker:
            self._cached = (marker, compute_totals(connection, now))
        return self._cached[1]


def to_column(of: Item) -> str | None:
    """The value of the column ``stake``; None for a resolved item."""
    return None if of.state == "resolved" else _stake.dump_json(stake_of(of), exclude_defaults=True).decode()


def from_column(text: str) -> Stake:
    """The stake in a value of the column."""
    return _stake.validate_json(text)


def _list_stakes(connection: Connection, *where: ColumnElement[bool]) -> Iterator[Stake]:
    whole = case((item.c.stake.is_(None), item.c.document))
    chosen = select(item.c.stake, whole).where(item.c.state != "resolved", *where)
    for stake, older in connection.execute(chosen.execution_options(yield_per=ROWS_AT_ONCE)):
        yield from_column(stake) if stake else stake_of(_item.validate_json(older))
