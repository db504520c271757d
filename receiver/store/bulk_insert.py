"""Writes the items that one transaction opens in a few statements: the first sync of an account opens thousands."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from receiver.domain.item import Item
from receiver.store import items, outbox
from receiver.store.payloads import Show


class BulkInsert:
    """Items that are opened and not yet written. ``keys``: their keys."""

    def __init__(self, connection: Connection) -> None:
        self.keys: set[str] = set()
        self._connection = connection
        self._items: list[dict[str, Any]] = []
        self._history: list[dict[str, Any]] = []
        self._shows: list[dict[str, Any]] = []

    def add(self, item: Item, entry: items.HistoryEntry, shows: Iterable[tuple[str, str, bool]], now: datetime) -> None:
        """``shows``: destination, route name, and whether quiet hours defer the delivery."""
        self.keys.add(item.key)
        self._items.append(items.row_values(item))
        self._history.append(items.history_values(item.id, entry))
        for destination, route, is_deferred in shows:
            state = outbox.DEFERRED if is_deferred else outbox.DUE
            self._shows.append(outbox.row_values(item.id, destination, Show(route), now, state=state))

    def write(self) -> None:
        """Write what was added. Must be called before anything of these items is read."""
        if not self.keys:
            return
        items.save_all(self._connection, self._items)
        items.add_history_all(self._connection, self._history)
        outbox.enqueue_all(self._connection, self._shows)
        for rows in (self.keys, self._items, self._history, self._shows):
            rows.clear()
