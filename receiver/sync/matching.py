"""After 5: what two systems say of one receivable is laid side by side. Twins are shown, conflicts become items.

A conflict opens, changes and closes through ``apply_fact`` like everything else, and only once both systems were heard
out since either said something new: so a payment that one books a minute before the other is no conflict, and a system
that is down changes nothing. Nothing here touches the network but ``Upstream.list_receivables``.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.domain import conflict
from receiver.domain.fact import Fact, SourceGone, SourceSaid, TwinSaid
from receiver.domain.item import Item
from receiver.domain.routing import Route
from receiver.domain.twin import Pair, Receivable, pairs
from receiver.errors import DeliveryError
from receiver.observability import log
from receiver.pipeline.apply import apply_facts
from receiver.ports import ReceivableBatch, Upstream
from receiver.store import items, receivables, twins

IN_ONE_COMMIT = 100

Heard = dict[tuple[str, str], datetime]


async def join(adapters: Adapters, upstream: Upstream) -> None:
    """Take in what an account said of its receivables, then judge what may be judged by now.

    An account that cannot be surveyed keeps what it said before.
    """
    try:
        books = await upstream.list_receivables()
    except DeliveryError as error:
        log.warning("join.survey.failed", source=upstream.source, account=upstream.account, reason=error.code)
        return
    for book in books:
        await _take_in(adapters, upstream, book)
    adapters.wakeups.notify(OUTBOX_WAKEUP)


async def _take_in(adapters: Adapters, upstream: Upstream, book: ReceivableBatch) -> None:
    account = (upstream.source, upstream.account)
    for records in _by_key(book.said):
        await adapters.database.write(_save, records, book.said_at, adapters.now(), adapters.rules.routes)
    changed: list[str] = []
    if book.gone or book.listed is not None:
        changed = await adapters.database.write(_forget, account, book, adapters.now(), adapters.rules.routes)
    if book.is_pass:
        changed += await adapters.database.write(_hear, account, book.said_at)
    for some in _slices(sorted(set(changed))):
        await adapters.database.write(_judge, some, adapters.now(), adapters.rules.routes)


def _save(
    connection: Connection, said: Sequence[Receivable], said_at: datetime, now: datetime, routes: Sequence[Route]
) -> None:
    receivables.hold(connection)
    changed = receivables.save(connection, said, said_at)
    apply_facts(connection, list(_rejoined(connection, sorted(changed))), now, routes)


def _forget(
    connection: Connection, account: tuple[str, str], book: ReceivableBatch, now: datetime, routes: Sequence[Route]
) -> list[str]:
    """References of what is not there any more."""
    receivables.hold(connection)
    gone = receivables.drop(connection, book.gone)
    if book.listed is not None:
        gone |= receivables.drop_unlisted(connection, *account, book.listed, now)
    apply_facts(connection, list(_rejoined(connection, sorted(gone))), now, routes)
    return sorted(gone)


def _hear(connection: Connection, account: tuple[str, str], began_at: datetime) -> list[str]:
    """Remember that the account was heard out; references that may be judged now and could not be before."""
    receivables.hold(connection)
    before = receivables.heard_at(connection)
    since = [before.get(account)] + [at for other, at in before.items() if other[0] != account[0]]
    receivables.hear(connection, *account, began_at)
    oldest = None if None in since else min(at for at in since if at)
    return receivables.shared_since(connection, oldest)


def _judge(connection: Connection, references: Sequence[str], now: datetime, routes: Sequence[Route]) -> None:
    receivables.hold(connection)
    apply_facts(connection, list(_judged(connection, references, now)), now, routes)


def _rejoined(connection: Connection, references: Sequence[str]) -> Iterator[Fact]:
    """What every open item about these references is to be told of its twin, where that is news."""
    sources = receivables.sources_of(connection, references)
    about = {
        item.key: item
        for reference in references
        for item in _about(connection, reference, sources.get(reference, set()))
    }
    for item in about.values():
        twin = twins.of(connection, item.snapshot)
        if twin != item.twin:
            yield TwinSaid(item.key, twin)


def _judged(connection: Connection, references: Sequence[str], now: datetime) -> Iterator[Fact]:
    """Conflicts about these references that open, change or close, as far as both sides were heard out since."""
    heard = receivables.heard_at(connection)
    for reference in references:
        records = receivables.of_reference(connection, reference)
        found = {conflict.key_of(pair): pair for pair in pairs(record.said for record in records)}
        changed_at: dict[str, datetime] = {}
        for record in sorted(records, key=lambda record: record.changed_at):
            changed_at[record.said.side] = record.changed_at
        known = {item.key for item in items.open_of_reference(connection, reference) if item.kind == conflict.KIND}
        for key, pair in found.items():
            if _is_heard(pair, changed_at, heard):
                yield from _told(connection, pair, key in known, now)
        for key in known - found.keys():  # one side is not there any more
            yield SourceGone(key, now, outcome=conflict.AGREED)


def _told(connection: Connection, pair: Pair, is_open: bool, now: datetime) -> Iterator[Fact]:
    said = conflict.snapshot(pair)
    if said is not None:
        sides = tuple(twins.with_page(connection, side, pair.one.reference) for side in said.sides)
        yield SourceSaid(replace(said, sides=sides), now)
    elif is_open:
        yield SourceGone(conflict.key_of(pair), now, outcome=conflict.AGREED)


def _is_heard(pair: Pair, changed_at: dict[str, datetime], heard: Heard) -> bool:
    """Whether both accounts were heard out since either side of the pair last said something new."""
    since = max(changed_at[pair.one.side], changed_at[pair.other.side])
    passes = [heard.get((side.source, side.account)) for side in (pair.one, pair.other)]
    return all(began_at is not None and began_at >= since for began_at in passes)


def _about(connection: Connection, reference: str, sources: AbstractSet[str]) -> list[Item]:
    """Open items that may have another twin now: with this reference, and of plans that cover it among others."""
    only = next(iter(sources)) if len(sources) == 1 else None
    found = {item.key: item for item in items.open_of_reference(connection, reference, only=only)}
    keys = [record.said.key for record in receivables.of_reference(connection, reference)]
    others = items.by_keys(connection, [key for key in keys if key not in found])
    found |= {key: item for key, item in others.items() if item.state != "resolved"}
    return [item for item in found.values() if item.kind != conflict.KIND]


def _slices(references: Sequence[str]) -> Iterator[Sequence[str]]:
    return (references[n : n + IN_ONE_COMMIT] for n in range(0, len(references), IN_ONE_COMMIT))


def _by_key(said: Sequence[Receivable]) -> Iterator[list[Receivable]]:
    """Parts of about the same size; all that one record says stays together, for the rest of it is forgotten."""
    part: list[Receivable] = []
    for _, records in groupby(said, key=lambda one: one.key):
        part += records
        if len(part) >= IN_ONE_COMMIT:
            yield part
            part = []
    if part:
        yield part
