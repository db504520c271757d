"""The ledger: items, and the history of every fact that touched one. Only ``apply.py`` writes here."""

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

_whole = TypeAdapter(Item)
MOST_KEYS = 500
PARTIAL = '"is_partial":true'
_CLAIMED = '"claimed_by":"'  # in the item's JSON, which leaves out what is not set


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an item's timeline."""

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
    connection.execute(_SAVE[connection.dialect.name], values_of(changed))


def save_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert or replace these, as ``values_of`` makes them."""
    connection.execute(_SAVE[connection.dialect.name], rows)


def values_of(changed: Item) -> dict[str, Any]:
    """The item as the table holds it."""
    said = changed.snapshot
    return {
        "id": changed.id,
        "key": said.key,
        "source": said.source,
        "account": said.account,
        "kind": said.kind,
        "urgency": said.urgency,
        "state": changed.state,
        "version": changed.version,
        "said_at": changed.said_at,
        "opened_at": changed.opened_at,
        "changed_at": changed.changed_at,
        "resolved_at": changed.resolved_at,
        "reference": reference_of(said.reference),
        "wake_at": changed.snoozed_until or _button_goes_at(changed),
        "stake": stakes.written(changed),
        "document": _whole.dump_json(changed, exclude_defaults=True).decode(),
    }


def _button_goes_at(changed: Item) -> datetime | None:
    """Until when everybody is shown a button to undo what a rule did."""
    is_shown = changed.state == "resolved" and changed.resolved_via == "automation"
    return changed.undo_until if is_shown else None


def record(connection: Connection, item_id: str, event: Event) -> None:
    """Write a line of history."""
    connection.execute(_RECORD, event_of(item_id, event))


def record_all(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write lines of history, as ``event_of`` makes them."""
    connection.execute(_RECORD, rows)


def event_of(item_id: str, event: Event) -> dict[str, Any]:
    """A line of history as the table holds it."""
    return {"item_id": item_id} | {name: getattr(event, name) for name in Event.__slots__}


def find(connection: Connection, item_id: str) -> Item | None:
    """The item with this id."""
    return _read(connection.execute(select(item.c.document).where(item.c.id == item_id)).scalar())


def hold(connection: Connection, keys: Iterable[str]) -> None:
    """Nobody else changes the items with these keys, nor opens one, until the transaction ends."""
    locks.hold(connection, (f"item {key}" for key in keys))


def find_to_change(connection: Connection, item_id: str) -> Item | None:
    """``find`` and ``hold``: the item as it is now that nobody else can change it."""
    found = find(connection, item_id)
    if found is None:
        return None
    hold(connection, [found.key])
    return find(connection, item_id)


def by_key(connection: Connection, key: str) -> Item | None:
    """The item with this key."""
    return _read(connection.execute(select(item.c.document).where(item.c.key == key)).scalar())


def by_keys(connection: Connection, keys: Sequence[str]) -> dict[str, Item]:
    """The items with these keys."""
    found: dict[str, Item] = {}
    for start in range(0, len(keys), MOST_KEYS):
        chosen = select(item.c.key, item.c.document).where(item.c.key.in_(keys[start : start + MOST_KEYS]))
        found.update((key, _whole.validate_json(whole)) for key, whole in connection.execute(chosen))
    return found


def open_keys(connection: Connection, source: str, account: str) -> list[str]:
    """Keys of what is not resolved in one account."""
    return list(
        connection.execute(
            select(item.c.key).where(item.c.source == source, item.c.account == account, item.c.state != "resolved")
        ).scalars()
    )


def open_versions(connection: Connection, source: str, account: str, since: datetime | None) -> dict[str, int]:
    """Versions by key of what is not resolved in one account.

    0 of what waits for an answer of its source, and of what was heard of by itself after ``since``.
    """
    is_calm = item.c.state == "open"
    if since is not None:
        is_calm = and_(is_calm, item.c.said_at <= since)
    mine = (item.c.source == source, item.c.account == account, item.c.state != "resolved")
    rows = connection.execute(select(item.c.key, case((is_calm, item.c.version), else_=0)).where(*mine))
    return {key: version for key, version in rows}  # noqa: C416 - rows are no pairs to mypy


def whole_keys(
    connection: Connection, source: str, account: str, since: datetime
) -> tuple[frozenset[str], datetime | None]:
    """Keys of what is open in one account, or was changed since then, and was read in every part.

    And when any open item of it was last heard of by itself.
    """
    mine = (item.c.source == source, item.c.account == account)
    is_open = item.c.state != "resolved"
    whole = select(item.c.key).where(
        *mine, or_(is_open, item.c.changed_at >= since), ~item.c.document.contains(PARTIAL)
    )
    heard_at = select(func.max(item.c.said_at)).where(*mine, is_open)
    return frozenset(connection.execute(whole).scalars()), connection.execute(heard_at).scalar()


def said_at(connection: Connection, keys: Sequence[str]) -> dict[str, datetime]:
    """When each of these was last heard of by itself."""
    found: dict[str, datetime] = {}
    for start in range(0, len(keys), MOST_KEYS):
        chosen = select(item.c.key, item.c.said_at).where(item.c.key.in_(keys[start : start + MOST_KEYS]))
        found.update((row.key, row.said_at) for row in connection.execute(chosen))
    return found


def open_mark(connection: Connection, source: str, account: str) -> tuple[int, int]:
    """Another one when anything open in the account is at another version."""
    mine = (item.c.source == source, item.c.account == account, item.c.state != "resolved")
    count, versions = connection.execute(select(func.count(), func.sum(item.c.version)).where(*mine)).one()
    return count, int(versions or 0)


def acting_since(connection: Connection, before: datetime) -> list[Item]:
    """What a source was asked before then, with nothing heard since and nothing on its way to it any more."""
    on_its_way = exists().where(outbox.c.item_id == item.c.id, outbox.c.what == "command", outbox.c.state == "due")
    chosen = select(item.c.document).where(item.c.state == "acting", item.c.changed_at < before, ~on_its_way)
    return [_whole.validate_json(whole) for whole in connection.execute(chosen).scalars()]


def open_of_reference(connection: Connection, reference: str, *, only: str | None = None) -> list[Item]:
    """What is not resolved and is about this reference, by key.

    ``only``: the one source that knows the reference; of its items those that show a twin all the same.
    """
    chosen = (
        select(item.c.document).where(item.c.reference == reference, item.c.state != "resolved").order_by(item.c.key)
    )
    if only is not None:
        chosen = chosen.where(or_(item.c.source != only, item.c.document.contains('"twin":{')))
    return [_whole.validate_json(whole) for whole in connection.execute(chosen).scalars()]


def looked_for(connection: Connection, words: str, most: int) -> list[Item]:
    """What is about this reference, in whatever case, whole or its beginning; what is open and exact first."""
    typed = words.strip()
    cases = sorted({typed, typed.lower(), typed.upper()})  # a database may know the two cases of A to Z only
    is_begun = or_(*(item.c.reference.istartswith(one, autoescape=True) for one in cases))
    is_other = func.lower(item.c.reference).not_in([func.lower(one) for one in cases])
    chosen = (
        select(item.c.document)
        .where(is_begun)
        .order_by(item.c.state == "resolved", is_other, item.c.opened_at.desc())
        .limit(most)
    )
    return [_whole.validate_json(whole) for whole in connection.execute(chosen).scalars()]


def waiting_longest(connection: Connection, most: int) -> list[Item]:
    """What is open, not put off and with nobody's name on it, the oldest first."""
    waits = (item.c.state == "open", item.c.wake_at.is_(None), ~item.c.document.contains(_CLAIMED))
    chosen = select(item.c.document).where(*waits).order_by(item.c.opened_at, item.c.key).limit(most)
    return [_whole.validate_json(whole) for whole in connection.execute(chosen).scalars()]


def claimed(connection: Connection, most: int) -> list[Item]:
    """What is not resolved and has somebody's name on it, the oldest first."""
    theirs = (item.c.state != "resolved", item.c.document.contains(_CLAIMED))
    chosen = select(item.c.document).where(*theirs).order_by(item.c.opened_at, item.c.key).limit(most)
    return [_whole.validate_json(whole) for whole in connection.execute(chosen).scalars()]


def figures(connection: Connection, since: datetime) -> tuple[int, int]:
    """How many were opened since then, and how many resolved."""
    counted = (func.count().filter(item.c.opened_at >= since), func.count().filter(item.c.resolved_at >= since))
    row = connection.execute(select(*counted).select_from(item)).one()
    return row[0], row[1]


def pulse(connection: Connection) -> tuple[int, datetime | None]:
    """Changes with every change that somebody could see."""
    row = connection.execute(select(func.coalesce(func.sum(item.c.version), 0), func.max(item.c.changed_at))).one()
    return int(row[0]), row[1]


def listed(
    connection: Connection, *, is_open: bool = False, kind: str | None = None, account: str | None = None
) -> Iterator[Item]:
    """Items, what blocks first and the oldest of each urgency before the newer ones."""
    chosen = select(item.c.document)
    if is_open:
        chosen = chosen.where(item.c.state != "resolved")
    if kind:
        chosen = chosen.where(item.c.kind == kind)
    if account:
        chosen = chosen.where(item.c.account == account)
    order = {"blocking": 0, "review": 1, "info": 2}
    found = [_whole.validate_json(whole) for whole in connection.execute(chosen).scalars()]
    yield from sorted(found, key=lambda i: (order[i.snapshot.urgency], i.opened_at, i.key))


def timeline(connection: Connection, item_id: str) -> list[Event]:
    """Everything that happened to the item, oldest first."""
    columns = (history.c[name] for name in Event.__slots__)
    return [
        Event(*row)
        for row in connection.execute(select(*columns).where(history.c.item_id == item_id).order_by(history.c.id))
    ]


def open_counts(connection: Connection, now: datetime) -> list[tuple[str, str, str, int]]:
    """(source, kind, urgency, how many) of what waits, for the metrics; not of the snoozed."""
    rows = connection.execute(
        select(item.c.source, item.c.kind, item.c.urgency, func.count())
        .where(item.c.state != "resolved", or_(item.c.wake_at.is_(None), item.c.wake_at <= now))
        .group_by(item.c.source, item.c.kind, item.c.urgency)
    )
    return [(source, kind, urgency, n) for source, kind, urgency, n in rows]


def whole(text: str) -> Item:
    """The item in its JSON."""
    return _whole.validate_json(text)


def _read(whole: str | None) -> Item | None:
    return None if whole is None else _whole.validate_json(whole)


def _save(dialect: str) -> Executable:
    """Built once: a poll of ten thousand open items saves each, and building takes longer than saving."""
    fresh = upsert.INSERT[dialect](item)
    return fresh.on_conflict_do_update(index_elements=[item.c.id], set_=dict(fresh.excluded))


_SAVE = {dialect: _save(dialect) for dialect in upsert.INSERT}
_RECORD = insert(history)
