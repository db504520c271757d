"""Verification of Debitura's webhooks, and the hints in their bodies."""

import hmac
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import ConfigError, RejectedError
from receiver.ports import ChangeHint
from receiver.upstream.debitura.inbound import make_verify, read

PAYLOADS = Path(__file__).parents[1] / "payloads" / "debitura"
BODY = (PAYLOADS / "chat.created__test_vector.json").read_bytes()
SECRET = "dGhpc2lzYWJhc2U2NGVuY29kZWRzZWNyZXQ="
OTHER = b64encode(b"another secret").decode()
T = 1769873025
NOW = datetime.fromtimestamp(T, UTC)
VECTOR = f"t={T},v1=80ea0a8e1bb65ce47628e059960f6f47742e0fa6526ede0b07dea2a778649420"
ID = "id:550e8400-e29b-41d4-a716-446655440000"
CASE = "123e4567-e89b-12d3-a456-426614174000"


def v1(t: str = str(T), body: bytes = BODY, secret: str = SECRET) -> str:
    return hmac.new(b64decode(secret), f"{t}.".encode() + body, "sha256").hexdigest()


def verify(header: str | None, body: bytes = BODY, now: datetime = NOW, secrets: tuple[str, ...] = (SECRET,)) -> str:
    return make_verify(secrets)(body, {} if header is None else {"x-debitura-signature": header}, now)


def test_the_documented_signature_is_accepted_and_names_the_event() -> None:
    assert verify(VECTOR) == ID


def test_a_replay_of_an_event_has_the_same_identity_whenever_it_is_signed_again() -> None:
    later = T + 86_400

    assert verify(f"t={later},v1={v1(str(later))}", now=NOW + timedelta(days=1)) == verify(VECTOR)


@pytest.mark.parametrize("body", [b"[]", b"not json", b'{"id": 7}', b'{"id": ""}', b'{"id": "' + b"x" * 300 + b'"}'])
def test_an_event_without_a_usable_id_is_named_by_its_bytes(body: bytes) -> None:
    header = f"t={T},v1={v1(body=body)}"

    assert len(verify(header, body)) == 64
    assert verify(header, body) == verify(header, body)


@pytest.mark.parametrize(
    "header",
    [
        f"t={T}, v1={v1()}",
        f"t={T},v1={'0' * 64},v1={v1()}",
        f"v0=abc,t={T},v1={v1()},v2=x",
        f"t={T},v1={v1(secret=OTHER)}",
    ],
    ids=["blank", "two signatures", "unknown parts", "older secret"],
)
def test_any_signature_of_any_secret_will_do(header: str) -> None:
    assert verify(header, secrets=(SECRET, OTHER)) == ID


@pytest.mark.parametrize(
    "header",
    [
        None, "", "t=,v1=", f"t={T}", f"v1={v1()}", f"t={T},v1={v1()[:-1]}", f"t={T},v1={'0' * 64}",
        f"t={T},v1={v1().upper()}", f"t={T},v1=sha256={v1()}", f"t=x,v1={v1('x')}", f"t=-{T},v1={v1(f'-{T}')}",
        f"t=+{T},v1={v1(f'+{T}')}", f"t=1_769_873_025,v1={v1('1_769_873_025')}", f"t={T},t={T},v1={v1()}",
        f"t={T}.0,v1={v1(f'{T}.0')}", f"t=１７６９８７３０２５,v1={v1('１７６９８７３０２５')}",
        f"t={'9' * 4301},v1={v1('9' * 4301)}", f"t={T};v1={v1()}", f"t={T},v1={v1(secret=OTHER)}",
        f"t={T},v1={v1(body=BODY + b' ')}", "\x00", ",=,=" * 5000, "é" * 64,
    ],
)  # fmt: skip
def test_whatever_is_no_signature_of_ours_is_refused(header: str | None) -> None:
    with pytest.raises(RejectedError) as refused:
        verify(header)

    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("offset", [-300, 300])
def test_five_minutes_either_way_are_allowed(offset: int) -> None:
    assert verify(VECTOR, now=NOW + timedelta(seconds=offset)) == ID


@pytest.mark.parametrize("offset", [-301, 301, 86_400])
def test_a_signature_from_another_time_is_too_old(offset: int) -> None:
    with pytest.raises(RejectedError) as refused:
        verify(VECTOR, now=NOW + timedelta(seconds=offset))

    assert refused.value.code == "too_old"


def test_a_forged_old_request_does_not_learn_that_it_is_old() -> None:
    with pytest.raises(RejectedError) as refused:
        verify(f"t=1,v1={'0' * 64}")

    assert refused.value.code == "bad_signature"


def test_without_a_secret_nothing_is_accepted() -> None:
    with pytest.raises(RejectedError):
        verify(VECTOR, secrets=())


@pytest.mark.parametrize("secret", ["", "not base64!", "YWJj\n", "abc", "sécret=="])
def test_a_secret_that_is_not_base64_stops_the_start(secret: str) -> None:
    with pytest.raises(ConfigError):
        make_verify([SECRET, secret])


@given(st.text(), st.binary())
def test_no_header_and_no_body_can_do_more_than_be_refused(header: str, body: bytes) -> None:
    with pytest.raises(RejectedError):
        verify(header, body)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chat.created__test_vector", ChangeHint(what="case", id=CASE)),
        ("case.updated__client_guide", ChangeHint(what="case", id=CASE)),
        ("case.created__specification", ChangeHint()),
    ],
)
def test_a_documented_event_makes_us_look_and_its_case_is_read_afresh(name: str, expected: ChangeHint) -> None:
    assert read((PAYLOADS / f"{name}.json").read_bytes()) == expected


@pytest.mark.parametrize(
    "envelope",
    [
        {}, {"event": "subscription.renamed"}, {"event": None, "data": None}, {"event": 7, "data": []},
        {"event": "chat.created", "data": {"caseId": 7}}, {"event": "chat.created", "data": {"caseId": "../me"}},
    ],
)  # fmt: skip
def test_an_event_that_names_no_case_makes_us_look_everywhere(envelope: dict[str, object]) -> None:
    assert read(json.dumps(envelope).encode()) == ChangeHint()


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'"x"', b"null", b"{", b'{"a": NaN}', b"[" * 100_000])
def test_rubbish_is_named_as_such(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the port promises ValueError, not its message
        read(body)
