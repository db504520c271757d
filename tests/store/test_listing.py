"""The pages of the inbox in either database: the matching items, in order, for any filter."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from receiver.domain.fact import SourceReported
from receiver.domain.item import Snapshot
from receiver.domain.money import Money
from receiver.domain.totals import Totals, sum_items
from receiver.pipeline.apply import apply_facts
from receiver.store import items, listing
from receiver.store.database import Database
from receiver.store.listing import Filter
from receiver.store.schema import item
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio


def numbered(number: int, **changes: Any) -> Snapshot:
    normal = {
        "key": f"getbill:main:debtor_request:{number:04}",
        "reference": f"INV-{number:04}",
        "debtor": f"Roe {number}",
    }
    return make_snapshot(**(normal | changes))


async def open_items(database: Database, *said: Snapshot) -> None:
    facts = [SourceReported(one, NOW) for one in said]
    for start in range(0, len(facts), 7):  # several are opened at the same time
        at = NOW + timedelta(minutes=start)
        await database.write(apply_facts, [replace(f, said_at=at) for f in facts[start : start + 7]], at, ())


async def list_references(database: Database, wanted: Filter) -> list[str]:
    """References of the items on all pages."""
    references: list[str] = []
    after = None
    while True:
        page, after = await database.read(listing.list_page, wanted, after)
        references += [item.snapshot.reference or "" for item in page]
        if after is None:
            return references


async def test_every_item_is_on_exactly_one_page(database: Database) -> None:
    urgencies = ["info", "blocking", "review"]
    await open_items(database, *(numbered(n, urgency=urgencies[n % 3]) for n in range(120)))

    shown = await list_references(database, Filter())

    assert len(shown) == len(set(shown)) == 120
    assert [urgencies[int(reference[-4:]) % 3] for reference in shown] == ["blocking"] * 40 + ["review"] * 40 + [
        "info"
    ] * 40


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("inv-0002", ["INV-0002"]),
        ("roe 3", ["INV-0003"]),
        ("ÆRØ", ["INV-0004"]),
        ('"paid"', ["INV-0004"]),
        ("50%", ["INV-0004"]),
        ("%", ["INV-0004"]),
        ("_", []),
        ("snapshot", []),
        ("currency", []),
        ("blocking", []),
        ("\\", []),
    ],
)
async def test_search_finds_words_of_the_case_and_not_json_keys(
    database: Database, words: str, expected: list[str]
) -> None:
    odd = {"quote": 'I have "paid" 50% on Ærø'.replace("Ærø", "ÆRØ"), "key": "getbill:main:debtor-request:4"}
    plain = {"key": "getbill:main:request:{}"}
    said = [numbered(n, **(odd if n == 4 else {"key": plain["key"].format(n)})) for n in range(1, 6)]
    await open_items(database, *said)

    assert await list_references(database, Filter(words=words)) == expected
    assert (await database.read(listing.totals, Filter(words=words), NOW)).waiting == len(expected)


async def test_stored_stakes_add_up_like_the_items(database: Database) -> None:
    euros = (Money(Decimal("1500.555"), "EUR"), Money(Decimal(1), "EUR"))
    amounts = [*euros, Money(Decimal(99), "DKK"), Money(Decimal(5)), None]
    changes: list[dict[str, Any]] = [{"debt_id": f"d{n}", "amount": amount} for n, amount in enumerate(amounts)]
    changes += [{"debt_id": "d0", "kind": "ai_dispute", "urgency": "review"}, {"urgency": "info", "deadline_at": NOW}]
    await open_items(database, *(numbered(n, **change) for n, change in enumerate(changes)))
    stored = await database.read(lambda connection: list(items.list_items(connection)))

    totals = await database.read(listing.totals, Filter(), NOW)

    assert totals == sum_items(stored, NOW)
    assert [(one.total, one.claims) for one in totals.at_risk] == [
        (Money(Decimal("3001.555"), "EUR"), 3),
        (Money(Decimal(99), "DKK"), 1),
    ]
    assert (totals.waiting, totals.unknown) == (7, 2)


async def test_items_without_a_stored_stake_add_up_too(database: Database) -> None:
    await open_items(database, numbered(1), numbered(2, debt_id="other"))
    before = await database.read(listing.totals, Filter(), NOW)
    await database.write(lambda connection: connection.execute(update(item).values(stake=None)))

    assert await database.read(listing.totals, Filter(), NOW) == before


async def test_totals_count_unresolved_items_for_every_filter_of_state(database: Database) -> None:
    await open_items(database, numbered(1, debt_id="one"), numbered(2, debt_id="two"), numbered(3, debt_id="three"))
    one, two, _ = await database.read(lambda connection: list(items.list_items(connection)))
    snoozed = replace(one, snoozed_until=NOW + timedelta(days=1))
    await database.write(items.save, replace(two, state="resolved", resolved_at=NOW))
    await database.write(items.save, snoozed)

    for state in ("open", "all"):
        totals = await database.read(listing.totals, Filter(state=state), NOW)
        assert (totals.waiting, totals.snoozed, totals.at_risk[0].claims) == (1, 1, 1)
    assert await database.read(items.count_open, NOW) == [("getbill", "portal_dispute", "blocking", 1)]
    assert (await database.read(items.count_open, NOW + timedelta(days=1)))[0][3] == 2


async def test_an_empty_database_has_an_empty_page(database: Database) -> None:
    totals = await database.read(listing.totals, Filter(state="all", mine="anna@creditor.example"), NOW)

    assert totals == Totals()
    assert await database.read(listing.list_choices) == ([], [])
