"""What the inbox's page lists, in either database: the right items, in order, however odd the question."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.apply import apply_facts
from receiver.domain.fact import SourceSaid
from receiver.domain.item import Snapshot
from receiver.domain.money import Money
from receiver.store import listing
from receiver.store.database import Database
from receiver.store.listing import Filter
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio


def numbered(number: int, **changes: Any) -> Snapshot:
    calm = {
        "key": f"getbill:main:debtor_request:{number:04}",
        "reference": f"INV-{number:04}",
        "debtor": f"Roe {number}",
    }
    return make_snapshot(**(calm | changes))


async def opens(database: Database, *said: Snapshot) -> None:
    facts = [SourceSaid(one, NOW) for one in said]
    for start in range(0, len(facts), 7):  # some are opened at the same time
        at = NOW + timedelta(minutes=start)
        await database.write(apply_facts, [replace(f, said_at=at) for f in facts[start : start + 7]], at, ())


async def found(database: Database, wanted: Filter) -> list[str]:
    """References, from all pages."""
    references: list[str] = []
    after = None
    while True:
        page, after = await database.read(listing.page, wanted, after)
        references += [item.snapshot.reference or "" for item in page]
        if after is None:
            return references


async def test_every_item_is_on_one_page_and_on_one_only(database: Database) -> None:
    urgencies = ["info", "blocking", "review"]
    await opens(database, *(numbered(n, urgency=urgencies[n % 3]) for n in range(120)))

    shown = await found(database, Filter())

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
async def test_what_is_looked_for_are_words_of_the_case_and_not_our_own(
    database: Database, words: str, expected: list[str]
) -> None:
    odd = {"quote": 'I have "paid" 50% on Ærø'.replace("Ærø", "ÆRØ"), "key": "getbill:main:debtor-request:4"}
    plain = {"key": "getbill:main:request:{}"}
    said = [numbered(n, **(odd if n == 4 else {"key": plain["key"].format(n)})) for n in range(1, 6)]
    await opens(database, *said)

    assert await found(database, Filter(words=words)) == expected
    assert (await database.read(listing.figures, Filter(words=words))).count == len(expected)


async def test_sums_are_of_what_has_an_amount_and_a_currency(database: Database) -> None:
    amounts = [Money(150_000, "EUR"), Money(1, "EUR"), Money(99, "DKK"), Money(5), None]
    await opens(database, *(numbered(n, amount=amount) for n, amount in enumerate(amounts)))

    figures = await database.read(listing.figures, Filter())

    assert (figures.count, figures.blocking, figures.oldest) == (5, 5, NOW)
    assert figures.at_risk == (Money(99, "DKK"), Money(150_001, "EUR"))


async def test_nothing_at_all_is_no_fault(database: Database) -> None:
    figures = await database.read(listing.figures, Filter(state="all", mine="anna@creditor.example"))

    assert (figures.count, figures.oldest, figures.at_risk) == (0, None, ())
    assert await database.read(listing.choices) == ([], [])
