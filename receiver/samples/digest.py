"""An invented digest, built from invented items by the same code as real ones."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from receiver.domain.digest import Digest, DigestRule, Edition, Silence, SourceFigures
from receiver.domain.digest_build import build_digest
from receiver.domain.item import Detail, Installment, Item
from receiver.domain.money import Money
from receiver.domain.schedule import Schedule
from receiver.samples.items import DEBITURA_KINDS, GETBILL_KINDS, sample_item

DEBTORS = (
    "Jane Roe",
    "Nordlys ApS",
    "Atelier Lumière",
    "Karl Bauer",
    "Fjord Seafood A/S",
    "Mads Holm",
    "Elise Marchand",
)
CURRENCIES = ("EUR", "EUR", "EUR", "DKK", "EUR")
RESOLVERS = (("anna@creditor.example", "slack"), ("ben@creditor.example", "mail"), (None, None))
OUTCOMES = ("validated", "rejected", "solved")
RULE = DigestRule("daily", Schedule("30 8 * * 1-5", "Europe/Paris"), to=("cfo@creditor.example",))


def sample_digest(locale: str, now: datetime | None = None, many: int = 34) -> Digest:
    """A digest of the last day with ``many`` open items; ``now`` is the current time unless given."""
    now = now or datetime.now(UTC)
    rule = replace(RULE, locale=locale)
    figures = SourceFigures(
        "getbill",
        "main",
        (("debtor_requests", 8), ("ai_detections", 12), ("agreements", 25), ("agreements_overdue", 3)),
    )
    silent = (Silence("debitura", "nordic", now - timedelta(hours=5)),)
    items = [*_open_items(now, many), *_resolved_items(now)]
    return build_digest(rule, items, now - timedelta(days=1), now, figures=(figures,), silent=silent)


def sample_edition(digest: Digest) -> Edition:
    """The digest with invented links."""
    items = [entry.item for part in digest.parts for entry in part.entries]
    decide = {
        item.id: f"https://casebell.example.com/act/{item.id}"
        for part in digest.parts
        if part.is_to_decide
        for item in (entry.item for entry in part.entries)
        if item.snapshot.verbs
    }
    source = {item.id: item.snapshot.solution_url for item in items if item.snapshot.solution_url}
    return Edition(digest, decide, source, "https://casebell.example.com/unsubscribe/preview")


def _open_items(now: datetime, many: int) -> Iterator[Item]:
    chance = random.Random(6)  # noqa: S311 - the same invented figures each time
    for n in range(many):
        kind = (*GETBILL_KINDS, *DEBITURA_KINDS[:6], "portal_dispute", "ai_dispute")[n % 14]
        opened_at = now - timedelta(hours=3 + n * n * 0.6 % 900)
        item = _vary(sample_item(kind), n, opened_at, chance)
        if kind == "agreement":
            item = _with_overdue_installment(item, now)
        if kind in DEBITURA_KINDS:
            deadline_at = now + timedelta(hours=chance.randint(-20, 120))
            item = replace(item, snapshot=replace(item.snapshot, deadline_at=deadline_at))
        yield item


def _resolved_items(now: datetime) -> Iterator[Item]:
    chance = random.Random(7)  # noqa: S311 - the same
    for n in range(40):
        resolved_at = now - timedelta(hours=5 + n * 16)
        item = _vary(sample_item("portal_dispute"), 100 + n, resolved_at - timedelta(days=chance.randint(1, 6)), chance)
        who, via = RESOLVERS[n % 3]
        yield replace(
            item, state="resolved", resolved_at=resolved_at, outcome=OUTCOMES[n % 2], resolved_by=who, resolved_via=via
        )
    hardship = _vary(sample_item("hardship"), 160, now - timedelta(days=80), chance)
    check_in = Detail("check_in_date", day=(now + timedelta(days=1)).date())
    snapshot = replace(hardship.snapshot, details=(check_in,))
    yield replace(
        hardship, snapshot=snapshot, state="resolved", resolved_at=now - timedelta(days=78), outcome="validated"
    )


def _vary(item: Item, n: int, opened_at: datetime, chance: random.Random) -> Item:
    currency = CURRENCIES[n % len(CURRENCIES)]
    snapshot = replace(
        item.snapshot,
        key=f"{item.snapshot.key}{n}",
        title=item.snapshot.title if item.snapshot.source == "getbill" else None,
        reference=f"INV-2026-{310 + n:04}" if item.snapshot.source == "getbill" else None,
        debtor=DEBTORS[n % len(DEBTORS)],
        amount=Money(chance.randint(90, 9_000) + Decimal("0.50") * (n % 2), currency),
        created_at=opened_at,
        debt_id=f"debt{n}",
        case_id=f"case{n}",
    )
    claimed_by = "anna@creditor.example" if n % 6 == 1 else None
    return replace(item, id=f"preview{n:05}", snapshot=snapshot, opened_at=opened_at, claimed_by=claimed_by)


def _with_overdue_installment(item: Item, now: datetime) -> Item:
    today = now.date()
    parts = tuple(
        Installment(Money(Decimal(250), "EUR"), today + timedelta(days=30 * k - 40), now if k == 0 else None, "pending")
        for k in range(6)
    )
    return replace(item, snapshot=replace(item.snapshot, installments=parts))
