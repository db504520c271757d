"""The twin of an item: the same receivable in the other system, looked up by the reference of the creditor."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from receiver.domain import twin as domain_twin
from receiver.domain.item import Snapshot
from receiver.domain.twin import Receivable, Twin, reference_of
from receiver.store import items, receivables

SEVERAL = "debt_count"  # the detail of a plan over several debts: its record has more references than the item


def find_twin(connection: Connection, said: Snapshot) -> Twin | None:
    """The twin of an item; None when no other source has the receivable, or the item has no reference."""
    reference = reference_of(said.reference)
    if reference is None or said.sides:
        return None
    others = _elsewhere(connection, said, reference)
    if not others and not _is_of_several(said):
        return None
    own = receivables.list_by_key(connection, said.receivable_key)
    for one in own:
        others += _elsewhere(connection, said, one.reference) if one.reference != reference else []
    twin = domain_twin.find_twin(own or [_as_said(said, reference)], others)
    return None if twin is None else with_link(connection, twin, reference)


def keys_without_twin(connection: Connection, said: Iterable[Snapshot]) -> set[str]:
    """Keys of the items that certainly have no twin, found with one query."""
    ours = [(one, reference_of(one.reference)) for one in said]
    known = receivables.list_sources(connection, {reference for _, reference in ours if reference})
    return {
        one.key
        for one, reference in ours
        if not (known.get(reference or "", set()) - {one.source}) and not _is_of_several(one)
    }


def with_link(connection: Connection, twin: Twin, reference: str) -> Twin:
    """The twin with a link: to its page at its source, or else to the page of an open item about it."""
    if twin.url is not None:
        return twin
    snapshots = [item.snapshot for item in items.list_open_by_reference(connection, reference)]
    return replace(twin, url=next((said.solution_url for said in snapshots if said.source == twin.source), None))


def _elsewhere(connection: Connection, said: Snapshot, reference: str) -> list[Receivable]:
    records = receivables.list_by_reference(connection, reference)
    return [record.said for record in records if record.said.source != said.source]


def _is_of_several(said: Snapshot) -> bool:
    return any(detail.name == SEVERAL for detail in said.details)


def _as_said(said: Snapshot, reference: str) -> Receivable:
    """The receivable as the item itself shows it, until the records of its source are stored."""
    key, amounts = said.receivable_key, (said.amount,) if said.amount else ()
    return Receivable(key, said.source, said.account, key, reference, debtor=said.debtor, amounts=amounts)
