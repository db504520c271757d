"""The twin of an item: the same receivable in the other system, looked up by the reference of the creditor."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from receiver.domain import twin as domain_twin
from receiver.domain.item import Snapshot
from receiver.domain.twin import Receivable, Twin, reference_of
from receiver.store import items, receivables

SEVERAL = "debt_count"  # the detail of a plan over several debts: its record has more references than the item


def find_twin(connection: Connection, snapshot: Snapshot) -> Twin | None:
    """The twin of an item; None when no other source has the receivable, or the item has no reference."""
    reference = reference_of(snapshot.reference)
    if reference is None or snapshot.sides:
        return None
    others = _list_others(connection, snapshot, reference)
    if not others and not _covers_several(snapshot):
        return None
    own = receivables.list_by_key(connection, snapshot.receivable_key)
    for one in own:
        others += _list_others(connection, snapshot, one.reference) if one.reference != reference else []
    twin = domain_twin.find_twin(own or [_as_receivable(snapshot, reference)], others)
    return None if twin is None else with_link(connection, twin, reference)


def keys_without_twin(connection: Connection, snapshot: Iterable[Snapshot]) -> set[str]:
    """Keys of the items that certainly have no twin, found with one query."""
    ours = [(one, reference_of(one.reference)) for one in snapshot]
    known = receivables.list_sources(connection, {reference for _, reference in ours if reference})
    return {
        one.key
        for one, reference in ours
        if not (known.get(reference or "", set()) - {one.source}) and not _covers_several(one)
    }


def with_link(connection: Connection, twin: Twin, reference: str) -> Twin:
    """The twin with a link: to its page at its source, or else to the page of an open item about it."""
    if twin.url is not None:
        return twin
    snapshots = [item.snapshot for item in items.list_open_by_reference(connection, reference)]
    url = next((snapshot.solution_url for snapshot in snapshots if snapshot.source == twin.source), None)
    return replace(twin, url=url)


def _list_others(connection: Connection, snapshot: Snapshot, reference: str) -> list[Receivable]:
    records = receivables.list_by_reference(connection, reference)
    return [record.receivable for record in records if record.receivable.source != snapshot.source]


def _covers_several(snapshot: Snapshot) -> bool:
    return any(detail.name == SEVERAL for detail in snapshot.details)


def _as_receivable(snapshot: Snapshot, reference: str) -> Receivable:
    """The receivable as the item itself shows it, until the records of its source are stored."""
    key, amounts = snapshot.receivable_key, (snapshot.amount,) if snapshot.amount else ()
    return Receivable(key, snapshot.source, snapshot.account, key, reference, debtor=snapshot.debtor, amounts=amounts)
