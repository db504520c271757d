"""Sample notices for Slack, and a check of Slack's limits on a message."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from notifiers.i18n.translator import Translator
from notifiers.slack import escaping
from notifiers.slack.render import Message, render
from receiver.domain.action import PlanInput
from receiver.domain.item import Attempt, Detail, Item, Line, Proposal
from receiver.domain.notice import Link, Notice
from receiver.domain.people import Person
from receiver.domain.routing import Route
from tests.factories import NOW, make_item, make_notice, make_snapshot

LOCALES = ("en", "fr", "da", "de")
TRANSLATOR = Translator()

LINKS = (
    Link("solution", "https://app.getbill.example/todo/enc_234"),
    Link("media", "https://casebell.example.com/media/m1", "call-2026-03-02.mp3"),
    Link("media", "https://casebell.example.com/media/m2", "proof of payment.pdf"),
    Link("item", "https://casebell.example.com/items/k7f3q9x2m4ab"),
)
ALL_VERBS = ("validate", "reject", "reply", "claim", "note")


def resolved(**changes: Any) -> Item:
    done = {
        "state": "resolved",
        "version": 3,
        "resolved_at": NOW,
        "outcome": "validated",
        "resolved_by": "Ana Silva",
        "resolved_via": "mail",
    }
    return make_item(make_snapshot(is_open=False), **done | changes)


def acting(**changes: Any) -> Item:
    return make_item(state="acting", version=2, attempt=Attempt(7, "validate", "Ana Silva", "slack", NOW), **changes)


def chat_item() -> Item:
    lines = tuple(
        Line("partner" if number % 2 else "creditor", f"Person {number}", f"Message number {number}", NOW)
        for number in range(1, 7)
    )
    snapshot = make_snapshot(
        key="debitura:main:task:5e2a1e3a",
        source="debitura",
        kind="ReplyToChat",
        title="Reply to chat",
        question="Your partner asks for the signed contract.",
        quote=None,
        conversation=lines,
        verbs=("reply",),
        is_collection_paused=None,
        severity=None,
        theme=None,
        confidence=None,
        case_reference="D-10042",
        deadline_at=NOW + timedelta(days=2),
    )
    return make_item(snapshot)


def account_item() -> Item:
    snapshot = make_snapshot(
        key="debitura:main:task:9",
        source="debitura",
        kind="AssignBankAccount",
        urgency="info",
        title="Assign bank account",
        question=None,
        quote=None,
        reference=None,
        debtor=None,
        amount=None,
        is_collection_paused=None,
        severity=None,
        theme=None,
        confidence=None,
        verbs=(),
        details=(Detail("category", text="Account"),),
    )
    return make_item(snapshot)


ANA = Person(email="ana@creditor.example", name="Ana Silva")
PROPOSAL = Proposal(7, "reject", ANA, "slack", NOW, "The bank shows no payment <!channel>")
PLAN_PROPOSAL = Proposal(8, "update_plan", ANA, "cli", NOW, plan=PlanInput("12", "2026-05-04", "150.50"))
AGREEMENT = make_snapshot(kind="agreement", urgency="info", quote=None, question=None, verbs=("update_plan",))

CASES: dict[str, Notice] = {
    "open_dispute": make_notice(links=LINKS),
    "claimed": make_notice(make_item(version=2, claimed_by="Ana Silva"), links=LINKS),
    "acting": make_notice(acting(), links=LINKS),
    "refused": make_notice(make_item(version=3, problem="The dispute was already closed by Getbill."), links=LINKS),
    "resolved_by_mail": make_notice(resolved(), links=LINKS),
    "resolved_elsewhere": make_notice(resolved(resolved_by=None, resolved_via=None, outcome="gone"), links=LINKS),
    "chat": make_notice(chat_item(), links=LINKS[:1]),
    "account_task": make_notice(account_item(), links=LINKS[:1]),
    "french": make_notice(links=LINKS, route=Route("litiges", locale="fr", timezone="Europe/Paris")),
    "proposed": make_notice(make_item(version=2, proposal=PROPOSAL, escalated_at=NOW), links=LINKS),
    "proposed_plan": make_notice(make_item(AGREEMENT, version=2, proposal=PLAN_PROPOSAL), links=LINKS[:1]),
    "snoozed": make_notice(
        make_item(version=2, snoozed_until=NOW + timedelta(days=3), snoozed_by="Ana Silva", claimed_by="Ben"),
        links=LINKS,
    ),
    "payment_plan": make_notice(make_item(make_snapshot(kind="payment_plan")), links=LINKS[:1]),
    "agreement": make_notice(make_item(AGREEMENT), links=LINKS[:1]),
    "resolved_by_two": make_notice(resolved(confirmed_by="Ben Holm"), links=LINKS),
    "perhaps_twice": make_notice(maybe_duplicate=True),
    "nothing_known": make_notice(
        make_item(make_snapshot(**dict.fromkeys(("title", "question", "quote", "reference", "debtor", "amount")))),
        links=(),
    ),
}


def told(notice: Notice) -> Message:
    return render(notice, TRANSLATOR.story(notice), TRANSLATOR.say)


def walk(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


def pressable(message: Message) -> list[dict[str, Any]]:
    """All buttons and menu options with a value."""
    return [part for part in walk(message.blocks) if "value" in part]


def verbs_of(message: Message) -> list[str]:
    return [str(part["value"]).rsplit(".", 1)[1] for part in pressable(message)]


def texts(drawn: object) -> list[str]:
    return [part["text"] for part in walk(drawn) if isinstance(part.get("text"), str)]


def judge(message: Message) -> list[str]:
    """Violated limits of docs/vendors/slack.md#limits-of-messages-and-forms, by escaped UTF-16 units."""
    wrong = (
        ["too long a message"] if sum(map(escaping.length, [message.text, *texts(message.blocks)])) >= 12_000 else []
    )
    wrong += ["no text"] if not message.text.strip() or "\n" in message.text else []
    wrong += ["too many blocks"] if len(message.blocks) > 50 else []
    wrong += ["empty text"] if not all(texts(message.blocks)) else []
    names = Counter(part["action_id"] for part in walk(message.blocks) if "action_id" in part)
    wrong += [f"two of {name}" for name, count in names.items() if count > 1]
    for part in walk(message.blocks):
        most = {"header": 150, "section": 3000, "button": 75}.get(str(part.get("type")))
        inner = part.get("text")
        if most and isinstance(inner, dict) and escaping.length(inner["text"]) > most:
            wrong.append(f"{part['type']} text")
        wrong += ["fields"] if len(part.get("fields", ())) > 10 else []
        wrong += (
            ["field text"] if any(escaping.length(field["text"]) > 2000 for field in part.get("fields", ())) else []
        )
        wrong += ["overflow"] if part.get("type") == "overflow" and not 1 <= len(part["options"]) <= 5 else []
        wrong += ["value"] if len(str(part.get("value", ""))) > 150 else []
        wrong += ["label"] if escaping.length(str(part.get("accessibility_label", ""))) > 75 else []
        wrong += ["mrkdwn"] if part.get("type") == "mrkdwn" else []
        wrong += ["visible"] if part.get("type") == "actions" and visible(part) > 3 else []
    return wrong


def visible(actions: dict[str, Any]) -> int:
    return sum(element["type"] == "button" for element in actions["elements"])
