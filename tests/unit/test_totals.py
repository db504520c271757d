"""Totals count each receivable once, in any order of the items, and are the same wherever they are computed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.cli.items import format_totals
from receiver.domain.digest import TO_DECIDE, DigestRule
from receiver.domain.digest_build import build_digest
from receiver.domain.item import Item
from receiver.domain.money import Money
from receiver.domain.schedule import Schedule
from receiver.domain.totals import Totals, stake_of, sum_items, sum_stakes
from receiver.domain.twin import Twin
from receiver.store import stakes
from tests.factories import NOW, make_item, make_snapshot

EUR = Money(Decimal(1500), "EUR")
RULE = DigestRule("daily", Schedule("30 8 * * 1-5", "Europe/Paris"), to=("cfo@creditor.example",))
GETBILL, DEBITURA = (Twin(source, "main", is_sure=True) for source in ("getbill", "debitura"))


def item(n: int = 0, **said: Any) -> Item:
    return make_item(make_snapshot(**{"key": f"getbill:main:x:{n}", "debt_id": f"d{n}", **said}), id=f"item{n:08}")


def dispute(n: int = 0, **said: Any) -> Item:
    """A debt at Getbill, which Debitura has too."""
    return replace(item(n, **said), twin=DEBITURA)


def question(n: int = 0, **said: Any) -> Item:
    """The partner's, about the same receivable."""
    said = {"source": "debitura", "key": f"debitura:main:task:{n}", "debt_id": None, "case_id": "c1", **said}
    return replace(item(n, **said), twin=GETBILL)


def conflict(n: int = 9, **said: Any) -> Item:
    said = {"source": "casebell", "kind": "conflict", "urgency": "review", "debt_id": None, **said}
    return item(n, key=f"casebell:main:conflict:{n}", sides=(DEBITURA, GETBILL), **said)


def sums(*items: Item) -> dict[Money, int]:
    return {one.total: one.claims for one in sum_items(items, NOW).at_risk}


def test_a_dispute_the_partners_question_and_their_conflict_are_one_claim() -> None:
    assert sums(dispute(), question(), conflict()) == {EUR: 1}
    assert sums(conflict(), item(0), question(), dispute(0)) == {EUR: 1}
    assert sums(dispute(), question(reference="INV-2")) == {Money(Decimal(3000), "EUR"): 2}


def test_a_conflict_that_waits_alone_is_at_risk() -> None:
    assert sums(conflict()) == {EUR: 1}


def test_what_may_be_another_receivable_is_another_claim() -> None:
    perhaps = [replace(one, twin=replace(one.twin, is_sure=False)) for one in (dispute(), question()) if one.twin]
    elsewhere = dispute(1, account="other")

    assert sums(*perhaps) == {Money(Decimal(3000), "EUR"): 2}
    assert sums(dispute(), question(), elsewhere) == {Money(Decimal(3000), "EUR"): 2}


def test_of_amounts_that_differ_the_greatest_in_a_known_currency_counts() -> None:
    bare = Money(Decimal(9_000))

    assert sums(dispute(), question(amount=Money(Decimal(1590), "EUR"))) == {Money(Decimal(1590), "EUR"): 1}
    assert sums(item(1, debt_id="d0", amount=bare), item(0)) == {EUR: 1}


@pytest.mark.parametrize("amount", [None, Money(Decimal(700)), Money(Decimal(700), "XQQ")])
def test_what_has_no_currency_is_counted_and_not_added(amount: Money | None) -> None:
    totals = sum_items([item(1, amount=amount), item(2, amount=amount, debt_id="d1"), item(3)], NOW)

    assert ([one.total for one in totals.at_risk], totals.unknown) == ([EUR], 2)


@pytest.mark.parametrize("amount", [Money(Decimal(0), "EUR"), Money(Decimal(0)), Money(Decimal(-20), "GBP")])
def test_nothing_and_a_credit_are_not_at_risk_and_take_nothing_away(amount: Money) -> None:
    totals = sum_items([item(1, amount=amount), item(2)], NOW)

    assert ([one.total for one in totals.at_risk], totals.unknown, totals.to_decide) == ([EUR], 0, 2)


def test_what_is_resolved_or_snoozed_is_not_waiting() -> None:
    resolved = replace(item(1), state="resolved")
    sleeps = replace(item(2), snoozed_until=NOW + timedelta(seconds=1))
    asked = replace(item(3), state="acting", snoozed_until=NOW)

    assert sum_items([resolved, sleeps], NOW) == Totals(snoozed=1)
    assert (sum_items([resolved, sleeps, asked], NOW).waiting, sums(resolved, sleeps, asked)) == (1, {EUR: 1})


def test_what_is_only_to_be_known_waits_and_is_not_at_risk_before_it_is_due() -> None:
    info = item(1, urgency="info", kind="agreement")
    due = item(2, urgency="info", deadline_at=NOW + timedelta(days=7))

    assert sum_items([info], NOW) == Totals(waiting=1)
    assert sum_items([due], NOW).to_decide == 1


def test_the_terminal_says_what_waits_and_what_it_comes_to() -> None:
    found = [dispute(), question(), item(2, amount=None), replace(item(3), snoozed_until=NOW + timedelta(days=1))]

    line = format_totals(sum_items(found, NOW))

    assert line == (
        "3 open, 3 hold up collection, 1 snoozed; at risk: €1,500.00 + 1 with an amount or currency not known yet"
    )
    assert format_totals(Totals()) == "0 open, 0 hold up collection"


def _made(make: Any, n: int, debt: int, state: Any, asleep: timedelta | None, age: int, said: dict[str, Any]) -> Item:
    about = {question: {"case_id": f"c{debt}"}, conflict: {}}.get(make, {"debt_id": f"d{debt}"})
    made: Item = make(n, reference=f"INV-{debt}", created_at=NOW - timedelta(days=age), **about, **said)
    until = None if asleep is None else NOW + asleep
    return replace(made, state=state, snoozed_until=until, resolved_at=NOW if state == "resolved" else None)


_AMOUNTS = st.builds(Money, st.decimals(-100, 1000, places=2), st.sampled_from([None, "EUR", "DKK", "JPY", "XQQ"]))
_SAID = st.fixed_dictionaries(
    {
        "amount": st.none() | _AMOUNTS,
        "urgency": st.sampled_from(["blocking", "review", "info"]),
        "deadline_at": st.sampled_from([None, *(NOW + timedelta(days=days) for days in (-3, 3, 30))]),
    }
)
_ITEMS = st.lists(
    st.builds(
        _made,
        st.sampled_from([item, dispute, question, conflict]),
        st.integers(0, 10_000),
        st.integers(0, 3),
        st.sampled_from(["open", "acting", "resolved"]),
        st.sampled_from([None, -timedelta(hours=1), timedelta(), timedelta(hours=1)]),
        st.integers(0, 60),
        _SAID,
    ),
    max_size=12,
    unique_by=lambda one: one.key,
)


@given(_ITEMS, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_inbox_digest_and_terminal_come_to_the_same(found: Sequence[Item], chance: Any) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    open_ones = [one for one in shuffled if one.state != "resolved"]
    totals = sum_items(found, NOW)  # the terminal and grouped messages

    digest = build_digest(RULE, shuffled, NOW - timedelta(days=1), NOW)
    # as the inbox and the Home tab read them
    stored = sum_stakes((stakes.from_column(stakes.to_column(one) or "") for one in open_ones), NOW)

    assert digest.totals == stored == totals
    assert sum(digest.part(name).count for name in TO_DECIDE) == totals.to_decide
    assert digest.part("blocking").count == totals.blocking
    assert totals.waiting + totals.snoozed == len(open_ones)
    assert all(one.total.amount > 0 and one.total.currency in {"EUR", "DKK", "JPY"} for one in totals.at_risk)
    for one in totals.at_risk:
        assert (sum(b.amount for b in one.buckets), sum(b.claims for b in one.buckets)) == (
            one.total.amount,
            one.claims,
        )


def test_a_stake_is_stored_with_its_item_and_only_while_it_is_not_resolved() -> None:
    assert stakes.to_column(replace(item(), state="resolved")) is None
    assert stakes.from_column(stakes.to_column(dispute()) or "") == stake_of(dispute())
