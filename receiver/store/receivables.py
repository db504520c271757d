"""The receivables of all sources, by reference, to look up twins. Only ``sync/matching.py`` writes here."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, delete, exists, insert, select, update

from receiver.domain.twin import Receivable, fill_from_older
from receiver.store import locks
from receiver.store.schema import receivable

_adapter = TypeAdapter(Receivable)
MAX_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Record:
    """A stored receivable. ``changed_at``: since when its source reports it like this."""

    receivable: Receivable
    changed_at: datetime


def lock(connection: Connection) -> None:
    """Lock all receivables until the transaction ends. Must come before locks of items, never after."""
    locks.acquire(connection, ["receivables"])


def save(connection: Connection, reported: Sequence[Receivable], said_at: datetime) -> set[str]:
    """Store receivables that are new or changed, and not older than the stored ones; the references of these.

    ``reported`` has all receivables of each of its records: other stored ones of the same record are deleted.
    Unchanged receivables are not written.
    """
    known = _stored_rows(connection, sorted({one.key for one in reported}))
    latest = {(one.key, one.reference): one for one in reported}
    changed: set[str] = set()
    for identity, old in known.items():
        if identity not in latest and said_at >= old.changed_at:
            connection.execute(delete(receivable).where(receivable.c.id == old.id))
            changed.add(identity[1])
    for one in latest.values():
        row = known.get((one.key, one.reference))
        if row is None:
            values = {"key": one.key, "reference": one.reference, "source": one.source, "account": one.account}
            connection.execute(insert(receivable).values(**values, changed_at=said_at, document=_json(one)))
            changed.add(one.reference)
        elif said_at >= row.changed_at and _update(connection, row, one, said_at):
            changed.add(one.reference)
    return changed


def delete_records(connection: Connection, keys: Collection[str]) -> set[str]:
    """Delete records that do not exist any more; their references."""
    found: set[str] = set()
    for some in _slices(sorted(keys)):
        gone = delete(receivable).where(receivable.c.key.in_(some)).returning(receivable.c.reference)
        found.update(connection.execute(gone).scalars())
    return found


def delete_unlisted(
    connection: Connection, source: str, account: str, listed: Collection[str], now: datetime
) -> set[str]:
    """Delete receivables that were missing from two complete lists of the account in a row; their references."""
    columns = (receivable.c.id, receivable.c.key, receivable.c.reference, receivable.c.missing_at)
    chosen = select(*columns).where(receivable.c.source == source, receivable.c.account == account)
    unlisted = [row for row in connection.execute(chosen) if row.key not in listed]
    for row in unlisted:
        is_this = receivable.c.id == row.id
        if row.missing_at is None:
            connection.execute(update(receivable).where(is_this).values(missing_at=now))
        else:
            connection.execute(delete(receivable).where(is_this))
    return {row.reference for row in unlisted if row.missing_at is not None}


def list_by_reference(connection: Connection, reference: str) -> list[Record]:
    """The receivables of all sources with this reference."""
    columns = (receivable.c.document, receivable.c.changed_at)
    rows = connection.execute(select(*columns).where(receivable.c.reference == reference).order_by(receivable.c.id))
    return [Record(_adapter.validate_json(document), changed_at) for document, changed_at in rows]


def list_sources(connection: Connection, references: Collection[str]) -> dict[str, set[str]]:
    """The sources that know each of these references. Unknown references are left out."""
    found: dict[str, set[str]] = {}
    for some in _slices(sorted(references)):
        chosen = select(receivable.c.reference, receivable.c.source).where(receivable.c.reference.in_(some)).distinct()
        for reference, source in connection.execute(chosen):
            found.setdefault(reference, set()).add(source)
    return found


def list_by_key(connection: Connection, key: str) -> list[Receivable]:
    """The receivables of one record, oldest first: several for a plan over several debts."""
    chosen = select(receivable.c.document).where(receivable.c.key == key).order_by(receivable.c.id)
    return [_adapter.validate_json(document) for document in connection.execute(chosen).scalars()]


def list_shared_since(connection: Connection, since: datetime | None) -> list[str]:
    """References that several sources know, and that changed at one of them since then."""
    other = receivable.alias()
    is_shared = exists().where(other.c.reference == receivable.c.reference, other.c.source != receivable.c.source)
    chosen = select(receivable.c.reference).where(is_shared).distinct().order_by(receivable.c.reference)
    if since is not None:
        chosen = chosen.where(receivable.c.changed_at >= since)
    return list(connection.execute(chosen).scalars())


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    document: str
    changed_at: datetime
    missing_at: datetime | None


def _stored_rows(connection: Connection, keys: Sequence[str]) -> dict[tuple[str, str], _Row]:
    columns = [receivable.c[name] for name in _Row.__slots__]
    found: dict[tuple[str, str], _Row] = {}
    for some in _slices(keys):
        chosen = select(receivable.c.key, receivable.c.reference, *columns).where(receivable.c.key.in_(some))
        found.update(((key, reference), _Row(*row)) for key, reference, *row in connection.execute(chosen))
    return found


def _update(connection: Connection, row: _Row, reported: Receivable, said_at: datetime) -> bool:
    """Write the receivable if it changed, or was missing; whether it changed."""
    document = _json(fill_from_older(reported, _adapter.validate_json(row.document)))
    is_changed = document != row.document
    if is_changed or row.missing_at is not None:
        values = {"document": document, "missing_at": None, "changed_at": said_at if is_changed else row.changed_at}
        connection.execute(update(receivable).where(receivable.c.id == row.id).values(**values))
    return is_changed


def _json(record: Receivable) -> str:
    return _adapter.dump_json(record, exclude_defaults=True).decode()


def _slices(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + MAX_AT_ONCE] for start in range(0, len(keys), MAX_AT_ONCE))
