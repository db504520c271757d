"""Items that are opened in one transaction, written together: the first pass over an account opens thousands."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from receiver.domain.item import Item
from receiver.store import items, outbox
from receiver.store.payloads import Show


class BulkInsert:
    """What is opened and not yet written. ``keys``: of these items."""

    def __init__(self, connection: Connection) -> None:
        self.keys: set[str] = set()
        self._connection = connection
        self._items: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._shows: list[dict[str, Any]] = []

    def add(self, item: Item, event: items.Event, shows: Iterable[tuple[str, str, bool]], now: datetime) -> None:
        """``shows``: destinations, the route that names each, and whether its quiet hours hold it back."""
        self.keys.add(item.key)
        self._items.append(items.values_of(item))
        self._events.append(items.event_of(item.id, event))
        for place, route, is_deferred in shows:
            state = outbox.DEFERRED if is_deferred else outbox.DUE
            self._shows.append(outbox.row_values(item.id, place, Show(route), now, state=state))

    def write(self) -> None:
        """Put down what was added; needed before anything of these items is read."""
        if not self.keys:
            return
        items.save_all(self._connection, self._items)
        items.record_all(self._connection, self._events)
        outbox.enqueue_all(self._connection, self._shows)
        for written in (self.keys, self._items, self._events, self._shows):
            written.clear()
