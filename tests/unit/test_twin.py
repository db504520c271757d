"""Twins in two systems: matched by the creditor's number, certain only if amount or debtor confirm it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.money import Money
from receiver.domain.twin import (
    Receivable,
    certainty,
    fill_from_older,
    find_best_twin,
    find_pairs,
    find_twin,
    merge_by_side,
    reference_of,
)
from tests.receivables import EUR, case, debt


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, "sure"),
        ({"debtor": "Somebody Else"}, "sure"),
        ({"amounts": (Money(Decimal("0.01"), "EUR"),)}, "sure"),
        ({"amounts": (Money(Decimal(1500), "DKK"),), "debtor": None}, "unsure"),
        ({"amounts": (Money(Decimal(1500)),), "debtor": None}, "unsure"),
        ({"amounts": (), "debtor": "Somebody Else"}, "unsure"),
        ({"reference": "INV-2024-002"}, None),
        ({"reference": "inv-2024-001"}, None),
        ({"source": "getbill"}, None),
    ],
    ids=[
        "all agrees", "amount alone", "name alone", "other currency", "no currency", "nothing else agrees",
        "other number", "other case of letters", "same system",
    ],
)  # fmt: skip
def test_twins_have_one_number_and_something_that_confirms_it(changes: dict[str, Any], how: str | None) -> None:
    assert certainty(debt(), case(**changes)) == how


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Jane Roe", "ROE, Jane", True),
        ("Nørgaard Byg ApS", "norgaard byg", True),
        ("Müller & Söhne GmbH", "Muller Sohne", True),
        ("Moreau & Fils SARL", "MOREAU & FILS", True),
        ("Jane Roe", "Jan Roe", False),
        ("Jane Roe", "Jane Roe-Smith", False),
        ("GmbH", "GmbH", False),
        ("", "", False),
        (None, None, False),
    ],
)
def test_a_name_is_the_same_without_accents_forms_and_order(one: str | None, other: str | None, is_same: bool) -> None:
    found = certainty(debt(debtor=one, amounts=()), case(debtor=other))

    assert found == ("sure" if is_same else "unsure")


def test_a_number_is_compared_exactly_but_for_the_space_around_it() -> None:
    assert [reference_of(text) for text in (" INV 1\n", "INV 1", "  ", "", None)] == [
        "INV 1",
        "INV 1",
        None,
        None,
        None,
    ]


def test_of_two_cases_that_both_seem_to_be_it_neither_surely_is() -> None:
    found = find_best_twin(debt(), [case(), case(key="debitura:other:case:b")])

    assert found is not None
    assert (found[0].key, found[1]) == ("debitura:main:case:a", False)


def test_a_case_of_which_nothing_is_left_does_not_cast_doubt_on_the_one_that_runs() -> None:
    withdrawn = case(key="debitura:main:case:0", standing=(), stage="Closed")

    assert find_best_twin(debt(), [withdrawn, case()]) == (case(), True)


def test_what_several_todos_say_of_a_debt_is_read_together() -> None:
    plan = debt(key="getbill:main:agreement:9", standing=("owed", "planned"), debtor=None, amounts=())

    (together,) = merge_by_side([debt(), plan])

    assert together.standing == ("disputed", "owed", "planned")
    assert (together.debtor, together.amounts) == ("Jane Roe", (EUR,))


@pytest.mark.parametrize(
    ("standings", "together"),
    [
        ([("paid",), ("planned",)], ("planned",)),
        ([("paid",), ("broken",)], ("broken",)),
        ([("paid",), ("owed",)], ("paid",)),
        ([("paid",), ("disputed", "owed")], ("disputed", "paid")),
    ],
    ids=["a plan that runs", "a plan that is late", "paid", "paid though once disputed"],
)
def test_settled_is_no_payment_while_a_plan_runs(standings: list[tuple[str, ...]], together: tuple[str, ...]) -> None:
    """Getbill's sample shows "settled" for a debt whose instalments are all in the future."""
    records = [debt(key=f"getbill:main:debtor_request:{n}", standing=words) for n, words in enumerate(standings)]

    assert [side.standing for side in merge_by_side(records)] == [together]


def test_an_item_is_told_of_its_twin() -> None:
    twin = find_twin([debt()], [case()])

    assert twin is not None
    assert (twin.source, twin.name, twin.stage, twin.partner) == ("debitura", "Q8OAXF3W", "Active", "Nordic Collect")
    assert twin.is_sure
    assert find_twin([debt(reference="other")], [case()]) is None


def test_what_a_later_answer_leaves_out_is_still_known() -> None:
    sparse = debt(debtor=None, name=None, amounts=(Money(Decimal(1500)),), standing=("paid",))

    kept = fill_from_older(sparse, debt())

    assert (kept.debtor, kept.name, kept.amounts, kept.standing) == ("Jane Roe", "DEBT-2024-001", (EUR,), ("paid",))


RECORDS = st.lists(
    st.builds(
        lambda is_case, n, reference, debtor, minor, standing: (
            case(
                key=f"debitura:main:case:{n}",
                reference=reference,
                debtor=debtor,
                amounts=(Money(Decimal(minor), "EUR"),),
            )
            if is_case
            else debt(
                key=f"getbill:main:agreement:{n}",
                side=f"getbill:main:debt:{n % 2}",
                reference=reference,
                debtor=debtor,
                amounts=(Money(Decimal(minor), "EUR"),),
                standing=standing,
            )
        ),
        st.booleans(),
        st.integers(0, 4),
        st.sampled_from(["A", "B"]),
        st.sampled_from([None, "Jane Roe", "Roe Jane", "Max"]),
        st.integers(1, 3),
        st.sampled_from([(), ("owed",), ("paid",), ("planned",)]),
    ),
    max_size=8,
    unique_by=lambda one: (one.key, one.reference),
)


@given(RECORDS, st.randoms(use_true_random=False))
def test_who_belongs_to_whom_does_not_depend_on_the_order_they_came_in(records: list[Receivable], chance: Any) -> None:
    shuffled = [*records]
    chance.shuffle(shuffled)

    assert find_pairs(shuffled) == find_pairs(records)


@given(RECORDS)
def test_nobody_has_two_twins_and_every_pair_agrees_on_its_number(records: list[Receivable]) -> None:
    found = find_pairs(records)
    taken = [(side.side, side.reference) for pair in found for side in (pair.one, pair.other)]

    assert len(taken) == len(set(taken))
    for pair in found:
        assert pair.one.reference == pair.other.reference
        assert pair.one.source != pair.other.source
        assert not pair.is_sure or certainty(pair.one, pair.other) == certainty(pair.other, pair.one) == "sure"
