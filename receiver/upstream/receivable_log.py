"""Buffers receivables in memory until ``ports.Upstream.list_receivables`` collects them; keeps only what changed."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain, groupby

from receiver.domain.twin import Receivable
from receiver.ports import ReceivableBatch

REPEAT_AFTER = timedelta(days=1)


class ReceivableLog:
    """Reports a receivable when it changed, and every receivable again once a day.

    A poll without changes therefore costs the store nothing. The daily repeat covers batches that the store lost.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._pending: list[ReceivableBatch] = []
        self._reported: dict[tuple[str, str], int] = {}
        self._repeat_all_at = now() + REPEAT_AFTER

    def record(
        self,
        as_of: datetime,
        receivables: Iterable[Receivable],
        *,
        is_complete: bool = False,
        listed: frozenset[str] | None = None,
        gone: Collection[str] = (),
    ) -> None:
        """Add what was read at ``as_of``. If any part of a record changed, the whole record is reported.

        ``is_complete``: a complete regular read of the account. ``listed``: keys of all records, when known.
        ``gone``: keys of records that no longer exist.
        """
        if self._now() >= self._repeat_all_at:
            self._reported.clear()
            self._repeat_all_at = self._now() + REPEAT_AFTER
        rows = list(receivables)
        changed = {row.key for row in rows if self._reported.get((row.key, row.reference)) != hash(row)}
        self._reported.update(((row.key, row.reference), hash(row)) for row in rows)
        new_rows = tuple(row for row in rows if row.key in changed)
        if new_rows or is_complete or gone or listed is not None:
            self._pending.append(ReceivableBatch(as_of, new_rows, is_complete, listed, frozenset(gone)))

    def drain(self) -> list[ReceivableBatch]:
        """Return and remove all batches, oldest first; single records of the same time share one batch."""
        pending, self._pending = self._pending, []
        return list(_merge_batches(sorted(pending, key=lambda batch: batch.said_at)))


def _merge_batches(batches: Iterable[ReceivableBatch]) -> Iterator[ReceivableBatch]:
    for as_of, group in groupby(batches, key=lambda batch: batch.said_at):
        rows: dict[str, list[Receivable]] = {}
        other_batches: list[ReceivableBatch] = []
        for batch in group:
            if batch.is_complete or batch.gone or batch.listed is not None:
                other_batches.append(batch)
                continue
            for key, same_key in groupby(batch.receivables, key=lambda row: row.key):
                rows[key] = list(same_key)
        if rows:
            yield ReceivableBatch(as_of, tuple(chain.from_iterable(rows.values())))
        yield from other_batches
