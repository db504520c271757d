"""The data with which the demo starts: every kind of Getbill todo, every type of Debitura task.

Three claims are in both systems. The first is disputed in Getbill and collected by Debitura's partner: a conflict.
"""

from datetime import timedelta

from casebell_sandbox import debitura_cases, getbill_todos
from casebell_sandbox.debitura import DebituraStand
from casebell_sandbox.faults import utc_now
from casebell_sandbox.getbill import GetbillStand
from casebell_sandbox.invented import claim

# Beyond these the two systems hold different claims.
SHARED = 3
FIRST_ONLY_DEBITURA = 21


def fill(getbill: GetbillStand, debitura: DebituraStand) -> None:
    """Add one of each, about new claims; the first SHARED of them are in both systems."""
    before = max(len(getbill.debts), len(debitura.cases))  # docs/vendors/debitura.md#matching-a-getbill-debt
    ages = (timedelta(minutes=4), timedelta(hours=3), timedelta(days=1), timedelta(days=2), timedelta(days=9))
    kinds = ("portal_dispute", "ai_dispute", "hardship", "payment_plan", "objection", "agreement")
    for n, kind in enumerate(kinds):
        created_at = getbill_todos.iso(utc_now() - ages[n % len(ages)])
        getbill.add(kind, claim=claim(before + n + 1), created_at=created_at)
    getbill.add("agreement", claim=claim(before + 8), is_group=True)
    _make_one_payment_overdue(getbill)
    with_case = [name for name, about in debitura_cases.TYPES.items() if about.has_case]
    for n, name in enumerate(with_case):
        debitura.add_task(name, claim=claim(before + n + (1 if n < SHARED else FIRST_ONLY_DEBITURA)))
    for name in [name for name in debitura_cases.TYPES if name not in with_case] + [*debitura_cases.LATER_TYPES]:
        debitura.add_task(name)


def _make_one_payment_overdue(getbill: GetbillStand) -> None:
    plan = next(todo for todo in getbill.todos.values() if todo["type"] == "agreement" and not todo.get("is_group"))
    plan["installments"][0]["payment_date"] = getbill_todos.iso(utc_now() - timedelta(days=5))
