"""Collects the receivables that were read until ``ports.Upstream.list_receivables`` asks for them; in memory only."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain, groupby

from receiver.domain.twin import Receivable
from receiver.ports import ReceivableBatch

ANEW_AFTER = timedelta(days=1)


class ReceivableLog:
    """What was told before is not told again until a day has passed: a poll without changes asks nothing of the store.

    After that all of it is, in case the store was not there to hear it.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._waiting: list[ReceivableBatch] = []
        self._told: dict[tuple[str, str], int] = {}
        self._anew_at = now() + ANEW_AFTER

    def note(
        self,
        said_at: datetime,
        said: Iterable[Receivable],
        *,
        is_pass: bool = False,
        listed: frozenset[str] | None = None,
        gone: Collection[str] = (),
    ) -> None:
        """Keep one reading. A record of which any part is new is told whole."""
        if self._now() >= self._anew_at:
            self._told.clear()
            self._anew_at = self._now() + ANEW_AFTER
        known = list(said)
        changed = {one.key for one in known if self._told.get((one.key, one.reference)) != hash(one)}
        self._told.update(((one.key, one.reference), hash(one)) for one in known)
        news = tuple(one for one in known if one.key in changed)
        if news or is_pass or gone or listed is not None:
            self._waiting.append(ReceivableBatch(said_at, news, is_pass, listed, frozenset(gone)))

    def take(self) -> list[ReceivableBatch]:
        """All that was noted since, oldest first; what single records said at the same time is one book."""
        taken, self._waiting = self._waiting, []
        return list(_bound(sorted(taken, key=lambda book: book.said_at)))


def _bound(books: Iterable[ReceivableBatch]) -> Iterator[ReceivableBatch]:
    for said_at, group in groupby(books, key=lambda book: book.said_at):
        said: dict[str, list[Receivable]] = {}
        others: list[ReceivableBatch] = []
        for book in group:
            if book.is_pass or book.gone or book.listed is not None:
                others.append(book)
                continue
            for key, records in groupby(book.said, key=lambda one: one.key):
                said[key] = list(records)
        if said:
            yield ReceivableBatch(said_at, tuple(chain.from_iterable(said.values())))
        yield from others
