"""Verification of Getbill's webhooks, and the hints in their bodies."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import RejectedError
from receiver.ports import ChangeHint
from receiver.upstream.getbill.inbound import make_verify, read

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PAYLOADS = Path(__file__).parent.parent / "payloads" / "getbill"
BODY = b'{"id": "evt_1", "type": "debt.updated", "data": {"id": "enc_456"}}'

verify = make_verify(["new-secret", "old-secret"])


def payload(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


def signed(body: bytes, secret: str = "new-secret", prefix: str = "") -> dict[str, str]:
    return {"x-getbill-signature": prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(signed(BODY), id="newest secret"),
        pytest.param(signed(BODY, "old-secret"), id="older secret while rotating"),
        pytest.param(signed(BODY, prefix="sha256="), id="with a prefix"),
        pytest.param({"x-getbill-signature": f" {signed(BODY)['x-getbill-signature']}\t"}, id="blanks around"),
    ],
)
def test_a_body_signed_with_any_live_secret_is_accepted(headers: dict[str, str]) -> None:
    assert verify(BODY, headers, NOW) == "id:evt_1"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no signature"),
        pytest.param({"x-getbill-signature": ""}, id="empty"),
        pytest.param(signed(BODY, "other-secret"), id="another secret"),
        pytest.param(signed(BODY + b" "), id="another body"),
        pytest.param({"x-getbill-signature": "é" * 64}, id="not ASCII"),
        pytest.param({"x-getbill-signature": "٣" * 64}, id="digits of another script"),
        pytest.param({"x-getbill-signature": signed(BODY)["x-getbill-signature"][:63]}, id="a digit short"),
        pytest.param({"x-getbill-signature": signed(BODY)["x-getbill-signature"] + "\n"}, id="a line break behind"),
        pytest.param(signed(BODY, prefix="sha1="), id="another algorithm"),
        pytest.param(signed(BODY, prefix="sha256=sha256="), id="the prefix twice"),
    ],
)
def test_anything_else_is_a_bad_signature_and_never_an_error_of_ours(headers: dict[str, str]) -> None:
    with pytest.raises(RejectedError) as refused:
        verify(BODY, headers, NOW)

    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("secrets", [[], [""]], ids=["none", "an empty one"])
def test_without_a_secret_nothing_is_accepted(secrets: list[str]) -> None:
    with pytest.raises(RejectedError):
        make_verify(secrets)(BODY, signed(BODY, ""), NOW)


@pytest.mark.parametrize(
    ("body", "identity"),
    [
        pytest.param(b'{"id": 17}', "id:17", id="a number"),
        pytest.param(b'{"id": "17"}', "id:17", id="a string"),
        pytest.param(b'{"id": true}', None, id="a truth is no id"),
        pytest.param(b'{"id": {"a": 1}}', None, id="nor is an object"),
        pytest.param(b'{"id": ""}', None, id="nor is nothing"),
        pytest.param(b'{"id": "%s"}' % (b"x" * 900), None, id="nor what no column holds"),
        pytest.param(b'{"id": "a\\u0000b"}', None, id="nor what no database stores"),
        pytest.param(b'["id"]', None, id="a list"),
        pytest.param(b"\xff\xfe not JSON", None, id="rubbish"),
        pytest.param(b"[" * 100_000, None, id="a hundred thousand brackets"),
    ],
)
def test_the_same_event_has_the_same_identity(body: bytes, identity: str | None) -> None:
    assert verify(body, signed(body), NOW) == (identity or hashlib.sha256(body).hexdigest())


def test_an_id_that_looks_like_a_hash_is_not_taken_for_one() -> None:
    body = b'{"id": "%s"}' % hashlib.sha256(BODY).hexdigest().encode()

    assert verify(body, signed(body), NOW) != hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("event_debt_updated", ChangeHint(debt_id="enc_456")),
        ("event_dispute_created__whole_todo", ChangeHint(what="debtor_request", id="enc_234")),
        ("event_agreement_updated__whole_todo", ChangeHint(debt_id="enc_456")),
        ("event_payment_received__debt_id", ChangeHint(debt_id="enc_456")),
        ("event_company_credits_low", None),
    ],
)
def test_an_event_points_at_a_todo_a_debt_or_nothing(name: str, hint: ChangeHint | None) -> None:
    assert read(payload(name)) == hint


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (
            b'{"type": "x", "data": {"type": "non_blocking_dispute", "id": 5}}',
            ChangeHint(what="ai_detection", id="5"),
        ),
        (b'{"type": "dispute.created", "data": {"id": "enc_234"}}', ChangeHint()),
        (b'{"type": "dispute.created", "data": {"id": "1", "debt": {"id": "enc_9"}}}', ChangeHint(debt_id="enc_9")),
        (b'{"type": "todo.x", "data": {"todo": {"id": "1", "debt": {"id": "enc_9"}}}}', ChangeHint(debt_id="enc_9")),
        (b'{"type": "payment.received", "data": {"type": "card", "id": "p1"}}', ChangeHint()),
        (b'{"type": 4, "data": [1]}', ChangeHint()),
        (b'{"data": {"debt": "enc_9"}}', ChangeHint(debt_id="enc_9")),
        (b"{}", ChangeHint()),
    ],
    ids=[
        "the data is a todo with a legacy type",
        "an id of we know not what",
        "a debt beside it",
        "a todo without a type",
        "a payment of a type",
        "nothing as documented",
        "a debt as a bare id",
        "empty",
    ],
)
def test_what_is_not_documented_is_a_debt_where_one_is_named_and_else_a_sweep(body: bytes, hint: ChangeHint) -> None:
    assert read(body) == hint


@pytest.mark.parametrize(
    "body",
    [b"", b"not JSON", b"[]", b'"text"', b'{"a": NaN}', b'{"a": -Infinity}', b"\xff", b"[" * 100_000, b"9" * 5000],
    ids=["empty", "text", "a list", "a string", "NaN", "Infinity", "no UTF-8", "too deep", "5000 digits"],
)
def test_rubbish_is_a_value_error_so_that_it_is_set_aside(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the port promises ValueError, not its message
        read(body)


NAMES = ["id", "type", "data", "todo", "debt", "debt_id", "other"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(NAMES), json_values))
def test_no_object_however_strange_breaks_reading(envelope: dict[str, object]) -> None:
    hint = read(json.dumps(envelope).encode())

    assert hint is None or hint.what in {None, "debtor_request", "ai_detection"}
