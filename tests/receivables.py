"""The same receivable as Getbill and as Debitura represent it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from receiver.domain.money import Money
from receiver.domain.twin import Receivable

EUR = Money(Decimal(1500), "EUR")


def debt(**changes: Any) -> Receivable:
    defaults = Receivable(
        key="getbill:main:debtor_request:1",
        source="getbill",
        account="main",
        side="getbill:main:debt:9",
        reference="INV-2024-001",
        name="DEBT-2024-001",
        debtor="Jane Roe",
        amounts=(EUR,),
        stage="on_hold",
        standing=("disputed", "owed"),
    )
    return replace(defaults, **changes)


def case(**changes: Any) -> Receivable:
    key = changes.pop("key", "debitura:main:case:a")
    defaults = Receivable(
        key=key,
        source="debitura",
        account="main",
        side=key,
        reference="INV-2024-001",
        name="Q8OAXF3W",
        debtor="Jane Roe",
        amounts=(EUR, Money(Decimal(1590), "EUR")),
        stage="Active",
        partner="Nordic Collect",
        standing=("owed", "pursued"),
    )
    return replace(defaults, **changes)
