"""Compares the receivables of two systems: a match is shown as a twin, a contradiction becomes a conflict item.

A conflict opens, changes and closes by facts, like every item, and only after a complete sync with both systems since
either of them reported a change. So a payment that one system books a minute before the other is no conflict, and a
system that does not answer changes nothing (docs/decisions/0012).
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.domain import conflict
from receiver.domain.fact import Fact, SourceGone, SourceReported, TwinChanged
from receiver.domain.item import Item
from receiver.domain.routing import Route
from receiver.domain.twin import Pair, Receivable, find_pairs
from receiver.errors import DeliveryError
from receiver.observability import log
from receiver.pipeline.apply import apply_facts
from receiver.ports import ReceivableBatch, Upstream
from receiver.store import accounts, items, receivables, twins

IN_ONE_COMMIT = 100

SyncTimes = dict[tuple[str, str], datetime]  # (source, account) to the start of its last complete sync


async def match_receivables(adapters: Adapters, upstream: Upstream) -> None:
    """Store what an account reports of its receivables, then compare those that can be compared now.

    When the account does not answer, its last reported state stays.
    """
    try:
        batches = await upstream.list_receivables()
    except DeliveryError as error:
        log.warning(
            "matching.list_receivables.failed", source=upstream.source, account=upstream.account, reason=error.code
        )
        return
    for batch in batches:
        await _store_batch(adapters, upstream, batch)
    adapters.wakeups.notify(OUTBOX_WAKEUP)


async def _store_batch(adapters: Adapters, upstream: Upstream, batch: ReceivableBatch) -> None:
    account = (upstream.source, upstream.account)
    for records in _split_by_key(batch.receivables):
        await adapters.database.write(_save, records, batch.said_at, adapters.now(), adapters.rules.routes)
    changed: list[str] = []
    if batch.gone or batch.listed is not None:
        changed = await adapters.database.write(_forget, account, batch, adapters.now(), adapters.rules.routes)
    if batch.is_complete:
        changed += await adapters.database.write(_record_sync, account, batch.said_at)
    for references in _slices(sorted(set(changed))):
        await adapters.database.write(_compare, references, adapters.now(), adapters.rules.routes)


def _save(
    connection: Connection,
    reported: Sequence[Receivable],
    reported_at: datetime,
    now: datetime,
    routes: Sequence[Route],
) -> None:
    receivables.lock(connection)
    changed = receivables.save(connection, reported, reported_at)
    _apply(connection, _twin_changes(connection, sorted(changed)), now, routes)


def _forget(
    connection: Connection, account: tuple[str, str], batch: ReceivableBatch, now: datetime, routes: Sequence[Route]
) -> list[str]:
    """Delete what the account no longer has; return the references."""
    receivables.lock(connection)
    gone = receivables.delete_records(connection, batch.gone)
    if batch.listed is not None:
        gone |= receivables.delete_unlisted(connection, *account, batch.listed, now)
    _apply(connection, _twin_changes(connection, sorted(gone)), now, routes)
    return sorted(gone)


def _record_sync(connection: Connection, account: tuple[str, str], began_at: datetime) -> list[str]:
    """Record a complete sync with the account; return the references that can be compared because of it."""
    receivables.lock(connection)
    before = accounts.receivables_syncs(connection)
    since = [before.get(account)] + [at for other, at in before.items() if other[0] != account[0]]
    accounts.record_receivables_sync(connection, *account, began_at)
    oldest = None if None in since else min(at for at in since if at)
    return receivables.list_shared_since(connection, oldest)


def _compare(connection: Connection, references: Sequence[str], now: datetime, routes: Sequence[Route]) -> None:
    receivables.lock(connection)
    _apply(connection, _conflict_changes(connection, references, now), now, routes)


def _apply(connection: Connection, facts: Iterable[Fact], now: datetime, routes: Sequence[Route]) -> None:
    if found := list(facts):
        apply_facts(connection, found, now, routes)


def _twin_changes(connection: Connection, references: Sequence[str]) -> Iterator[Fact]:
    """A fact for every open item of these references whose twin has changed."""
    sources = receivables.list_sources(connection, references)
    about = {
        item.key: item
        for reference in references
        for item in _affected_items(connection, reference, sources.get(reference, set()))
    }
    for item in about.values():
        twin = twins.find_twin(connection, item.snapshot)
        if twin != item.twin:
            yield TwinChanged(item.key, twin)


def _conflict_changes(connection: Connection, references: Sequence[str], now: datetime) -> Iterator[Fact]:
    """Conflicts of these references that open, change or close, if both sides were synced since they changed."""
    synced_at = accounts.receivables_syncs(connection)
    for reference in references:
        records = receivables.list_by_reference(connection, reference)
        found = {conflict.key_of(pair): pair for pair in find_pairs(record.receivable for record in records)}
        changed_at: dict[str, datetime] = {}
        for record in sorted(records, key=lambda record: record.changed_at):
            changed_at[record.receivable.side] = record.changed_at
        known = {item.key for item in items.list_open_by_reference(connection, reference) if item.kind == conflict.KIND}
        for key, pair in found.items():
            if _is_current(pair, changed_at, synced_at):
                yield from _conflict_facts(connection, pair, key in known, now)
        for key in known - found.keys():  # one side no longer exists
            yield SourceGone(key, now, outcome=conflict.AGREED)


def _conflict_facts(connection: Connection, pair: Pair, is_open: bool, now: datetime) -> Iterator[Fact]:
    snapshot = conflict.conflict_snapshot(pair)
    if snapshot is not None:
        sides = tuple(twins.with_link(connection, side, pair.one.reference) for side in snapshot.sides)
        yield SourceReported(replace(snapshot, sides=sides), now)
    elif is_open:
        yield SourceGone(conflict.key_of(pair), now, outcome=conflict.AGREED)


def _is_current(pair: Pair, changed_at: dict[str, datetime], synced_at: SyncTimes) -> bool:
    """Whether both accounts had a complete sync since either side of the pair last changed."""
    since = max(changed_at[pair.one.side], changed_at[pair.other.side])
    syncs = [synced_at.get((side.source, side.account)) for side in (pair.one, pair.other)]
    return all(began_at is not None and began_at >= since for began_at in syncs)


def _affected_items(connection: Connection, reference: str, sources: AbstractSet[str]) -> list[Item]:
    """Open items whose twin may have changed: those with this reference, and those of plans that include it."""
    only = next(iter(sources)) if len(sources) == 1 else None
    found = {item.key: item for item in items.list_open_by_reference(connection, reference, only=only)}
    keys = [record.receivable.key for record in receivables.list_by_reference(connection, reference)]
    others = items.find_by_keys(connection, [key for key in keys if key not in found])
    found |= {key: item for key, item in others.items() if item.state != "resolved"}
    return [item for item in found.values() if item.kind != conflict.KIND]


def _slices(references: Sequence[str]) -> Iterator[Sequence[str]]:
    return (references[n : n + IN_ONE_COMMIT] for n in range(0, len(references), IN_ONE_COMMIT))


def _split_by_key(reported: Sequence[Receivable]) -> Iterator[list[Receivable]]:
    """Parts of similar size. All receivables of one key stay together: saving a key replaces all of its receivables."""
    part: list[Receivable] = []
    for _, records in groupby(reported, key=lambda one: one.key):
        part += records
        if len(part) >= IN_ONE_COMMIT:
            yield part
            part = []
    if part:
        yield part
