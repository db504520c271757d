"""When a decision takes two people, and whether two people are two."""

import pytest

from receiver.domain.money import Money
from receiver.domain.people import People, Person

PEOPLE = People(four_eyes_above={"EUR": 10_000.0, "DKK": 75_000.0})
ANNA = Person(email="anna@creditor.example", name="Anna", slack_id="U1")


@pytest.mark.parametrize(
    ("money", "needs_second"),
    [
        (Money(1_000_000, "EUR"), False),  # at the limit, not above it
        (Money(1_000_001, "EUR"), True),
        (Money(5_000_000, "DKK"), False),
        (Money(7_500_001, "DKK"), True),
        (Money(99_999_999, "USD"), False),  # no limit is set for it
        (Money(1_000_001, None), True),  # of an unknown currency the lowest limit counts
        (Money(-1_000_001, "EUR"), True),  # a credit
        (Money(1_000_000, None), False),
        (None, False),
    ],
)
def test_a_second_person_is_needed_above_the_limit_of_the_currency(money: Money | None, needs_second: bool) -> None:
    assert PEOPLE.needs_second(money) is needs_second
    assert not People().needs_second(money)


@pytest.mark.parametrize(
    ("other", "is_other"),
    [
        pytest.param(Person(email="ben@creditor.example", slack_id="U2"), True, id="somebody else"),
        pytest.param(Person(email="ben@creditor.example"), True, id="somebody else by mail"),
        pytest.param(Person(email="ANNA@creditor.example"), False, id="herself by mail"),
        pytest.param(Person(slack_id="U1"), False, id="herself without an address"),
        pytest.param(Person(email="other@creditor.example", slack_id="U1"), False, id="herself with another address"),
        pytest.param(Person(name="Ben"), False, id="nobody knows"),
    ],
)
def test_two_people_are_two_only_where_that_is_sure(other: Person, is_other: bool) -> None:
    assert ANNA.is_surely_other(other) is is_other
    assert other.is_surely_other(ANNA) is is_other


def test_an_id_and_an_address_cannot_be_compared() -> None:
    assert not Person(slack_id="U1").is_surely_other(Person(email="ben@creditor.example"))
