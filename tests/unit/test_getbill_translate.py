"""The snapshot of each kind of todo, with complete and with missing fields."""

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.item import Detail, Medium, Snapshot
from receiver.domain.money import Money
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.translate import id_of, is_plain, key_of, snapshot, split_key
from receiver.upstream.strict_json import read_json

PAYLOADS = Path(__file__).parent.parent / "payloads" / "getbill"
BRIEF = {"id": "enc_456", "reference": "INV-2024-001", "amount": 1500, "status": "status.default.on_hold"}


def payload(name: str) -> Any:
    return read_json((PAYLOADS / f"{name}.json").read_bytes())


def debt(**changes: Any) -> wire.Debt:
    return wire.Debt.model_validate(payload("debt")["data"] | changes)


def snapshot_of(raw: Any, whole: wire.Debt | None = None, **options: Any) -> Snapshot:
    return snapshot(wire.Todo.model_validate(raw), whole, "main", **options)


def request(**changes: Any) -> dict[str, Any]:
    return {"id": "enc_1", "type": "debtor_request", "sub_type": "portal_dispute", "debt": BRIEF} | changes


def detail(of: Snapshot, name: str) -> Detail | None:
    return next((detail for detail in of.details if detail.name == name), None)


def test_a_portal_dispute_says_everything_a_person_needs() -> None:
    dispute = snapshot_of(payload("todos_list")["todos"][1], debt())

    assert dispute == Snapshot(
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
        case_reference="DEBT-2024-001",
        debtor="Jane Roe",
        amount=Money(Decimal(1500), "EUR"),
        is_collection_paused=True,
        severity="urgent",
        theme="Payment Issues",
        confidence=85,
        created_at=datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
        media=(Medium("proof", "receipt.pdf"),),
        details=(Detail("debt_status", text="on_hold"),),
        verbs=("validate", "reject"),
        status="suggested",
        debt_id="enc_456",
    )


@pytest.mark.parametrize(
    ("name", "kind", "urgency", "key"),
    [
        ("todo_hardship", "hardship", "blocking", "getbill:main:debtor_request:enc_301"),
        ("todo_payment_plan", "payment_plan", "blocking", "getbill:main:debtor_request:enc_302"),
        ("todo_objection", "objection", "review", "getbill:main:ai_detection:enc_303"),
        ("todo_agreement__grouped", "agreement", "info", "getbill:main:agreement:enc_456"),
    ],
)
def test_each_kind_has_its_urgency_and_key(name: str, kind: str, urgency: str, key: str) -> None:
    found = snapshot_of(payload(name))

    assert (found.kind, found.urgency, found.key, found.is_open) == (kind, urgency, key, True)


def test_what_the_ai_heard_is_for_review_and_carries_its_recording() -> None:
    found = snapshot_of(payload("todos_list")["todos"][2])

    assert (found.kind, found.urgency, found.is_collection_paused) == ("ai_dispute", "review", False)
    assert found.media == (Medium("recording", "recording"),)
    assert detail(found, "source") == Detail("source", text="ai_detection")


def test_a_hardship_tells_about_the_debtor_s_situation() -> None:
    found = snapshot_of(payload("todo_hardship"))

    assert found.details == (
        Detail("employment_status", text="unemployed"),
        Detail("is_temporary", flag=True),
        Detail("expected_recovery_period", text="3_months"),
        Detail("check_in_date", day=date(2024, 4, 15)),
        Detail("check_in_due", flag=False),
        Detail("debt_status", text="on_hold"),
    )


def test_a_proposed_plan_shows_its_amounts_in_the_debt_s_currency_and_the_debtor_s_words() -> None:
    found = snapshot_of(payload("todo_payment_plan"), debt(currency="DKK"))

    assert found.quote == "Could we pay in six parts?"
    assert detail(found, "monthly_amount") == Detail("monthly_amount", money=Money(Decimal(250), "DKK"))
    assert detail(found, "number_of_installments") == Detail("number_of_installments", number=6)
    assert detail(found, "start_date") == Detail("start_date", day=date(2024, 2, 1))


def test_a_grouped_agreement_owes_its_total_in_its_own_currency() -> None:
    found = snapshot_of(payload("todo_agreement__grouped"), debt(currency="DKK"))

    assert found.amount == Money(Decimal(4500), "EUR")
    assert detail(found, "debt_count") == Detail("debt_count", number=3)
    assert found.verbs == ("update_plan",)


def test_without_a_debt_the_number_stands_without_a_currency() -> None:
    found = snapshot_of(payload("todos_list")["todos"][1])

    assert found.amount == Money(Decimal(1500), None)
    assert found.debtor is None


@pytest.mark.parametrize(
    ("status", "is_open", "outcome"),
    [
        ("suggested", True, None),
        ("validated", False, "validated"),
        ("Rejected", False, "rejected"),
        (None, True, None),
        ("escalated", True, None),
        ({"odd": 1}, True, None),
    ],
)
def test_only_a_decision_closes_a_request(status: object, is_open: bool, outcome: str | None) -> None:
    found = snapshot_of(request(status=status))

    assert (found.is_open, found.outcome) == (is_open, outcome)
    assert found.verbs == (("validate", "reject") if is_open else ("reopen",))


PAID = {"amount": 250, "paid_at": "2024-02-14T00:00:00Z"}


@pytest.mark.parametrize(
    ("installments", "is_open"),
    [
        pytest.param([PAID, PAID], False, id="all paid"),
        pytest.param([PAID, {"amount": 250, "paid_at": None}], True, id="one to come"),
        pytest.param([PAID, "rubbish"], True, id="one we cannot read"),
        pytest.param([PAID] * 5_000, True, id="more than we read"),
        pytest.param([], True, id="none listed"),
        pytest.param(None, True, id="not told"),
    ],
)
def test_an_agreement_is_completed_when_every_instalment_is_known_to_be_paid(
    installments: object, is_open: bool
) -> None:
    found = snapshot_of({"id": "a", "type": "agreement", "debt": BRIEF, "installments": installments})

    assert (found.is_open, found.outcome) == (is_open, None if is_open else "completed")
    assert len(found.installments) <= 200


def test_a_legacy_type_makes_no_second_item() -> None:
    assert snapshot_of(request(type="blocking_dispute")).key == snapshot_of(request()).key


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"type": "debtor_request", "is_temporary": False}, "hardship"),
        ({"type": "debtor_request", "number_of_installments": 6}, "payment_plan"),
        ({"type": "debtor_request", "title": "Payment Already Made"}, "portal_dispute"),
        ({"type": "ai_detection", "objection_type": "wants_callback"}, "objection"),
        ({"type": "ai_detection", "title": "Payment Already Made"}, "ai_dispute"),
        ({"type": "debtor_request", "sub_type": "cancellation"}, "cancellation"),
        ({"type": "promise"}, "promise"),
        ({"sub_type": "hardship"}, "hardship"),
        ({}, "unknown"),
    ],
)
def test_a_todo_without_a_sub_type_is_known_by_its_fields(fields: dict[str, object], kind: str) -> None:
    assert snapshot_of({"id": "enc_1"} | fields).kind == kind


def test_the_documented_single_todo_is_a_portal_dispute() -> None:
    found = snapshot_of(payload("todo_single__sparse")["todo"])

    assert (found.key, found.kind, found.urgency) == (
        "getbill:main:debtor_request:enc_234",
        "portal_dispute",
        "blocking",
    )


def test_an_unknown_request_blocks_because_its_type_pauses_collection() -> None:
    assert snapshot_of(request(sub_type="cancellation")).urgency == "blocking"
    assert snapshot_of(request(sub_type="cancellation", collection_paused=False)).urgency == "review"


def test_a_todo_with_nothing_as_documented_is_shown_with_what_there_is() -> None:
    found = snapshot_of(payload("todo_unknown__nothing_as_documented"))

    assert found == Snapshot(
        key="getbill:main:promise:7001",
        source="getbill",
        account="main",
        kind="promise",
        urgency="blocking",
        is_open=True,
        is_collection_paused=True,  # from "yes"
        severity="4.5",
    )


def test_personal_data_beyond_the_name_stays_out() -> None:
    text = repr(snapshot_of(payload("todos_list")["todos"][1], debt()))

    for secret in ("jane.roe@", "+33", "FR76", "Mme"):
        assert secret not in text


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"debtor_company": "Roe Ltd"}, "Roe Ltd"),
        ({"firstname": None}, "Roe"),
        ({"firstname": None, "lastname": None}, "Creditor SAS"),
    ],
)
def test_the_debtor_is_the_debtor_s_company_or_the_person(fields: dict[str, object], name: str) -> None:
    assert snapshot_of(request(), debt(**fields)).debtor == name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (85, 85),
        (Decimal("84.6"), 84),
        ("89.99", 89),
        (0, 0),
        (-3, None),
        (Decimal("100.4"), None),
        (900, None),
        ("70", 70),
        (None, None),
        (True, None),
    ],
)
def test_a_confidence_is_a_percentage_or_it_is_none(raw: object, shown: int | None) -> None:
    assert snapshot_of(request(ai_confidence=raw)).confidence == shown


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ("2024-01-15T10:30:00+02:00", datetime(2024, 1, 15, 8, 30, tzinfo=UTC)),
        ("2024-01-15T10:30:00", datetime(2024, 1, 15, 10, 30, tzinfo=UTC)),
        ("2024-01-15", datetime(2024, 1, 15, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        (1705314600, None),
    ],
)
def test_times_are_aware_in_utc_or_not_there(raw: object, at: datetime | None) -> None:
    assert snapshot_of(request(created_at=raw)).created_at == at


@pytest.mark.parametrize("amount", ["1e400", "-1e99", "1e-400", "NaN", "Infinity", "9" * 39])
def test_an_amount_beyond_reason_is_no_amount(amount: str) -> None:
    found = snapshot_of(request(debt=BRIEF | {"amount": amount})).amount

    assert found is None or abs(found.amount) < 10**16


def test_proofs_that_share_a_name_can_be_told_apart() -> None:
    files = [{"filename": "a.pdf", "url": "u"}, {"filename": "a.pdf", "url": "v"}, {"url": "w"}, "rubbish", {}]

    assert [medium.name for medium in snapshot_of(request(proof_files=files)).media] == ["a.pdf", "a.pdf (2)", "file 3"]


def test_sizes_are_capped_and_what_no_database_stores_is_dropped() -> None:
    found = snapshot_of(request(title="x" * 90_000, description="a\x00b\ud800c", proof_files=[{"filename": "f"}] * 900))

    assert found.title is not None
    assert len(found.title) == 20_000
    assert found.question == "abc"
    assert len(found.media) == 200


@pytest.mark.parametrize(
    ("fields", "template", "url"),
    [
        pytest.param({}, None, None, id="never guessed"),
        pytest.param({"url": "https://app.getbill.io/t/1"}, None, "https://app.getbill.io/t/1", id="named by the API"),
        pytest.param({"url": "http://app.getbill.io/t/1"}, None, None, id="not over plain http"),
        pytest.param({"url": "https://evil.example\\@getbill.io"}, None, None, id="not what a browser reads otherwise"),
        pytest.param(
            {"id": "a/b?c"},
            "https://app.getbill.io/{type}/{id}#{debt_id}",
            "https://app.getbill.io/debtor_request/a%2Fb%3Fc#enc_456",
            id="as configured",
        ),
    ],
)
def test_the_solution_link_is_the_api_s_or_the_configured_one(
    fields: dict[str, object], template: str | None, url: str | None
) -> None:
    assert snapshot_of(request(**fields), todo_url=template).solution_url == url


@pytest.mark.parametrize("what", ["agreement", "a:b", "per cent%3A"])
def test_a_key_can_be_split_again(what: str) -> None:
    assert split_key(key_of("main", what, "enc:1"), "main") == (what, "enc:1")
    assert split_key(key_of("other", what, "enc:1"), "main") is None


def test_a_plain_address_has_nothing_a_browser_reads_otherwise() -> None:
    assert is_plain("https://x.amazonaws.com/a?b=c&d=%20")
    assert not any(map(is_plain, ["https://x\\y", "https://x y", "https://x\ty", "https://xé", 'https://x"']))


values = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.lists(st.integers(), max_size=2)
anything = st.recursive(
    values, lambda inner: st.dictionaries(st.sampled_from(sorted(wire.Todo.model_fields)), inner), max_leaves=8
)


@given(st.dictionaries(st.sampled_from(sorted(wire.Todo.model_fields)), anything))
def test_no_todo_however_strange_raises_and_what_comes_out_can_be_stored(raw: dict[str, Any]) -> None:
    raw = json.loads(json.dumps(raw))
    todo = wire.Todo.model_validate(raw)

    if id_of(todo) is not None:
        texts = "".join(value for value in asdict(snapshot(todo, None, "main")).values() if isinstance(value, str))
        assert texts.startswith("getbill:main:")
        assert b"\x00" not in texts.encode()  # encoding raises for an unpaired surrogate
