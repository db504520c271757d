"""The snapshot of a task of Debitura, and what must not appear in it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.item import Detail, Line, Snapshot
from receiver.domain.money import Money
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.translate import is_open, key_of, snapshot, task_id_in

PAYLOADS = Path(__file__).parents[1] / "payloads" / "debitura"
TASK_ID = "c0ffee00-1111-4222-8333-444455556666"
CASE_ID = "8f19c2b0-1111-4222-8333-444455556666"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def snapshot_of(
    case: dict[str, Any] | None = None, chats: list[dict[str, Any]] | None = None, *hosts: str, **changes: Any
) -> Snapshot:
    """The snapshot of the documented chat task with ``changes``."""
    return snapshot(
        wire.Task.model_validate(payload("task__reply_to_chat") | changes),
        None if case is None else wire.Case.model_validate(case),
        [wire.Chat.model_validate(chat) for chat in chats or []],
        "main",
        hosts,
    )


def test_a_chat_task_with_its_case_says_everything_a_person_needs() -> None:
    shown = snapshot_of(payload("case__with_everything"), payload("chats__two_questions_after_our_last_word"))

    assert shown == Snapshot(
        key=f"debitura:main:task:{TASK_ID}",
        source="debitura",
        account="main",
        kind="ReplyToChat",
        urgency="blocking",
        is_open=True,
        title="Reply to chat: Acme Ltd",
        question="The debtor says it was credited.\nCan you confirm?\n\nAnd send the credit note?",
        reference="INV-2024-001",
        case_reference="Q8OAXF3W",
        debtor="Acme Ltd",
        amount=Money(Decimal("1060.50"), "DKK"),
        created_at=datetime(2026, 3, 6, 9, 0, 0, 123456, UTC),
        deadline_at=datetime(2026, 3, 10, 9, 0, tzinfo=UTC),
        solution_url="https://app.debitura.com/Task?id=1",
        conversation=(
            Line("partner", "Kerstin Lindqvist", "Is the invoice correct?", datetime(2026, 3, 1, 8, tzinfo=UTC)),
            Line("creditor", "Anna Krogh", "Yes.", datetime(2026, 3, 2, 8, tzinfo=UTC)),
            Line(
                "partner",
                "Kerstin Lindqvist",
                "The debtor says it was credited.\nCan you confirm?",
                datetime(2026, 3, 3, 8, tzinfo=UTC),
            ),
            Line("partner", "Managed by partner", "Managed note", datetime(2026, 3, 3, 8, 5, tzinfo=UTC)),
            Line("partner", "Kerstin Lindqvist", "And send the credit note?", datetime(2026, 3, 3, 9, tzinfo=UTC)),
        ),
        details=(
            Detail("lifecycle", text="More Info Required"),
            Detail("partner", text="Inkasso Nord AB"),
            Detail("type_label", text="Reply to chat"),
        ),
        verbs=("reply",),
        status="open",
        case_id=CASE_ID,
    )


def test_bank_accounts_and_ways_to_reach_the_debtor_stay_behind() -> None:
    shown = repr(snapshot_of(payload("case__with_everything"), payload("chats__two_questions_after_our_last_word")))

    for secret in ("DK5000400440116243", "jane@acme", "7946", "Harbour", "Jane Roe", "office@", "kerstin@", "anna.k@"):
        assert secret not in shown


def test_the_documented_task_of_the_account_is_shown_with_its_link_and_nothing_to_press() -> None:
    shown = snapshot(wire.Task.model_validate(payload("task__assign_bank_account")), None, [], "main")

    assert (shown.kind, shown.urgency, shown.verbs) == ("AssignBankAccount", "blocking", ())
    assert shown.title == "Assign bank account"
    assert shown.solution_url == "https://app.debitura.com/Invoices/Index?bankAccountId=-1"


@pytest.mark.parametrize(
    ("given", "kind", "urgency"),
    [
        ("ReplyToChat", "ReplyToChat", "blocking"),
        ("ClientInputRequired", "ClientInputRequired", "blocking"),
        ("MoreInfoNeeded", "MoreInfoNeeded", "blocking"),
        ("SignContract", "SignContract", "blocking"),
        ("AssignBankAccount", "AssignBankAccount", "blocking"),
        ("CaseValidationNeedsInfo", "CaseValidationNeedsInfo", "blocking"),
        ("SelectQuoteWinner", "SelectQuoteWinner", "review"),
        ("ReviewPartner", "ReviewPartner", "info"),
        ("Generic", "Generic", "review"),
        ("UploadKycDocument", "UploadKycDocument", "review"),
        (None, "Generic", "review"),
        (7, "Generic", "review"),
        (" \u202e\x07 ", "Generic", "review"),
        ("Evil\x00\u200b\nType", "Evil Type", "review"),
        ("T" * 200, "T" * 64, "review"),
    ],
)
def test_every_type_has_an_urgency_also_one_nobody_knows(given: object, kind: str, urgency: str) -> None:
    shown = snapshot_of(type=given)

    assert (shown.kind, shown.urgency) == (kind, urgency)


@pytest.mark.parametrize(
    ("chats", "question"),
    [
        ([], "Your collection partner is waiting for an answer."),
        ([{"role": 1, "message": "Ours"}], "Your collection partner is waiting for an answer."),
        ([{"role": 0, "message": "One"}, {"role": 0, "message": "Two"}], "One\n\nTwo"),
        ([{"role": 0, "message": "Late", "dateCreated": "2026-03-02T00:00:00"},
          {"role": 1, "message": "Ours", "dateCreated": "2026-03-01T00:00:00"}], "Late"),
        ([{"role": None, "message": "System"}, {"role": 0, "message": None}, {"role": "partner", "message": "x"}],
         "Your collection partner is waiting for an answer."),
    ],
    ids=["no chat", "answered", "two questions", "newest first", "odd"],
)  # fmt: skip
def test_the_question_is_what_the_partner_wrote_since_our_last_word(chats: list[dict[str, Any]], question: str) -> None:
    assert snapshot_of(None, chats).question == question


def test_a_task_that_is_no_chat_asks_what_its_description_says() -> None:
    shown = snapshot_of(None, [{"role": 0, "message": "Hello"}], type="Generic", description="Call us")

    assert shown.question == "Call us"
    assert [line.text for line in shown.conversation] == ["Hello"]


def test_only_the_last_ten_lines_of_a_conversation_are_shown() -> None:
    shown = snapshot_of(None, [{"role": 0, "message": str(n)} for n in range(25)])

    assert [line.text for line in shown.conversation] == [str(n) for n in range(15, 25)]


@pytest.mark.parametrize(
    "path", ["/cases/{caseId}/chats", f"/cases/{CASE_ID}/chats", f"/cases/{CASE_ID.upper()}/chats"]
)
def test_a_reply_is_offered_for_the_chat_of_the_tasks_own_case(path: str) -> None:
    assert snapshot_of(action={"method": "POST", "path": path}).verbs == ("reply",)


@pytest.mark.parametrize(
    "changes",
    [
        {"action": None},
        {"action": "POST"},
        {"action": {}},
        {"action": {"method": "DELETE", "path": f"/cases/{CASE_ID}/chats"}},
        {"action": {"method": None, "path": f"/cases/{CASE_ID}/chats"}},
        {"action": {"method": "POST", "path": f"https://evil.example/cases/{CASE_ID}/chats"}},
        {"action": {"method": "POST", "path": f"//evil.example/cases/{CASE_ID}/chats"}},
        {"action": {"method": "POST", "path": f"/cases/{CASE_ID}/chats/../../me"}},
        {"action": {"method": "POST", "path": f"/cases/{TASK_ID}/chats"}},
        {"action": {"method": "POST", "path": f"/cases/{CASE_ID}/chats?x=1"}},
        {"caseId": None},
        {"caseId": "1/../me", "action": {"method": "POST", "path": "/cases/1/../me/chats"}},
        {"status": "Solved"},
    ],
)
def test_a_reply_is_offered_for_nothing_else(changes: dict[str, Any]) -> None:
    assert snapshot_of(**changes).verbs == ()


@pytest.mark.parametrize(
    "link",
    [
        "https://debitura.com/x",
        "https://app.debitura.com/Task",
        "HTTPS://APP.DEBITURA.COM/",
        "https://a.b.debitura.com",
    ],
)
def test_a_link_to_debitura_can_be_opened(link: str) -> None:
    assert snapshot_of(solutionUrl=link).solution_url == link


@pytest.mark.parametrize(
    "link",
    [
        "http://app.debitura.com/", "https://evil.example/", "https://debitura.com.evil.example/",
        "https://notdebitura.com/", "https://app.debitura.com@evil.example/", "https://user@app.debitura.com/",
        "https://evil.example\\.debitura.com/", "https://app.debitura.com:8443/", "javascript:alert(1)",
        "//app.debitura.com/", "https:app.debitura.com", "https://app.debitura.com/<script>", "https://app.debіtura.com/",
        "https://app.debitura.com/a b", "https://[app.debitura.com/", "app.debitura.com", "https://app.debitura.com./",
        'https://app.debitura.com/"onclick=', "https://app.debitura.com:x/", "https://app.debitura.com/ü",
    ],
)  # fmt: skip
def test_any_other_link_is_text_that_nobody_can_press(link: str) -> None:
    shown = snapshot_of(solutionUrl=link)

    assert shown.solution_url is None
    assert Detail("solution_link", text=link) in shown.details


def test_a_host_can_be_allowed_besides() -> None:
    assert snapshot_of(None, None, "Sandbox.example", solutionUrl="https://x.sandbox.example/").solution_url is not None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-03-10T09:00:00", datetime(2026, 3, 10, 9, tzinfo=UTC)),
        ("2026-03-10T10:00:00+01:00", datetime(2026, 3, 10, 9, tzinfo=UTC)),
        ("2026-03-10", datetime(2026, 3, 10, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("9999-12-31T23:59:59.9999999", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        (1772700000, None),
        ({}, None),
    ],
)
def test_an_instant_without_a_zone_is_utc_and_no_date_is_none(given: object, expected: datetime | None) -> None:
    assert snapshot_of(deadline=given).deadline_at == expected


@pytest.mark.parametrize(
    ("remainder", "currency", "expected"),
    [
        (1060.5, "eur", Money(Decimal("1060.50"), "EUR")),
        (1060, "JPY", Money(Decimal(1060), "JPY")),
        ("12.345", None, Money(Decimal("12.345"), None)),
        (0, "EUR", Money(Decimal(0), "EUR")),
        (12, "EURO", Money(Decimal(12), None)),
        (None, "EUR", None),
        (True, "EUR", None),
        (10**20, "EUR", None),
        (float("inf"), "EUR", None),
    ],
)
def test_the_amount_is_what_remains_with_the_currency_if_it_is_one(
    remainder: object, currency: object, expected: Money | None
) -> None:
    assert snapshot_of({"remainder": remainder, "currency": currency}).amount == expected


@pytest.mark.parametrize(
    ("status", "solved_at", "expected"),
    [
        ("Open", None, True),
        ("open", None, True),
        ("Postponed", None, True),
        (None, None, True),
        ("Solved", None, False),
        ("SOLVED", "2026-03-06T09:00:00", False),
        (None, "2026-03-06T09:00:00", False),
    ],
)
def test_a_task_waits_unless_it_says_that_it_is_solved(
    status: str | None, solved_at: str | None, *, expected: bool
) -> None:
    shown = snapshot_of(status=status, dateSolved=solved_at)

    assert shown.is_open == expected
    assert shown.outcome == (None if expected else "solved")


def test_a_key_leads_back_to_its_task_and_only_within_its_account() -> None:
    assert task_id_in(key_of("main", TASK_ID), "main") == TASK_ID
    assert task_id_in(key_of("other", TASK_ID), "main") is None
    assert task_id_in("debitura:main:task:", "main") is None
    assert task_id_in("getbill:main:agreement:1", "main") is None


TASK_FIELDS = sorted(wire.Task.model_json_schema(by_alias=True)["properties"])
CASE_FIELDS = sorted(wire.Case.model_json_schema(by_alias=True)["properties"])
CHAT_FIELDS = sorted(wire.Chat.model_json_schema(by_alias=True)["properties"])


@given(
    st.dictionaries(st.sampled_from(TASK_FIELDS), json_values),
    st.dictionaries(st.sampled_from(CASE_FIELDS), json_values),
    st.lists(st.dictionaries(st.sampled_from(CHAT_FIELDS), json_values), max_size=3),
)
def test_whatever_a_field_holds_there_is_something_to_show(
    task: dict[str, Any], case: dict[str, Any], chats: list[dict[str, Any]]
) -> None:
    read = wire.Task.model_validate(task | {"id": TASK_ID, "neverHeardOf": 1})

    shown = snapshot(read, wire.Case.model_validate(case), [wire.Chat.model_validate(chat) for chat in chats], "main")

    assert shown.key == f"debitura:main:task:{TASK_ID}"
    assert 1 <= len(shown.kind) <= 64
    assert shown.is_open == is_open(read)
    json.dumps(repr(shown)).encode()
