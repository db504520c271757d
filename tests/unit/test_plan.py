"""A payment plan is validated before it is sent to the source, by the same rules for every input."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.action import Plan, PlanInput
from receiver.domain.item import Detail
from receiver.domain.money import Money
from receiver.domain.plan import as_input, current_plan, find_faults, parse_amount, parse_plan
from receiver.domain.refusal import SENTENCES
from tests.factories import make_snapshot

TODAY = date(2026, 3, 2)
OWED = Money(Decimal(1500), "EUR")
GOOD = PlanInput("6", "2026-04-01", "250")


def codes(wish: PlanInput, owed: Money | None = OWED, now: Plan | None = None) -> dict[str, str]:
    return {fault.field: fault.code for fault in find_faults(wish, owed, now, TODAY)}


def test_a_sound_plan_has_no_faults() -> None:
    assert codes(GOOD) == {}
    assert codes(GOOD, owed=None) == {}
    assert parse_plan(GOOD) == Plan(6, date(2026, 4, 1), Decimal(250))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"months": "0"}, {"months": "plan_months"}),
        ({"months": "121"}, {"months": "plan_months"}),
        ({"months": "six"}, {"months": "plan_months"}),
        ({"months": "1.5"}, {"months": "plan_months"}),
        ({"starts_on": "1/4/2026"}, {"starts_on": "plan_date"}),
        ({"starts_on": "2026-03-01"}, {"starts_on": "plan_date_past"}),
        ({"starts_on": "2036-03-01"}, {"starts_on": "plan_date_far"}),
        ({"first_payment": "0"}, {"first_payment": "plan_amount"}),
        ({"first_payment": "-5"}, {"first_payment": "plan_amount"}),
        ({"first_payment": "1,500"}, {"first_payment": "plan_amount"}),
        ({"first_payment": "NaN"}, {"first_payment": "plan_amount"}),
        ({"first_payment": "10.5555"}, {"first_payment": "plan_amount_too_fine"}),
        ({"first_payment": "1500.01"}, {"first_payment": "plan_amount_over"}),
        ({"first_payment": "1500"}, {"first_payment": "plan_nothing_left"}),
        ({"months": "1"}, {"first_payment": "plan_one_payment"}),
        (
            {"months": "", "starts_on": "", "first_payment": ""},
            {"months": "plan_months", "starts_on": "plan_date", "first_payment": "plan_amount"},
        ),
    ],
)
def test_each_fault_is_told_at_its_field(change: dict[str, str], found: dict[str, str]) -> None:
    assert codes(replace(GOOD, **change)) == found
    assert set(found.values()) <= set(SENTENCES)


def test_a_yen_has_no_decimals_and_one_month_pays_it_all() -> None:
    assert codes(replace(GOOD, first_payment="10.5"), Money(Decimal(5000), "JPY")) == {
        "first_payment": "plan_amount_too_fine"
    }
    assert codes(PlanInput("1", "2026-03-02", "1.500,00")) == {}


def test_the_plan_as_it_is_is_no_change() -> None:
    details = (
        Detail("plan_months", number=6),
        Detail("plan_start_date", day=date(2026, 4, 1)),
        Detail("first_payment_amount", money=Money(Decimal(250), "EUR")),
    )
    now = current_plan(make_snapshot(kind="agreement", details=details))

    began = Plan(6, date(2026, 1, 15), Decimal(250))
    assert codes(replace(GOOD, months="12", starts_on="2026-01-15"), now=began) == {}  # a longer one from the same day
    assert codes(replace(GOOD, first_payment="250.00"), now=now) == {"months": "plan_same"}
    assert as_input(now) == PlanInput("6", "2026-04-01", "250.00")
    assert as_input(current_plan(make_snapshot(details=details[:2]))) == PlanInput()


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("1500", "1500"), ("1500.5", "1500.5"), ("1 500,50", "1500.50"), ("1\u202f500,50", "1500.50"),
        ("1,500.50", "1500.50"), ("1.500,50", "1500.50"), ("1'500.50", "1500.50"), ("1.500.000", "1500000"),
        ("1,500", None), ("1.500", None), ("1,5,0", None), ("1.50.000,00", None), ("", None), (".5", None),
        ("1e3", None), ("٣", None), ("€150", None), ("1,500,50", None),
    ],
)  # fmt: skip
def test_an_amount_is_read_as_people_write_it_or_not_at_all(typed: str, amount: str | None) -> None:
    assert parse_amount(typed) == (None if amount is None else Decimal(amount))


@given(st.decimals("0.01", "99999999", places=2))
def test_an_amount_written_in_any_of_our_languages_is_read_back(amount: Decimal) -> None:
    english = f"{amount:,.2f}"
    swapped = english.translate(str.maketrans(",.", ".,"))

    assert {parse_amount(english), parse_amount(swapped), parse_amount(english.replace(",", "\u202f"))} == {amount}


@given(st.builds(PlanInput, st.text(max_size=50), st.text(max_size=50), st.text(max_size=50)))
def test_rubbish_is_a_fault_and_never_an_error(wish: PlanInput) -> None:
    assert set(codes(wish).values()) <= set(SENTENCES)
