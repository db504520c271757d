"""Plain functions with calm defaults; what a test changes is what it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from receiver.context import Rules
from receiver.domain.item import Item, Snapshot
from receiver.domain.money import Money
from receiver.domain.notice import Link, Notice, verbs_for
from receiver.domain.people import People
from receiver.domain.routing import Route
from receiver.domain.token import Tokens

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def make_snapshot(**changes: Any) -> Snapshot:
    calm = Snapshot(
        key="getbill:main:debtor_request:enc_234",
        source="getbill",
        account="main",
        kind="portal_dispute",
        urgency="blocking",
        is_open=True,
        title="Payment Already Made",
        question="Customer claims payment was already made",
        quote="I already paid this bill last month",
        reference="INV-2024-001",
        debtor="Jane Roe",
        amount=Money(Decimal(1500), "EUR"),
        is_collection_paused=True,
        severity="urgent",
        theme="Payment Issues",
        confidence=85,
        created_at=NOW - timedelta(hours=3),
        verbs=("validate", "reject"),
        status="suggested",
        debt_id="enc_456",
    )
    return replace(calm, **changes)


def make_item(snapshot: Snapshot | None = None, **changes: Any) -> Item:
    calm = Item(
        id="k7f3q9x2m4ab",
        snapshot=snapshot or make_snapshot(),
        state="open",
        version=1,
        said_at=NOW,
        opened_at=NOW,
        changed_at=NOW,
    )
    return replace(calm, **changes)


def make_notice(item: Item | None = None, **changes: Any) -> Notice:
    item = item or make_item()
    calm = Notice(
        item=item,
        route=Route("disputes", slack=("C1",), email=("ar@creditor.example",), timezone="Europe/Paris"),
        verbs=verbs_for(item),
        links=(Link("solution", "https://app.getbill.example/todo/enc_234"),),
        now=NOW,
    )
    return replace(calm, **changes)


def make_rules(**changes: Any) -> Rules:
    calm = Rules(people=People(), tokens=Tokens(["a key of sixteen characters"]), public_url="http://x")
    return replace(calm, **changes)
