"""Invented items of every kind, made the way real ones are: from a source's answer, through its translation."""

import json
from datetime import UTC, datetime
from typing import Any

from receiver.domain.item import Item, Snapshot

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
SAMPLES = (*GETBILL_KINDS, *DEBITURA_KINDS)


def sample(kind: str) -> Item:
    """An open item of this kind, one of SAMPLES."""
    now = datetime.now(UTC)
    return Item("preview00000", _snapshot(kind), "open", 1, now, now, now)


def _snapshot(kind: str) -> Snapshot:
    return _from_getbill(kind) if kind in GETBILL_KINDS else _from_debitura(kind)


def _from_getbill(kind: str) -> Snapshot:
    from receiver.sandbox.getbill import GetbillStand
    from receiver.upstream.getbill import translate, wire

    stand = GetbillStand()
    todo = stand.add(kind)
    debt = stand.debts[todo["debt"]["id"]]
    return translate.snapshot(wire.Todo.model_validate(_sent(todo)), wire.Debt.model_validate(_sent(debt)), "main")


def _from_debitura(kind: str) -> Snapshot:
    from receiver.sandbox.debitura import DebituraStand
    from receiver.upstream.debitura import translate, wire

    stand = DebituraStand()
    task = stand.add_task(kind)
    case, chats = stand.cases.get(task["caseId"] or ""), stand.chats.get(task["caseId"] or "", [])
    return translate.snapshot(
        wire.Task.model_validate(_sent(task)),
        wire.Case.model_validate(_sent(case)) if case else None,
        [wire.Chat.model_validate(_sent(chat)) for chat in chats],
        "main",
    )


def _sent(record: dict[str, Any]) -> Any:
    """The record as it arrives over the wire: fractions are Decimals."""
    from receiver.upstream.strict_json import read_json

    return read_json(json.dumps(record).encode())
