"""The twin of an item: what the other system says of the same receivable, looked up by the creditor's own number."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from receiver.domain.item import Snapshot
from receiver.domain.twin import Receivable, Twin, reference_of, twin_of
from receiver.store import items, receivables

SEVERAL = "debt_count"  # the detail of a plan over several debts: then the record knows more numbers than the item


def of(connection: Connection, said: Snapshot) -> Twin | None:
    """What to tell people of the other system; None where it knows no such receivable, or the item has no number."""
    reference = reference_of(said.reference)
    if reference is None or said.sides:
        return None
    others = _elsewhere(connection, said, reference)
    if not others and not _is_of_several(said):
        return None
    own = receivables.of_key(connection, said.receivable_key)
    for one in own:
        others += _elsewhere(connection, said, one.reference) if one.reference != reference else []
    twin = twin_of(own or [_as_said(said, reference)], others)
    return None if twin is None else with_page(connection, twin, reference)


def lonely(connection: Connection, said: Iterable[Snapshot]) -> set[str]:
    """Keys of those that surely have no twin, found with one look at the table."""
    ours = [(one, reference_of(one.reference)) for one in said]
    known = receivables.sources_of(connection, {reference for _, reference in ours if reference})
    return {
        one.key
        for one, reference in ours
        if not (known.get(reference or "", set()) - {one.source}) and not _is_of_several(one)
    }


def with_page(connection: Connection, twin: Twin, reference: str) -> Twin:
    """The twin with a link: where its source names no page of it, to an open item of its own."""
    if twin.url is not None:
        return twin
    here = [item.snapshot for item in items.open_of_reference(connection, reference)]
    return replace(twin, url=next((said.solution_url for said in here if said.source == twin.source), None))


def _elsewhere(connection: Connection, said: Snapshot, reference: str) -> list[Receivable]:
    records = receivables.of_reference(connection, reference)
    return [record.said for record in records if record.said.source != said.source]


def _is_of_several(said: Snapshot) -> bool:
    return any(detail.name == SEVERAL for detail in said.details)


def _as_said(said: Snapshot, reference: str) -> Receivable:
    """What the item itself shows, until its source's records are known."""
    key, amounts = said.receivable_key, (said.amount,) if said.amount else ()
    return Receivable(key, said.source, said.account, key, reference, debtor=said.debtor, amounts=amounts)
