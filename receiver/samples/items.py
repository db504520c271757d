"""Invented items of every kind, translated from the sandbox's answers by the same code as real ones."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from receiver.domain import conflict
from receiver.domain.item import Item, Proposal, Snapshot
from receiver.domain.notice import Reminder
from receiver.domain.people import Person
from receiver.domain.twin import Receivable, find_pairs, find_twin

GETBILL_KINDS = ("agreement", "portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection")
DEBITURA_KINDS = (
    "ReplyToChat",
    "ClientInputRequired",
    "MoreInfoNeeded",
    "SelectQuoteWinner",
    "ReviewPartner",
    "SignContract",
    "AssignBankAccount",
    "CaseValidationNeedsInfo",
    "Generic",
    "UploadKycDocument",
)
STATES = ("proposal", "snoozed", "escalated", "reminder")  # each as a dispute
DUE_KINDS = {"overdue_installment": "agreement", "check_in": "hardship"}
TWIN = "twin"  # a dispute about a receivable that is in both systems
SAMPLES = (*GETBILL_KINDS, *DEBITURA_KINDS, *DUE_KINDS, "webhook_disabled", conflict.KIND, TWIN, *STATES)
ANNA = Person(email="anna@creditor.example", name="Anna Krogh")


def sample_item(name: str) -> Item:
    """An open item: ``name`` is one of SAMPLES, a kind or the state of a dispute."""
    now = datetime.now(UTC)
    item = Item("preview00000", _snapshot_of("portal_dispute" if name in STATES else name), "open", 1, now, now, now)
    match name:
        case "proposal":
            proposal = Proposal(1, "validate", ANNA, "slack", now, "The bank confirms the payment of 3 March.")
            return replace(item, proposal=proposal)
        case "snoozed":
            return replace(item, snoozed_until=now + timedelta(days=3), snoozed_by=ANNA.label)
        case "escalated":
            return replace(item, opened_at=now - timedelta(days=3), escalated_at=now)
        case "reminder":
            return replace(item, opened_at=now - timedelta(days=1), claimed_by=ANNA.label, claimer=ANNA)
        case _ if name == TWIN:
            own, other = _shared_receivable()
            return replace(item, twin=find_twin([own], [other]))
        case _:
            return item


def sample_reminder(name: str | None) -> Reminder | None:
    """The reminder below the alert, for the sample with one."""
    return Reminder("reminder", ANNA) if name == "reminder" else None


def _snapshot_of(kind: str) -> Snapshot:
    if kind in DUE_KINDS:
        return _overdue_snapshot(DUE_KINDS[kind])
    if kind == "webhook_disabled":
        return _disabled_webhook()
    if kind == conflict.KIND:
        (pair,) = find_pairs(_shared_receivable())
        snapshot = conflict.conflict_snapshot(pair)
        assert snapshot is not None, "the invented receivables disagree"
        return snapshot
    if kind == TWIN:
        return _getbill_snapshot("portal_dispute")
    return _getbill_snapshot(kind) if kind in GETBILL_KINDS else _debitura_snapshot(kind)


def _getbill_snapshot(kind: str) -> Snapshot:
    from casebell_sandbox.getbill import GetbillStand
    from receiver.upstream.getbill import translate, wire

    stand = GetbillStand()
    todo = stand.add(kind)
    debt = stand.debts[todo["debt"]["id"]]
    return translate.snapshot(
        wire.Todo.model_validate(_as_received(todo)), wire.Debt.model_validate(_as_received(debt)), "main"
    )


def _shared_receivable() -> tuple[Receivable, Receivable]:
    """One receivable in both systems: disputed in Getbill, collected by Debitura's partner."""
    from casebell_sandbox.debitura import DebituraStand
    from casebell_sandbox.getbill import GetbillStand
    from receiver.upstream.debitura import cases
    from receiver.upstream.debitura import wire as debitura
    from receiver.upstream.getbill import debts
    from receiver.upstream.getbill import wire as getbill

    stand = GetbillStand()
    todo = getbill.Todo.model_validate(_as_received(stand.add("portal_dispute")))
    debt = getbill.Debt.model_validate(_as_received(next(iter(stand.debts.values()))))
    case = debitura.Case.model_validate(_as_received(DebituraStand().add_case()))
    today, page = datetime.now(UTC).date(), "https://app.{}.example/{{id}}"
    (own,) = debts.receivables("sample_item:1", todo, debt, "main", today, todo_url=page.format("getbill"))
    (other,) = cases.receivables(case.id or "", case, "main", page.format("debitura"))
    return own, other


def _overdue_snapshot(kind: str) -> Snapshot:
    from casebell_sandbox.getbill import GetbillStand
    from receiver.upstream.getbill import installment_alerts, translate, wire

    stand, now = GetbillStand(), datetime.now(UTC)
    record, due_on = stand.add(kind), now - timedelta(days=3)
    record["check_in_date"], record["check_in_due"] = due_on.date().isoformat(), True
    for part in record.get("installments", [])[:1]:
        part["payment_date"] = due_on.isoformat()
    todo = wire.Todo.model_validate(_as_received(record))
    debt = wire.Debt.model_validate(_as_received(stand.debts[record["debt"]["id"]]))
    return next(installment_alerts.alert_snapshots(translate.snapshot(todo, debt, "main"), todo, now.date()))


def _disabled_webhook() -> Snapshot:
    from receiver.upstream.debitura import subscriptions, wire

    url = "https://casebell.example.com/webhooks/debitura/main"
    reason = "Exceeded maximum retry attempts (8 failures)"
    return subscriptions.snapshot("sample_item:1", "main", wire.Subscription(url=url, disabled_reason=reason))


def _debitura_snapshot(kind: str) -> Snapshot:
    from casebell_sandbox.debitura import DebituraStand
    from receiver.upstream.debitura import translate, wire

    stand = DebituraStand()
    task = stand.add_task(kind)
    case, chats = stand.cases.get(task["caseId"] or ""), stand.chats.get(task["caseId"] or "", [])
    return translate.snapshot(
        wire.Task.model_validate(_as_received(task)),
        wire.Case.model_validate(_as_received(case)) if case else None,
        [wire.Chat.model_validate(_as_received(chat)) for chat in chats],
        "main",
    )


def _as_received(record: dict[str, Any]) -> Any:
    """The record as a client reads it from JSON: fractions are Decimals."""
    from receiver.upstream.strict_json import read_json

    return read_json(json.dumps(record).encode())
