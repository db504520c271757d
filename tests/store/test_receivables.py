"""Stored receivables in either database: written when they change, deleted when they are missing twice."""

from datetime import timedelta
from decimal import Decimal

import pytest

from receiver.domain.fact import SourceReported
from receiver.domain.money import Money
from receiver.domain.routing import Route
from receiver.pipeline.apply import apply_fact
from receiver.store import items, receivables
from receiver.store.database import Database
from receiver.sync import matching
from tests.factories import NOW, make_snapshot
from tests.receivables import case, debt

pytestmark = pytest.mark.anyio

LATER = NOW + timedelta(minutes=5)
ROUTES = (Route("all", slack=("C1",)),)
REFERENCE = debt().reference


async def records(database: Database) -> list[receivables.Record]:
    return await database.read(receivables.list_by_reference, REFERENCE)


async def test_only_changes_are_written(database: Database) -> None:
    first = await database.write(receivables.save, [debt(), case()], NOW)
    again = await database.write(receivables.save, [debt(), case()], LATER)
    changed = await database.write(receivables.save, [debt(standing=("paid",))], LATER)
    found = {record.receivable.source: record for record in await records(database)}

    assert (first, again, changed) == ({REFERENCE}, set(), {REFERENCE})
    assert (found["getbill"].changed_at, found["debitura"].changed_at) == (LATER, NOW)
    assert found["getbill"].receivable.standing == ("paid",)


async def test_an_older_answer_never_replaces_a_newer_one(database: Database) -> None:
    await database.write(receivables.save, [debt(standing=("paid",))], LATER)

    assert await database.write(receivables.save, [debt()], NOW) == set()
    assert [record.receivable.standing for record in await records(database)] == [("paid",)]


async def test_fields_missing_from_a_shorter_answer_are_no_change(database: Database) -> None:
    await database.write(receivables.save, [debt()], NOW)
    shorter = debt(debtor=None, name=None, amounts=(Money(Decimal(1500)),))

    assert await database.write(receivables.save, [shorter], LATER) == set()


async def test_a_record_with_a_new_reference_loses_the_old_one(database: Database) -> None:
    await database.write(receivables.save, [debt()], NOW)

    changed = await database.write(receivables.save, [debt(reference="INV-9")], LATER)

    assert changed == {REFERENCE, "INV-9"}
    assert await records(database) == []


async def test_a_record_missing_from_two_complete_lists_is_deleted(database: Database) -> None:
    await database.write(receivables.save, [debt(), case()], NOW)
    once = await database.write(receivables.delete_unlisted, "getbill", "main", frozenset(), LATER)
    await database.write(receivables.save, [debt()], LATER)
    after_it_came_back = await database.write(receivables.delete_unlisted, "getbill", "main", frozenset(), LATER)
    twice = await database.write(receivables.delete_unlisted, "getbill", "main", frozenset(), LATER)

    assert (once, after_it_came_back, twice) == (set(), set(), {REFERENCE})
    assert [record.receivable.source for record in await records(database)] == ["debitura"]


async def test_shared_references_are_listed_by_their_last_change(database: Database) -> None:
    await database.write(receivables.save, [debt(), case(), debt(key="k2", reference="ALONE")], NOW)
    shared = [await database.read(receivables.list_shared_since, since) for since in (None, NOW, LATER)]

    assert shared == [[REFERENCE], [REFERENCE], []]


async def test_a_conflict_opens_and_closes_in_either_database(database: Database) -> None:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)
    await database.write(matching._save, [debt(), case()], NOW, NOW, ROUTES)
    for source in ("getbill", "debitura"):
        changed = await database.write(matching._record_sync, (source, "main"), LATER)
        await database.write(matching._compare, changed, LATER, ROUTES)
    opened = await database.read(items.list_open_by_reference, REFERENCE)
    await database.write(matching._save, [case(stage="Paused", standing=("owed",))], LATER, LATER, ROUTES)
    for source in ("getbill", "debitura"):
        changed = await database.write(matching._record_sync, (source, "main"), LATER + timedelta(minutes=5))
        await database.write(matching._compare, changed, LATER, ROUTES)
    closed = await database.read(items.list_open_by_reference, REFERENCE)

    assert [(item.kind, item.twin is not None) for item in opened] == [("conflict", False), ("portal_dispute", True)]
    assert [item.kind for item in closed] == ["portal_dispute"]
