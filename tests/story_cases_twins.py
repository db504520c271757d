"""Snapshots of the kinds that two systems or a due date cause: conflicts, overdue installments, check-ins."""

from datetime import date

from receiver.domain import conflict
from receiver.domain.item import Detail, Snapshot
from receiver.domain.twin import Pair
from tests.receivables import case, debt
from tests.story_cases import ACCOUNT, euros, getbill, installment, task


def make_conflict(here: tuple[str, ...], there: tuple[str, ...], stage: str = "Active") -> Snapshot:
    snapshot = conflict.conflict_snapshot(Pair(case(standing=there, stage=stage), debt(standing=here), is_sure=True))
    assert snapshot is not None
    return snapshot


KINDS: dict[str, Snapshot] = {
    "conflict_disputed": make_conflict(("disputed", "owed"), ("owed", "pursued")),
    "conflict_paid": make_conflict(("paid",), ("owed",), stage="Paused"),
    "conflict_recovered": make_conflict(("owed",), ("paid",), stage="Closed"),
    "conflict_planned": make_conflict(("owed", "planned"), ("owed", "pursued")),
    "overdue_installment": getbill(
        "overdue_installment",
        urgency="review",
        verbs=(),
        amount=euros(25_000),
        installments=(
            installment(25_000, date(2026, 1, 15), is_paid=True),
            installment(25_000, date(2026, 2, 15)),
            installment(25_000, date(2026, 4, 15)),
        ),
        details=(Detail("due_day", day=date(2026, 2, 15)),),
    ),
    "check_in": getbill(
        "check_in",
        urgency="review",
        verbs=(),
        details=(Detail("due_day", day=date(2026, 3, 1)), Detail("employment_status", text="unemployed")),
    ),
    "webhook_disabled": task(
        "webhook_disabled",
        "",
        title=None,
        urgency="review",
        details=(
            Detail("webhook", text="https://casebell.example.com/webhooks/debitura/main"),
            Detail("disabled_reason", text="Endpoint returned 410 Gone"),
        ),
        **ACCOUNT | {"deadline_at": None},
    ),
}
