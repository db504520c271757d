"""Alerts by date of a todo: one a day, ended when the instalment is paid or the check-in answered."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from receiver.domain.money import Money
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.installment_alerts import alert_snapshots, alerts_by_todo, ended_alerts, parent_of
from receiver.upstream.getbill.translate import snapshot

TODAY = date(2026, 3, 2)
DEBT = {"id": "enc_9", "reference": "INV-1", "amount": 600, "currency": "EUR"}


def part(day: str, amount: int = 100, *, is_paid: bool = False) -> dict[str, Any]:
    paid_at = "2026-01-01T00:00:00Z" if is_paid else None
    return {"id": "enc_i1", "amount": amount, "payment_date": f"{day}T00:00:00+00:00", "paid_at": paid_at}


def plan(*parts: dict[str, Any]) -> wire.Todo:
    return wire.Todo.model_validate({"id": "enc_9", "type": "agreement", "debt": DEBT, "installments": [*parts]})


def hardship(**fields: Any) -> wire.Todo:
    calm = {"id": "enc_7", "type": "debtor_request", "sub_type": "hardship", "debt": DEBT, "status": "validated"}
    return wire.Todo.model_validate(calm | {"check_in_date": "2026-03-01", "employment_status": "unemployed"} | fields)


def rung(todo: wire.Todo) -> dict[str, Any]:
    return {alert.key: alert for alert in alert_snapshots(snapshot(todo, None, "main"), todo, TODAY)}


def test_each_late_instalment_rings_by_itself_with_its_own_amount() -> None:
    found = rung(
        plan(part("2026-01-15", is_paid=True), part("2026-02-15", 250), part("2026-03-02"), part("2026-04-15"))
    )

    (alert,) = found.values()
    assert list(found) == ["getbill:main:overdue_installment:enc_9:2026-02-15"]
    assert (alert.kind, alert.amount, alert.reference) == ("overdue_installment", Money(Decimal(250), "EUR"), "INV-1")
    assert (alert.is_open, alert.verbs, len(alert.installments)) == (True, (), 4)


def test_two_instalments_of_one_day_are_one_alert() -> None:
    (alert,) = rung(plan(part("2026-02-15"), part("2026-02-15", 50))).values()

    assert alert.amount == Money(Decimal(150), "EUR")


@pytest.mark.parametrize("fields", [{"payment_date": None}, {"payment_date": "soon"}], ids=["none", "no date"])
def test_an_instalment_without_a_day_is_never_late(fields: dict[str, Any]) -> None:
    assert rung(plan(part("2026-02-15") | fields)) == {}


@pytest.mark.parametrize(
    ("fields", "is_due"),
    [
        ({"check_in_due": True}, True),
        ({"check_in_due": True, "check_in_date": None}, True),
        ({"check_in_due": False}, False),
        ({}, True),
        ({"check_in_date": "2026-03-03"}, False),
        ({"check_in_date": None}, False),
        ({"check_in_due": True, "status": "rejected"}, False),
        ({"check_in_due": True, "status": "suggested"}, True),
    ],
    ids=["said so", "said so without a day", "said not", "by the day", "not yet", "never", "rejected", "undecided"],
)
def test_a_check_in_rings_when_getbill_says_so_or_its_day_has_come(fields: dict[str, Any], is_due: bool) -> None:
    assert bool(rung(hardship(**fields))) == is_due


def test_a_check_in_is_not_the_hardship_it_is_about() -> None:
    (alert,) = rung(hardship(check_in_due=True)).values()

    assert alert.key == "getbill:main:check_in:enc_7:2026-03-01"
    assert (alert.is_open, alert.verbs, alert.is_collection_paused) == (True, (), None)
    assert {detail.name for detail in alert.details} >= {"due_day", "employment_status"}


def test_an_alert_is_over_when_paid_answered_or_gone_with_the_dates() -> None:
    late = "getbill:main:overdue_installment:enc_9:"
    todo = plan(part("2026-01-15", is_paid=True), part("2026-02-15"))

    assert dict(
        ended_alerts(todo, {late + "2026-01-15", late + "2026-02-15", late + "2025-12-15"}, {late + "2026-02-15"})
    ) == {
        late + "2026-01-15": "paid",
        late + "2025-12-15": "gone",
    }
    answered = "getbill:main:check_in:enc_7:2026-03-01"
    assert dict(ended_alerts(hardship(check_in_due=False), {answered}, ())) == {answered: "completed"}


def test_every_alert_knows_its_todo() -> None:
    keys = [*rung(plan(part("2026-02-15"))), *rung(hardship(check_in_due=True)), "getbill:main:agreement:enc_9"]

    assert [parent_of(key, "main") for key in keys] == [
        "getbill:main:agreement:enc_9",
        "getbill:main:debtor_request:enc_7",
        None,
    ]
    assert alerts_by_todo(keys, "main") == {
        parent_of(keys[0], "main"): {keys[0]},
        parent_of(keys[1], "main"): {keys[1]},
    }


def test_an_id_with_a_colon_in_it_finds_its_way_back() -> None:
    todo = plan(part("2026-02-15"))
    said = replace(snapshot(todo, None, "main"), key="getbill:main:agreement:a:b")

    (alert,) = alert_snapshots(said, todo, TODAY)

    assert parent_of(alert.key, "main") == "getbill:main:agreement:a:b"
