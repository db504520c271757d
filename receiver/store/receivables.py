"""What each system says of each receivable, by reference: where twins are looked up.

Only ``sync/matching.py`` writes here. A record that says what it said before is not written again.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, delete, exists, insert, select, update

from receiver.domain.twin import Receivable, filled
from receiver.store import locks
from receiver.store.schema import receivable

_whole = TypeAdapter(Receivable)
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Record:
    """A receivable as stored; ``changed_at``: since when its source says so."""

    said: Receivable
    changed_at: datetime


def hold(connection: Connection) -> None:
    """Nobody else takes in or judges receivables until the transaction ends; before items are held, never after."""
    locks.hold(connection, ["receivables"])


def save(connection: Connection, said: Sequence[Receivable], said_at: datetime) -> set[str]:
    """Keep what is new or different and not older than what is known; the references it is about.

    ``said`` holds all that each of its records says: what a record said of other references before is forgotten.
    """
    known = _stored(connection, sorted({one.key for one in said}))
    latest = {(one.key, one.reference): one for one in said}
    changed: set[str] = set()
    for place, old in known.items():
        if place not in latest and said_at >= old.changed_at:
            connection.execute(delete(receivable).where(receivable.c.id == old.id))
            changed.add(place[1])
    for one in latest.values():
        row = known.get((one.key, one.reference))
        if row is None:
            values = {"key": one.key, "reference": one.reference, "source": one.source, "account": one.account}
            connection.execute(insert(receivable).values(**values, changed_at=said_at, document=_json(one)))
            changed.add(one.reference)
        elif said_at >= row.changed_at and _renew(connection, row, one, said_at):
            changed.add(one.reference)
    return changed


def drop(connection: Connection, keys: Collection[str]) -> set[str]:
    """Forget records that are not there any more; the references they were about."""
    found: set[str] = set()
    for some in _slices(sorted(keys)):
        gone = delete(receivable).where(receivable.c.key.in_(some)).returning(receivable.c.reference)
        found.update(connection.execute(gone).scalars())
    return found


def drop_unlisted(
    connection: Connection, source: str, account: str, listed: Collection[str], now: datetime
) -> set[str]:
    """Forget what a complete list of an account has not shown twice running; the references that was about."""
    columns = (receivable.c.id, receivable.c.key, receivable.c.reference, receivable.c.missing_at)
    chosen = select(*columns).where(receivable.c.source == source, receivable.c.account == account)
    unlisted = [row for row in connection.execute(chosen) if row.key not in listed]
    for row in unlisted:
        mine = receivable.c.id == row.id
        if row.missing_at is None:
            connection.execute(update(receivable).where(mine).values(missing_at=now))
        else:
            connection.execute(delete(receivable).where(mine))
    return {row.reference for row in unlisted if row.missing_at is not None}


def of_reference(connection: Connection, reference: str) -> list[Record]:
    """All that is said of one reference, wherever."""
    columns = (receivable.c.document, receivable.c.changed_at)
    rows = connection.execute(select(*columns).where(receivable.c.reference == reference).order_by(receivable.c.id))
    return [Record(_whole.validate_json(whole), changed_at) for whole, changed_at in rows]


def sources_of(connection: Connection, references: Collection[str]) -> dict[str, set[str]]:
    """Which sources know each of these references; those that nobody knows are left out."""
    found: dict[str, set[str]] = {}
    for some in _slices(sorted(references)):
        chosen = select(receivable.c.reference, receivable.c.source).where(receivable.c.reference.in_(some)).distinct()
        for reference, source in connection.execute(chosen):
            found.setdefault(reference, set()).add(source)
    return found


def of_key(connection: Connection, key: str) -> list[Receivable]:
    """The receivables of one record, several for a plan over several debts, as they came."""
    chosen = select(receivable.c.document).where(receivable.c.key == key).order_by(receivable.c.id)
    return [_whole.validate_json(whole) for whole in connection.execute(chosen).scalars()]


def shared_since(connection: Connection, since: datetime | None) -> list[str]:
    """References that several sources know, and of which at least one says something else since then."""
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


def _stored(connection: Connection, keys: Sequence[str]) -> dict[tuple[str, str], _Row]:
    columns = [receivable.c[name] for name in _Row.__slots__]
    found: dict[tuple[str, str], _Row] = {}
    for some in _slices(keys):
        chosen = select(receivable.c.key, receivable.c.reference, *columns).where(receivable.c.key.in_(some))
        found.update(((key, reference), _Row(*row)) for key, reference, *row in connection.execute(chosen))
    return found


def _renew(connection: Connection, row: _Row, said: Receivable, said_at: datetime) -> bool:
    """Write the record anew if it says something else, or was missing; whether it says something else."""
    whole = _json(filled(said, _whole.validate_json(row.document)))
    is_news = whole != row.document
    if is_news or row.missing_at is not None:
        values = {"document": whole, "missing_at": None, "changed_at": said_at if is_news else row.changed_at}
        connection.execute(update(receivable).where(receivable.c.id == row.id).values(**values))
    return is_news


def _json(said: Receivable) -> str:
    return _whole.dump_json(said, exclude_defaults=True).decode()


def _slices(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + MOST_AT_ONCE] for start in range(0, len(keys), MOST_AT_ONCE))
