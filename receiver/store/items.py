"""The ledger: items, and the history of the facts that were applied to them. Only ``pipeline/apply.py`` writes here."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Executable, and_, case, exists, func, insert, or_, select

from receiver.domain.item import Item
from receiver.domain.twin import reference_of
from receiver.store import locks, stakes, upsert
from receiver.store.schema import history, item, outbox

_adapter = TypeAdapter(Item)
MAX_KEYS = 500
PARTIAL = '"is_partial":true'
_CLAIMED = '"claimed_by":"'  # in the JSON of an item, which omits unset fields


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One entry of the timeline of an item."""

    at: datetime
    fact: str
    transition: str | None
    ignored: str | None
    version: int
    who: str | None
    via: str | None
    detail: str | None


def save(connection: Connection, changed: Item) -> None:
    """Insert or replace the item's row."""
    connection.execute(_SAVE[connection.dialect.name], row_values(changed))


def save_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert or replace these rows, as ``row_values`` makes them."""
    connection.execute(_SAVE[connection.dialect.name], rows)


def row_values(changed: Item) -> dict[str, Any]:
    """The item as the table holds it."""
    snapshot = changed.snapshot
    return {
        "id": changed.id,
        "key": snapshot.key,
        "source": snapshot.source,
        "account": snapshot.account,
        "kind": snapshot.kind,
        "urgency": snapshot.urgency,
        "state": changed.state,
        "version": changed.version,
        "said_at": changed.said_at,
        "opened_at": changed.opened_at,
        "changed_at": changed.changed_at,
        "resolved_at": changed.resolved_at,
        "reference": reference_of(snapshot.reference),
        "wake_at": changed.snoozed_until or _undo_ends_at(changed),
        "stake": stakes.to_column(changed),
        "document": _adapter.dump_json(changed, exclude_defaults=True).decode(),
    }


def _undo_ends_at(changed: Item) -> datetime | None:
    """When the button to undo an automatic decision is removed; None without one."""
    has_button = changed.state == "resolved" and changed.resolved_via == "automation"
    return changed.undo_until if has_button else None


def add_history(connection: Connection, item_id: str, entry: HistoryEntry) -> None:
    """Add an entry to the history of the item."""
    connection.execute(_RECORD, history_values(item_id, entry))


def add_history_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add entries, as ``history_values`` makes them."""
    connection.execute(_RECORD, rows)


def history_values(item_id: str, entry: HistoryEntry) -> dict[str, Any]:
    """An entry of history as the table holds it."""
    return {"item_id": item_id} | {name: getattr(entry, name) for name in HistoryEntry.__slots__}


def find(connection: Connection, item_id: str) -> Item | None:
    """The item with this id."""
    return _read(connection.execute(select(item.c.document).where(item.c.id == item_id)).scalar())


def lock(connection: Connection, keys: Iterable[str]) -> None:
    """Lock the items with these keys, also those that do not exist yet, until the transaction ends."""
    locks.acquire(connection, (f"item {key}" for key in keys))


def find_and_lock(connection: Connection, item_id: str) -> Item | None:
    """Lock the item, then read it."""
    found = find(connection, item_id)
    if found is None:
        return None
    lock(connection, [found.key])
    return find(connection, item_id)


def find_by_key(connection: Connection, key: str) -> Item | None:
    """The item with this key."""
    return _read(connection.execute(select(item.c.document).where(item.c.key == key)).scalar())


def find_by_keys(connection: Connection, keys: Sequence[str]) -> dict[str, Item]:
    """The items with these keys."""
    by_key: dict[str, Item] = {}
    for start in range(0, len(keys), MAX_KEYS):
        chosen = select(item.c.key, item.c.document).where(item.c.key.in_(keys[start : start + MAX_KEYS]))
        by_key.update((key, _adapter.validate_json(document)) for key, document in connection.execute(chosen))
    return by_key


def list_open_keys(connection: Connection, source: str, account: str) -> list[str]:
    """Keys of the unresolved items of an account."""
    of_account = (item.c.source == source, item.c.account == account, item.c.state != "resolved")
    return list(connection.execute(select(item.c.key).where(*of_account)).scalars())


def list_open_versions(connection: Connection, source: str, account: str, since: datetime | None) -> dict[str, int]:
    """Versions by key of the unresolved items of an account.

    0 for items that wait for an answer of their source, and for those that the source reported after ``since``.
    """
    is_settled = item.c.state == "open"
    if since is not None:
        is_settled = and_(is_settled, item.c.said_at <= since)
    of_account = (item.c.source == source, item.c.account == account, item.c.state != "resolved")
    rows = connection.execute(select(item.c.key, case((is_settled, item.c.version), else_=0)).where(*of_account))
    return {key: version for key, version in rows}  # noqa: C416 - rows are no pairs to mypy


def list_complete_keys(
    connection: Connection, source: str, account: str, since: datetime
) -> tuple[frozenset[str], datetime | None]:
    """Keys of completely read items of an account that are unresolved, or were changed since then.

    And the time of the newest report of the source about an unresolved item.
    """
    of_account = (item.c.source == source, item.c.account == account)
    is_open = item.c.state != "resolved"
    is_recent = or_(is_open, item.c.changed_at >= since)
    complete = select(item.c.key).where(*of_account, is_recent, ~item.c.document.contains(PARTIAL))
    reported_at = select(func.max(item.c.said_at)).where(*of_account, is_open)
    return frozenset(connection.execute(complete).scalars()), connection.execute(reported_at).scalar()


def list_said_at(connection: Connection, keys: Sequence[str]) -> dict[str, datetime]:
    """The time of the source's last report about each of these items."""
    found: dict[str, datetime] = {}
    for start in range(0, len(keys), MAX_KEYS):
        chosen = select(item.c.key, item.c.said_at).where(item.c.key.in_(keys[start : start + MAX_KEYS]))
        found.update((row.key, row.said_at) for row in connection.execute(chosen))
    return found


def open_marker(connection: Connection, source: str, account: str) -> tuple[int, int]:
    """A value that changes when an unresolved item of the account changes."""
    of_account = (item.c.source == source, item.c.account == account, item.c.state != "resolved")
    count, versions = connection.execute(select(func.count(), func.sum(item.c.version)).where(*of_account)).one()
    return count, int(versions or 0)


def list_acting_since(connection: Connection, before: datetime) -> list[Item]:
    """Items in the state acting since before then, without a command that is still due."""
    has_command = exists().where(outbox.c.item_id == item.c.id, outbox.c.what == "command", outbox.c.state == "due")
    chosen = select(item.c.document).where(item.c.state == "acting", item.c.changed_at < before, ~has_command)
    return [_adapter.validate_json(document) for document in connection.execute(chosen).scalars()]


def list_open_by_reference(connection: Connection, reference: str, *, only: str | None = None) -> list[Item]:
    """Unresolved items with this reference, ordered by key.

    ``only``: the one source that knows the reference. Of its items, those that still show a twin.
    """
    is_open = (item.c.reference == reference, item.c.state != "resolved")
    chosen = select(item.c.document).where(*is_open).order_by(item.c.key)
    if only is not None:
        chosen = chosen.where(or_(item.c.source != only, item.c.document.contains('"twin":{')))
    return [_adapter.validate_json(document) for document in connection.execute(chosen).scalars()]


def search(connection: Connection, words: str, most: int) -> list[Item]:
    """Items whose reference begins with ``words`` in any case. Unresolved items and exact matches come first."""
    typed = words.strip()
    cases = sorted({typed, typed.lower(), typed.upper()})  # a database may fold the case of ASCII letters only
    is_prefix = or_(*(item.c.reference.istartswith(one, autoescape=True) for one in cases))
    is_inexact = func.lower(item.c.reference).not_in([func.lower(one) for one in cases])
    order = (item.c.state == "resolved", is_inexact, item.c.opened_at.desc())
    chosen = select(item.c.document).where(is_prefix).order_by(*order).limit(most)
    return [_adapter.validate_json(document) for document in connection.execute(chosen).scalars()]


def list_oldest_unclaimed(connection: Connection, most: int) -> list[Item]:
    """Open items that are not snoozed and not claimed, oldest first."""
    unclaimed = (item.c.state == "open", item.c.wake_at.is_(None), ~item.c.document.contains(_CLAIMED))
    chosen = select(item.c.document).where(*unclaimed).order_by(item.c.opened_at, item.c.key).limit(most)
    return [_adapter.validate_json(document) for document in connection.execute(chosen).scalars()]


def list_claimed(connection: Connection, most: int) -> list[Item]:
    """Unresolved items that are claimed, oldest first."""
    claimed = (item.c.state != "resolved", item.c.document.contains(_CLAIMED))
    chosen = select(item.c.document).where(*claimed).order_by(item.c.opened_at, item.c.key).limit(most)
    return [_adapter.validate_json(document) for document in connection.execute(chosen).scalars()]


def count_since(connection: Connection, since: datetime) -> tuple[int, int]:
    """The numbers of items that were opened and resolved since then."""
    counted = (func.count().filter(item.c.opened_at >= since), func.count().filter(item.c.resolved_at >= since))
    row = connection.execute(select(*counted).select_from(item)).one()
    return row[0], row[1]


def change_marker(connection: Connection) -> tuple[int, datetime | None]:
    """A value that changes with every visible change of an item."""
    row = connection.execute(select(func.coalesce(func.sum(item.c.version), 0), func.max(item.c.changed_at))).one()
    return int(row[0]), row[1]


def list_items(
    connection: Connection, *, is_open: bool = False, kind: str | None = None, account: str | None = None
) -> Iterator[Item]:
    """Items by urgency, blocking ones first, then by age."""
    chosen = select(item.c.document)
    if is_open:
        chosen = chosen.where(item.c.state != "resolved")
    if kind:
        chosen = chosen.where(item.c.kind == kind)
    if account:
        chosen = chosen.where(item.c.account == account)
    order = {"blocking": 0, "review": 1, "info": 2}
    found = [_adapter.validate_json(document) for document in connection.execute(chosen).scalars()]
    yield from sorted(found, key=lambda i: (order[i.snapshot.urgency], i.opened_at, i.key))


def list_timeline(connection: Connection, item_id: str) -> list[HistoryEntry]:
    """The history of the item, oldest first."""
    chosen = select(*(history.c[name] for name in HistoryEntry.__slots__)).where(history.c.item_id == item_id)
    return [HistoryEntry(*row) for row in connection.execute(chosen.order_by(history.c.id))]


def count_open(connection: Connection, now: datetime) -> list[tuple[str, str, str, int]]:
    """(source, kind, urgency, count) of unresolved items that are not snoozed, for the metrics."""
    is_awake = or_(item.c.wake_at.is_(None), item.c.wake_at <= now)
    columns = (item.c.source, item.c.kind, item.c.urgency)
    chosen = select(*columns, func.count()).where(item.c.state != "resolved", is_awake).group_by(*columns)
    return [(source, kind, urgency, n) for source, kind, urgency, n in connection.execute(chosen)]


def from_json(document: str) -> Item:
    """The item of a document."""
    return _adapter.validate_json(document)


def _read(document: str | None) -> Item | None:
    return None if document is None else _adapter.validate_json(document)


def _save(dialect: str) -> Executable:
    """Compiled once: a sync may save thousands of items, and building a statement takes longer than running it."""
    new = upsert.INSERT[dialect](item)
    return new.on_conflict_do_update(index_elements=[item.c.id], set_=dict(new.excluded))


_SAVE = {dialect: _save(dialect) for dialect in upsert.INSERT}
_RECORD = insert(history)
