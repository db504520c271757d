"""Invalid, hostile and out-of-order requests get a clear response; no event is lost, nothing is echoed."""

import json
import socket
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.harness import World, eventually


def body(event: str) -> bytes:
    return json.dumps({"id": event, "type": "debt.updated", "data": {"debt_id": "enc_1"}}).encode()


def test_a_signed_webhook_is_stored_and_the_same_again_is_known(here: World) -> None:
    first, second = here.getbill_event(body("e1")), here.getbill_event(body("e1"))

    assert (first.status_code, second.status_code) == (202, 200)


@pytest.mark.parametrize(
    "signature",
    ["", "0" * 64, "zz" * 32, "sha256=", "é" * 10, "0" * 10_000, "sha1=" + "0" * 40],
    ids=["empty", "zeros", "not hex", "prefix only", "not ascii", "huge", "other method"],
)
def test_a_wrong_signature_is_401_and_nothing_is_stored(here: World, signature: str) -> None:
    content = body(f"wrong-{signature[:5]}-{len(signature)}")
    answer = httpx.post(
        f"{here.service.url}/webhooks/getbill/main",
        content=content,
        headers=httpx.Headers([(b"X-GetBill-Signature", signature.encode("latin-1"))]),
        trust_env=False,
    )

    assert answer.status_code == 401
    assert here.getbill_event(content).status_code == 202


def test_no_signature_at_all_is_401(here: World) -> None:
    assert here.service.post("/webhooks/getbill/main", body("none"), {}).status_code == 401


def test_a_body_that_was_encoded_again_is_401(here: World) -> None:
    original = b'{"id": "re", "type": "debt.updated", "data": {"name": "\\u00e9"}}'
    again = json.dumps(json.loads(original), ensure_ascii=False).encode()

    answer = here.service.post("/webhooks/getbill/main", again, here.getbill.sign(original))

    assert answer.status_code == 401


@pytest.mark.parametrize("age_s", [-400, 301], ids=["from the future", "too old"])
def test_a_debitura_signature_outside_five_minutes_is_401(here: World, age_s: float) -> None:
    content = here.debitura.event("chat.created", "8f19c2b0-1111-4222-8333-444455556666")
    headers = here.debitura.sign(content, now=datetime.now(UTC) - timedelta(seconds=age_s))

    assert here.service.post("/webhooks/debitura/main", content, headers).status_code == 401
    assert here.service.post("/webhooks/debitura/main", content, here.debitura.sign(content)).status_code == 202


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"not json", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": NaN}', b"[1, 2]", b'"x"', b"9" * 5_000],
    ids=["empty", "words", "not utf-8", "deep", "nan", "list", "string", "long number"],
)
def test_signed_rubbish_is_stored_set_aside_and_answered_well(here: World, rubbish: bytes) -> None:
    answer = here.getbill_event(rubbish)

    assert answer.status_code in {200, 202}
    healthy = here.getbill_event(body(f"after-{len(rubbish)}-{rubbish[:2]!r}"))
    assert healthy.status_code == 202


def test_an_unknown_account_is_404(here: World) -> None:
    assert here.service.post("/webhooks/getbill/other", b"{}", here.getbill.sign(b"{}")).status_code == 404
    assert here.service.post("/webhooks/nobody/main", b"{}", {}).status_code == 404


def test_too_much_is_413_whether_announced_or_streamed(here: World) -> None:
    url = f"{here.service.url}/webhooks/getbill/main"
    big = b"x" * (1024 * 1024 + 1)

    announced = httpx.post(url, content=big, headers=here.getbill.sign(big), trust_env=False)
    streamed = httpx.post(url, content=iter([big]), headers=here.getbill.sign(big), trust_env=False)

    assert (announced.status_code, streamed.status_code) == (413, 413)


def test_a_body_that_drips_is_408_and_holds_nobody_up(here: World) -> None:
    host, _, port = here.service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST /webhooks/getbill/main HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert here.getbill_event(body("beside the slow one")).status_code == 202
        slow.settimeout(60)
        answer = slow.recv(4096)

    assert answer.startswith(b"HTTP/1.1 408")


def test_what_a_stranger_sends_is_never_sent_back(here: World) -> None:
    planted = "<script>alert(1)</script>"
    for path in (f"/{planted}", f"/act/{planted}", f"/media/{planted}", f"/webhooks/{planted}/x"):
        for method in ("GET", "POST"):
            answer = httpx.request(method, f"{here.service.url}{path}", content=planted, trust_env=False)
            assert 400 <= answer.status_code < 500
            assert planted not in answer.text


def test_events_in_the_wrong_order_end_in_what_the_source_says(here: World) -> None:
    todo = here.getbill.add("portal_dispute", reference="INV-ORDER-1")
    created = here.getbill.event(todo, content="todo", event_id="order-1")
    here.getbill.set_status(todo["id"], "validated")
    changed = here.getbill.event(todo, type="dispute.updated", event_id="order-2")

    here.getbill_event(changed)
    here.getbill_event(created)
    here.getbill.add("portal_dispute", reference="INV-ORDER-2")
    eventually(lambda: any("INV-ORDER-2" in str(m.blocks) for m in here.posts("C0DISPUTES")), "the later one")

    assert not any("INV-ORDER-1" in str(m.blocks) for m in here.posts("C0DISPUTES"))


def test_health_readiness_and_metrics_answer(here: World) -> None:
    answers = {
        path: httpx.get(f"{here.service.url}{path}", trust_env=False) for path in ("/healthz", "/readyz", "/metrics")
    }

    assert {answer.status_code for answer in answers.values()} == {200}
    assert "casebell_webhooks_total" in answers["/metrics"].text


def test_a_request_to_control_without_our_signature_is_refused(here: World) -> None:
    answer = httpx.post(f"{here.service.url}/control", content=b"anything", trust_env=False)

    assert 400 <= answer.status_code < 500
