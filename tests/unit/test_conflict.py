"""When two systems contradict each other about one receivable, and when they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain import conflict
from receiver.domain.notice import verbs_for
from receiver.domain.twin import Pair
from tests.factories import make_item
from tests.receivables import case, debt

WORDS = st.sets(st.sampled_from(["paid", "owed", "disputed", "planned", "broken", "pursued"])).map(sorted).map(tuple)


@pytest.mark.parametrize(
    ("getbill", "debitura", "why"),
    [
        (("disputed", "owed"), ("owed", "pursued"), "disputed"),
        (("disputed", "owed"), ("owed",), None),
        (("disputed", "owed"), ("disputed", "owed", "pursued"), None),
        (("paid",), ("owed", "pursued"), "paid"),
        (("paid",), ("owed",), "paid"),
        (("paid",), (), None),
        (("paid",), ("paid",), None),
        (("owed",), ("paid",), "paid"),
        ((), ("paid",), None),
        (("owed", "planned"), ("owed", "pursued"), "planned"),
        (("broken", "owed"), ("owed", "pursued"), None),
        (("owed", "planned"), ("owed",), None),
        (("owed",), ("owed", "pursued"), None),
        (("disputed", "paid"), ("owed", "pursued"), "paid"),
    ],
    ids=[
        "disputed and pursued", "disputed and paused", "disputed on both sides", "paid and pursued", "paid and paused",
        "paid and closed", "paid twice", "open and recovered", "unknown and recovered", "plan and pursued",
        "a broken plan may be pursued", "plan and paused", "dunned and pursued", "the gravest first",
    ],
)  # fmt: skip
def test_what_is_a_conflict(getbill: tuple[str, ...], debitura: tuple[str, ...], why: str | None) -> None:
    found = conflict.find_contradiction(case(standing=debitura), debt(standing=getbill))

    assert (found and found[0]) == why


@given(WORDS, WORDS)
def test_who_is_asked_first_makes_no_difference(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert conflict.find_contradiction(debt(standing=one), case(standing=other)) == conflict.find_contradiction(
        case(standing=other), debt(standing=one)
    )


@given(WORDS)
def test_two_that_say_the_same_never_disagree(words: tuple[str, ...]) -> None:
    if {"paid", "owed"} <= set(words):
        return  # ``merge_by_side`` prevents this

    assert conflict.find_contradiction(debt(standing=words), case(standing=words)) is None


def test_a_conflict_names_both_sides_and_offers_nothing_that_a_source_would_do() -> None:
    said = conflict.conflict_snapshot(Pair(case(), debt(), is_sure=True))

    assert said is not None
    assert (said.source, said.account, said.kind, said.reference) == ("casebell", "main", "conflict", "INV-2024-001")
    assert [side.source for side in said.sides] == ["getbill", "debitura"]
    assert set(verbs_for(make_item(said))) <= {"claim", "assign", "snooze", "note"}


def test_nothing_is_claimed_of_two_that_may_not_be_one() -> None:
    assert conflict.conflict_snapshot(Pair(case(), debt(), is_sure=False)) is None


def test_the_same_two_sides_are_the_same_conflict_whatever_they_say() -> None:
    keys = {conflict.key_of(Pair(case(stage=stage), debt(), is_sure=True)) for stage in ("Active", "Paused")}

    assert len(keys) == 1
    assert keys != {conflict.key_of(Pair(case(key="debitura:main:case:b"), debt(), is_sure=True))}
