"""How a receivable stands in each system, as far as its words are known: what conflicts are made of."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from receiver.domain.money import Money
from receiver.upstream.debitura import cases
from receiver.upstream.debitura import wire as debitura
from receiver.upstream.getbill import debts
from receiver.upstream.getbill import wire as getbill

TODAY = date(2026, 3, 2)
LATE = {"amount": 100, "payment_date": "2026-02-15T00:00:00+00:00"}
COMING = {"amount": 100, "payment_date": "2026-04-15T00:00:00+00:00"}
PAID = {"amount": 100, "payment_date": "2026-01-15T00:00:00+00:00", "status": "paid"}


def of_todo(**fields: Any) -> tuple[str, ...]:
    status = fields.pop("debt_status", "status.default.on_hold")
    calm = {"id": "7", "type": "debtor_request", "sub_type": "portal_dispute", "status": "suggested"}
    todo = calm | {"debt": {"id": "9", "reference": "INV-1", "amount": 15, "status": status}} | fields
    (found,) = debts.receivables("key", getbill.Todo.model_validate(todo), None, "main", TODAY)
    return found.standing


def of_case(**fields: Any) -> tuple[str, ...]:
    calm = {"creditorReference": "INV-1", "lifecycle": "Active", "grossAmount": 15, "remainder": 16, "currency": "EUR"}
    (found,) = cases.receivables("c1", debitura.Case.model_validate(calm | fields), "main")
    return found.standing


@pytest.mark.parametrize(
    ("fields", "standing"),
    [
        ({}, ("disputed", "owed")),
        ({"status": None}, ("disputed", "owed")),
        ({"status": "validated"}, ("disputed", "owed")),
        ({"status": "rejected"}, ("owed",)),
        ({"type": "ai_detection", "sub_type": "ai_dispute"}, ("owed",)),
        ({"type": "ai_detection", "sub_type": "ai_dispute", "status": "validated"}, ("disputed", "owed")),
        ({"sub_type": "hardship"}, ("owed",)),
        ({"debt_status": "status.default.settled", "status": "rejected"}, ("paid",)),
        ({"debt_status": "status.ours.handed_over", "status": "rejected"}, ()),
        ({"debt_status": None, "status": "rejected"}, ()),
        ({"type": "agreement", "sub_type": None, "installments": [PAID, COMING]}, ("owed", "planned")),
        ({"type": "agreement", "sub_type": None, "installments": [LATE, COMING]}, ("broken", "owed")),
        ({"type": "agreement", "sub_type": None, "installments": [PAID]}, ("owed",)),
        ({"type": "agreement", "sub_type": None, "installments": []}, ("owed", "planned")),
    ],
    ids=[
        "disputed", "of unknown status", "a dispute that is justified", "rejected", "only the AI thinks so",
        "a person agreed with the AI", "hardship", "settled", "a company's own word", "no word", "a plan that is kept",
        "a plan that is late", "a plan that is over", "a plan without dates",
    ],
)  # fmt: skip
def test_how_a_debt_stands_at_getbill(fields: dict[str, Any], standing: tuple[str, ...]) -> None:
    assert of_todo(**fields) == standing


@pytest.mark.parametrize(
    ("fields", "standing"),
    [
        ({}, ("owed", "pursued")),
        ({"disputeStatus": "Yes, the claim is disputed"}, ("disputed", "owed", "pursued")),
        ({"disputeStatus": "Don't Know"}, ("owed", "pursued")),
        ({"lifecycle": "Paused"}, ("owed",)),
        ({"lifecycle": "More Info Required"}, ("owed",)),
        ({"lifecycle": "Closed", "closeCode": "Paid"}, ("paid",)),
        ({"lifecycle": "Closed", "closeCode": "Partially paid"}, ()),
        ({"lifecycle": "Closed", "closeCode": "Withdrawn by Client"}, ()),
        ({"lifecycle": "Merged"}, ()),
        ({"lifecycle": "Enforcement"}, ()),
        ({"lifecycle": None}, ()),
        ({"remainder": 0}, ("paid",)),
        ({"remainder": 0, "grossAmount": 0}, ("owed", "pursued")),
        ({"remainder": None}, ("owed", "pursued")),
    ],
    ids=[
        "active", "disputed", "dispute unknown", "paused", "waits for us", "recovered", "recovered in part",
        "withdrawn",
        "merged", "a stage of tomorrow", "no stage", "nothing left to pay", "no amounts yet", "no remainder",
    ],
)  # fmt: skip
def test_how_a_case_stands_at_debitura(fields: dict[str, Any], standing: tuple[str, ...]) -> None:
    assert of_case(**fields) == standing


def test_a_plan_over_several_debts_is_about_each_of_them() -> None:
    parts = [{"id": str(n), "reference": f"INV-{n}", "amount": n} for n in (1, 2)]
    todo = {"id": "g1", "type": "agreement", "currency": "EUR", "debt": parts[0], "debts": parts}

    found = list(debts.receivables("key", getbill.Todo.model_validate(todo), None, "main", TODAY))

    assert [(one.key, one.reference, one.side) for one in found] == [
        ("key", "INV-1", "getbill:main:debt:1"),
        ("key", "INV-2", "getbill:main:debt:2"),
    ]
    assert [one.amounts for one in found] == [(Money(Decimal(1), "EUR"),), (Money(Decimal(2), "EUR"),)]


def test_a_case_is_known_by_its_amount_with_and_without_fees() -> None:
    case = {"creditorReference": " INV-1 ", "grossAmount": 15, "remainder": 16.5, "currency": "EUR", "id": "x"}

    (found,) = cases.receivables("c1", debitura.Case.model_validate(case), "main", "https://d.example/{id}")

    assert (found.reference, found.amounts) == ("INV-1", (Money(Decimal(15), "EUR"), Money(Decimal("16.50"), "EUR")))
    assert (found.key, found.side, found.url) == (*["debitura:main:case:c1"] * 2, "https://d.example/c1")


@pytest.mark.parametrize("case", [{}, {"creditorReference": None}, {"creditorReference": "INV-1", "isTestCase": True}])
def test_a_case_without_our_number_or_for_tests_only_is_nobodys_twin(case: dict[str, Any]) -> None:
    assert list(cases.receivables("c1", debitura.Case.model_validate(case), "main")) == []
