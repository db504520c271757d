"""One snapshot of every kind of item, and helpers that build and print its story."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from notifiers.i18n.translator import Translator
from receiver.domain.item import Detail, Installment, Line, Medium, Snapshot
from receiver.domain.money import Money
from receiver.domain.notice import Story
from receiver.domain.routing import Route
from tests.factories import NOW, make_item, make_notice, make_snapshot

GOLDEN = Path(__file__).parent / "golden" / "story"


LOCALES = ("en", "fr", "da", "de")


TRANSLATOR = Translator()


NO_TEXTS: dict[str, Any] = dict.fromkeys(
    ("title", "question", "quote", "severity", "theme", "confidence", "is_collection_paused")
)


def euros(cents: int) -> Money:
    return Money(Decimal(cents) / 100, "EUR")


def installment(cents: int, due_on: date, *, is_paid: bool = False) -> Installment:
    paid_at = datetime(due_on.year, due_on.month, due_on.day, tzinfo=UTC) if is_paid else None
    return Installment(euros(cents), due_on, paid_at, "paid" if is_paid else "pending")


def getbill(kind: str, **changes: Any) -> Snapshot:
    return make_snapshot(kind=kind, **{**NO_TEXTS, "case_reference": "DEBT-2024-001"} | changes)


def task(kind: str, label: str, **changes: Any) -> Snapshot:
    defaults: dict[str, Any] = {
        "key": "debitura:main:task:5e2a1e3a",
        "source": "debitura",
        "kind": kind,
        "title": f"{label}: Jane Roe",
        "case_reference": "QX7R2MZA",
        "deadline_at": NOW + timedelta(days=2),
        "details": (
            Detail("lifecycle", text="Collection"),
            Detail("partner", text="Nordic Inkasso ApS"),
            Detail("type_label", text=label),
        ),
        "verbs": (),
        "status": "Open",
    }
    return make_snapshot(**NO_TEXTS | defaults | changes)


def chat_task(kind: str, label: str) -> Snapshot:
    asked = "Can you send us the signed order?\nThe debtor says there is none."
    lines = (
        Line("creditor", "Anna Kent", "Here is the invoice.", NOW - timedelta(days=1)),
        Line("partner", "Lars Holm", asked, NOW - timedelta(hours=5)),
    )
    return task(kind, label, urgency="blocking", question=asked, conversation=lines, verbs=("reply",))


ACCOUNT: dict[str, Any] = {"reference": None, "case_reference": None, "debtor": None, "amount": None}


KINDS: dict[str, Snapshot] = {
    "portal_dispute": make_snapshot(case_reference="DEBT-2024-001", media=(Medium("proof", "receipt.pdf"),)),
    "hardship": getbill(
        "hardship",
        is_collection_paused=True,
        details=(
            Detail("employment_status", text="unemployed"),
            Detail("is_temporary", flag=True),
            Detail("expected_recovery_period", text="3_months"),
            Detail("check_in_date", day=date(2026, 6, 1)),
            Detail("check_in_due", flag=False),
        ),
    ),
    "payment_plan": getbill(
        "payment_plan",
        is_collection_paused=True,
        quote="I can pay a little every month.",
        details=(
            Detail("number_of_installments", number=6),
            Detail("start_date", day=date(2026, 4, 1)),
            Detail("first_payment_amount", money=euros(25_000)),
            Detail("monthly_amount", money=euros(25_000)),
        ),
    ),
    "agreement": getbill(
        "agreement",
        urgency="info",
        verbs=(),
        installments=(
            *(installment(25_000, date(2025, month, 15), is_paid=True) for month in (10, 11, 12)),
            installment(25_000, date(2026, 2, 15)),
            installment(25_000, date(2026, 4, 15)),
            installment(25_000, date(2026, 5, 15)),
        ),
        details=(
            Detail("plan_months", number=6),
            Detail("plan_start_date", day=date(2025, 10, 15)),
            Detail("first_payment_amount", money=euros(25_000)),
            Detail("debt_count", number=3),
            Detail("debt_status", text="settled"),
        ),
    ),
    "ai_dispute": make_snapshot(
        kind="ai_dispute",
        urgency="review",
        is_collection_paused=False,
        severity="review",
        confidence=78,
        details=(Detail("source", text="ai_detection"),),
        media=(Medium("recording", "recording"),),
    ),
    "objection": getbill(
        "objection",
        urgency="review",
        is_collection_paused=False,
        severity="review",
        confidence=64,
        quote="Please call me back tonight.",
        details=(Detail("objection_type", text="wants_callback"),),
    ),
    "ReplyToChat": chat_task("ReplyToChat", "Reply to chat"),
    "ClientInputRequired": chat_task("ClientInputRequired", "Client input required"),
    "MoreInfoNeeded": chat_task("MoreInfoNeeded", "More info needed"),
    "SelectQuoteWinner": task("SelectQuoteWinner", "Select quote winner", urgency="review"),
    "ReviewPartner": task("ReviewPartner", "Review partner", urgency="info", deadline_at=None),
    "SignContract": task("SignContract", "Sign contract", title="Sign contract", urgency="blocking", **ACCOUNT),
    "AssignBankAccount": task(
        "AssignBankAccount",
        "Assign bank account",
        title="Assign bank account",
        urgency="blocking",
        **ACCOUNT | {"deadline_at": NOW - timedelta(days=1)},
    ),
    "CaseValidationNeedsInfo": task("CaseValidationNeedsInfo", "Case validation needs info", urgency="blocking"),
    "Generic": task("Generic", "Generic", title="Confirm the interest rate", question="Is 8 % agreed?"),
    "UploadDocument": task("UploadDocument", "Upload document", details=(Detail("how_many", number=2),)),
    "nothing_known": Snapshot("getbill:main:letter:1", "getbill", "main", "letter", "review", is_open=True),
}


def make_story(snapshot: Snapshot | None = None, *, locale: str = "en", masked: bool = False, **changes: Any) -> Story:
    route = Route("r", locale=locale, timezone="Europe/Paris", mask_debtor=masked)
    return TRANSLATOR.story(make_notice(make_item(snapshot, **changes), route=route))


def format_story(story: Story) -> str:
    parts = {
        "headline": story.headline,
        "sentence": story.sentence,
        "asked": story.question,
        "quote": story.quote,
        "facts": "\n".join(f"{label}: {value}" for label, value in story.facts),
        "conversation": "\n".join(" | ".join(line) for line in story.conversation),
        "status": story.status,
        "problem": story.problem,
        "footer": story.footer,
    }
    return "\n\n".join(f"[{name}]\n{text}" for name, text in parts.items() if text) + "\n"


def texts_of(story: Story) -> list[str]:
    single = (story.headline, story.sentence, story.question, story.quote, story.status, story.problem, story.footer)
    rows = (*story.facts, *story.conversation)
    return [*(text for text in single if text), *(text for row in rows for text in row)]
