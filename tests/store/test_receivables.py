"""What is known of receivables, in either database: written when it is news, forgotten when it is surely gone."""

from datetime import timedelta
from decimal import Decimal

import pytest

from receiver.domain.fact import SourceSaid
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


async def test_what_is_news_is_written_and_nothing_else(database: Database) -> None:
    first = await database.write(receivables.save, [debt(), case()], NOW)
    again = await database.write(receivables.save, [debt(), case()], LATER)
    changed = await database.write(receivables.save, [debt(standing=("paid",))], LATER)
    found = {record.said.source: record for record in await records(database)}

    assert (first, again, changed) == ({REFERENCE}, set(), {REFERENCE})
    assert (found["getbill"].changed_at, found["debitura"].changed_at) == (LATER, NOW)
    assert found["getbill"].said.standing == ("paid",)


async def test_a_slow_answer_never_beats_a_newer_one(database: Database) -> None:
    await database.write(receivables.save, [debt(standing=("paid",))], LATER)

    assert await database.write(receivables.save, [debt()], NOW) == set()
    assert [record.said.standing for record in await records(database)] == [("paid",)]


async def test_what_a_shorter_answer_leaves_out_is_no_news(database: Database) -> None:
    await database.write(receivables.save, [debt()], NOW)
    shorter = debt(debtor=None, name=None, amounts=(Money(Decimal(1500)),))

    assert await database.write(receivables.save, [shorter], LATER) == set()


async def test_a_record_that_is_about_something_else_now_is_not_about_it_any_more(database: Database) -> None:
    await database.write(receivables.save, [debt()], NOW)

    changed = await database.write(receivables.save, [debt(reference="INV-9")], LATER)

    assert changed == {REFERENCE, "INV-9"}
    assert await records(database) == []


async def test_what_a_whole_list_leaves_out_is_forgotten_at_the_second_time(database: Database) -> None:
    await database.write(receivables.save, [debt(), case()], NOW)
    once = await database.write(receivables.delete_unlisted, "getbill", "main", frozenset(), LATER)
    await database.write(receivables.save, [debt()], LATER)
    after_it_came_back = await database.write(receivables.delete_unlisted, "getbill", "main", frozenset(), LATER)
    twice = await database.write(receivables.delete_unlisted, "getbill", "main", frozenset(), LATER)

    assert (once, after_it_came_back, twice) == (set(), set(), {REFERENCE})
    assert [record.said.source for record in await records(database)] == ["debitura"]


async def test_references_that_several_know_are_found_by_what_changed_since(database: Database) -> None:
    await database.write(receivables.save, [debt(), case(), debt(key="k2", reference="ALONE")], NOW)
    shared = [await database.read(receivables.list_shared_since, since) for since in (None, NOW, LATER)]

    assert shared == [[REFERENCE], [REFERENCE], []]


async def test_a_conflict_goes_its_way_in_either_database(database: Database) -> None:
    await database.write(apply_fact, SourceSaid(make_snapshot(), NOW), NOW, ROUTES)
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
