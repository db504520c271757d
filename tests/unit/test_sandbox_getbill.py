"""The stand-in for Getbill answers as docs/vendors/getbill.md says the real one does."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from casebell_sandbox.getbill import GetbillStand
from casebell_sandbox.getbill_todos import TYPE_OF

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
COMMON = {"id", "type", "debt", "created_at"}
SAID = {"theme", "detected_content", "ai_confidence", "severity"}
CALL = {"audio_url", "followup_id", "call_id"}
DISPUTE = SAID | {"status", "title", "description"}
ASKED = COMMON | {"sub_type", "collection_paused"}
PLAN = COMMON | {"plan_months", "plan_start_date", "first_payment_amount", "installments", "followup_id"}
LISTED = {
    "agreement": PLAN,
    "portal_dispute": ASKED | DISPUTE | {"proof_files"},
    "hardship": ASKED
    | {"employment_status", "is_temporary", "expected_recovery_period", "check_in_date", "check_in_due"},
    "payment_plan": ASKED
    | {"monthly_amount", "start_date", "number_of_installments", "first_payment_amount", "debtor_message"},
    "ai_dispute": ASKED | DISPUTE | CALL | {"source"},
    "objection": ASKED | SAID | CALL | {"objection_type"},
}
# The documented sample of one todo, word for word.
SINGLE_SAMPLE = {
    "id", "type", "status", "title", "description", "theme", "detected_content", "ai_confidence", "source",
    "admin_notes", "debt", "followup_id", "call_id", "audio_url", "pdf_url", "media_urls_expire_at", "created_at",
    "reviewed_at", "updated_at", "collection_paused",
}  # fmt: skip


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stand(clock: Clock) -> GetbillStand:
    return GetbillStand(clock=clock)


@pytest.fixture
async def api(stand: GetbillStand) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=stand.app),
        base_url="http://getbill.test/external-api/v1",
        headers={"Authorization": "Bearer getbill-token"},
    ) as client:
        yield client


async def ids(api: httpx.AsyncClient, **params: str) -> list[str]:
    answer = (await api.get("/todos", params=params)).json()
    return [todo["id"] for todo in answer["todos"]]


@pytest.mark.parametrize("kind", LISTED)
async def test_a_listed_todo_has_exactly_the_documented_fields_of_its_kind(
    stand: GetbillStand, api: httpx.AsyncClient, kind: str
) -> None:
    stand.add(kind)

    [todo] = (await api.get("/todos")).json()["todos"]

    assert set(todo) == LISTED[kind]
    assert (todo["type"], set(todo["debt"])) == (TYPE_OF[kind], {"id", "reference", "amount", "status", "status_id"})


async def test_a_grouped_agreement_has_its_debts_and_is_found_by_the_id_of_a_debt_only(
    stand: GetbillStand, api: httpx.AsyncClient
) -> None:
    group = stand.add("agreement", is_group=True, currency="GBP")

    [todo] = (await api.get("/todos")).json()["todos"]
    by_debt = await api.get(f"/todos/agreement/{group['debts'][1]['id']}")
    by_own_id = await api.get(f"/todos/agreement/{group['id']}")

    assert set(todo) == PLAN | {"is_group", "debt_count", "total_amount", "currency", "debts"}
    assert (todo["debt_count"], todo["currency"]) == (3, "GBP")
    assert todo["total_amount"] == sum(debt["amount"] for debt in todo["debts"])
    assert by_debt.json()["todo"]["id"] == group["id"]
    assert by_own_id.status_code == 404


async def test_a_plain_agreement_has_the_id_of_its_debt(stand: GetbillStand) -> None:
    agreement = stand.add("agreement")

    assert agreement["id"] == agreement["debt"]["id"]


async def test_a_single_dispute_has_all_the_sample_shows_and_when_sparse_nothing_else(
    stand: GetbillStand, api: httpx.AsyncClient
) -> None:
    path = f"/todos/debtor_request/{stand.add('portal_dispute')['id']}"

    whole = (await api.get(path)).json()["todo"]
    stand.is_single_sparse = True
    sparse = (await api.get(path)).json()["todo"]

    assert set(whole) == SINGLE_SAMPLE | {"sub_type", "severity", "proof_files"}
    assert set(sparse) == SINGLE_SAMPLE


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["d", "a"]),
        ({"type": "all"}, ["d", "a"]),
        ({"type": "debtor_request"}, ["d"]),
        ({"type": "blocking_dispute"}, ["d"]),
        ({"type": "non_blocking_dispute"}, ["a"]),
        ({"type": "agreement"}, []),
        ({"period": "today"}, ["d"]),
        ({"period": "since_last_year"}, ["d", "a", "old"]),
        ({"period": "since_beginning"}, ["d", "a", "old", "ancient"]),
    ],
)
async def test_the_list_is_narrowed_by_type_and_period(
    stand: GetbillStand, api: httpx.AsyncClient, params: dict[str, str], expected: list[str]
) -> None:
    ages = {"d": ("portal_dispute", 0), "a": ("ai_dispute", 20), "old": ("hardship", 40), "ancient": ("hardship", 400)}
    for todo_id, (kind, days) in ages.items():
        stand.add(kind, id=todo_id, created_at=(NOW - timedelta(days=days)).isoformat())

    assert await ids(api, **params) == expected


async def test_the_list_is_narrowed_by_debt(stand: GetbillStand, api: httpx.AsyncClient) -> None:
    dispute = stand.add("portal_dispute")
    same_debt = stand.add("objection", debt=stand.debts[dispute["debt"]["id"]])
    stand.add("hardship")

    assert set(await ids(api, debt_id=dispute["debt"]["id"])) == {dispute["id"], same_debt["id"]}


async def test_pages_are_counted_and_hold_at_most_what_was_asked(stand: GetbillStand, api: httpx.AsyncClient) -> None:
    for _ in range(5):
        stand.add("objection")

    answer = (await api.get("/todos", params={"page": "3", "limit": "2"})).json()

    assert answer["pagination"] == {"page": 3, "limit": 2, "total": 5, "pages": 3}
    assert len(answer["todos"]) == 1


@pytest.mark.parametrize(
    "query", ["limit=101", "limit=0", "page=x", "type=dispute", "period=yesterday"], ids=lambda query: query
)
async def test_parameters_out_of_bounds_are_refused_with_400(api: httpx.AsyncClient, query: str) -> None:
    answer = await api.get(f"/todos?{query}")

    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (400, True, 400)


async def test_a_decision_is_kept_with_its_notes_and_its_time(
    stand: GetbillStand, api: httpx.AsyncClient, clock: Clock
) -> None:
    dispute = stand.add("portal_dispute")
    clock.at += timedelta(hours=1)

    answer = await api.put(
        f"/todos/blocking_dispute/{dispute['id']}/status", json={"status": "validated", "admin_notes": "paid"}
    )

    todo = answer.json()["todo"]
    assert answer.status_code == 200
    assert (todo["status"], todo["admin_notes"]) == ("validated", "paid")
    assert todo["reviewed_at"] == todo["updated_at"] == "2026-03-02T10:00:00+00:00"
    assert dispute["status"] == "validated"


async def test_a_reopened_dispute_is_not_reviewed_any_more(stand: GetbillStand) -> None:
    dispute = stand.add("portal_dispute")

    stand.set_status(dispute["id"], "rejected")
    stand.set_status(dispute["id"], "suggested")

    assert (dispute["status"], dispute["reviewed_at"]) == ("suggested", None)


async def test_an_agreement_takes_a_new_plan_and_a_new_status_of_its_debt(
    stand: GetbillStand, api: httpx.AsyncClient
) -> None:
    agreement = stand.add("agreement", amount=1500.0)
    change = {"debt_status_id": "enc_3", "plan_months": 3, "plan_start_date": "2026-04-01", "first_payment_amount": 500}

    todo = (await api.put(f"/todos/agreement/{agreement['id']}/status", json=change)).json()["todo"]
    debt = (await api.get(f"/debts/{agreement['id']}")).json()

    assert [part["amount"] for part in todo["installments"]] == [500, 500.0, 500.0]
    assert todo["installments"][0]["payment_date"] == "2026-05-01T00:00:00+00:00"
    assert todo["debt"]["status"] == "status.default.settled"
    assert (debt["error"], debt["data"]["status"]) == (False, "status.default.settled")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("disputes/enc_1001", {"status": "validated"}, 400),
        ("debtor_request/enc_1001", {}, 400),
        ("debtor_request/enc_1001", [], 400),
        ("debtor_request/nobody", {"status": "validated"}, 404),
        ("ai_detection/enc_1001", {"status": "validated"}, 404),
        ("debtor_request/enc_1001", {"status": "done"}, 422),
        ("debtor_request/enc_1001", {"admin_notes": 5}, 422),
        ("agreement/enc_402", {"debt_status_id": "enc_77"}, 422),
        ("agreement/enc_402", {"plan_months": True}, 422),
        ("agreement/enc_402", {"plan_start_date": "soon"}, 422),
        ("agreement/enc_402", {"first_payment_amount": -1}, 422),
    ],
)
async def test_a_wrong_change_is_refused_in_the_documented_shape_and_changes_nothing(
    stand: GetbillStand, api: httpx.AsyncClient, path: str, body: Any, status: int
) -> None:
    stand.add("portal_dispute")
    stand.add("agreement")
    before = json.dumps(stand.todos)

    answer = await api.put(f"/todos/{path}/status", json=body)

    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (status, True, status)
    assert ("details" in answer.json()) == (status == 422)
    assert json.dumps(stand.todos) == before


async def test_kinds_without_a_listed_status_take_a_decision_unless_told_to_refuse(
    stand: GetbillStand, api: httpx.AsyncClient
) -> None:
    path = f"/todos/debtor_request/{stand.add('hardship')['id']}/status"

    taken = await api.put(path, json={"status": "validated"})
    stand.refuses_statusless = True
    refused = await api.put(path, json={"status": "rejected"})

    assert (taken.status_code, taken.json()["todo"]["status"]) == (200, "validated")
    assert refused.status_code == 422


async def test_the_statistics_have_the_documented_keys_and_count_every_todo(
    stand: GetbillStand, api: httpx.AsyncClient
) -> None:
    for kind in LISTED:
        stand.add(kind)
    late = stand.add("agreement")
    late["installments"][0]["payment_date"] = "2026-02-01T00:00:00+00:00"
    stand.set_status(stand.add("portal_dispute")["id"], "validated")

    stats = (await api.get("/todos/stats")).json()["stats"]

    assert stats["agreements"] == {"total": 2, "active": 1, "pending": 0, "overdue": 1}
    assert stats["debtor_requests"] == {"total": 4, "by_type": {"portal_dispute": 2, "hardship": 1, "payment_plan": 1}}
    assert stats["blocking_disputes"] == {"total": 4, "by_status": {"suggested": 3, "validated": 1, "rejected": 0}}
    assert stats["non_blocking_disputes"]["total"] == stats["ai_detections"]["total"] == 2
    assert stats["total"] == {"all": 8}


async def test_a_removed_todo_is_gone_from_the_list_and_alone(stand: GetbillStand, api: httpx.AsyncClient) -> None:
    dispute = stand.add("portal_dispute")

    stand.remove(dispute["id"])

    assert await ids(api) == []
    assert (await api.get(f"/todos/debtor_request/{dispute['id']}")).status_code == 404


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic getbill-token", "Bearer getbill-tökén"])
async def test_without_the_token_every_call_is_401(api: httpx.AsyncClient, header: str) -> None:
    answer = await api.get("/todos", headers={b"Authorization": header.encode()})

    assert answer.status_code == 401
    assert answer.json() == {"error": True, "message": "Invalid or missing API token", "code": 401}


async def test_a_missing_scope_is_named(stand: GetbillStand, api: httpx.AsyncClient) -> None:
    stand.access.scopes = {"debts:read"}
    dispute = stand.add("portal_dispute")

    answer = await api.put(f"/todos/debtor_request/{dispute['id']}/status", json={"status": "validated"})

    assert answer.status_code == 403
    assert answer.json()["message"] == 'Required scope "debts:write" not found in token'


async def test_a_token_from_oauth_works_for_an_hour_or_until_revoked(
    stand: GetbillStand, api: httpx.AsyncClient, clock: Clock
) -> None:
    form = {"grant_type": "client_credentials", "client_id": "getbill-client", "client_secret": "getbill-client-secret"}
    url = "http://getbill.test/token"

    async def status_with(token: str) -> int:
        return (await api.get("/todos", headers={"Authorization": f"Bearer {token}"})).status_code

    first = (await api.post(url, data=form | {"scope": "debts:read debts:write"})).json()
    seen = [await status_with(first["access_token"])]
    clock.at += timedelta(seconds=first["expires_in"])
    seen.append(await status_with(first["access_token"]))
    second = (await api.post(url, data=form)).json()
    seen.append(await status_with(second["access_token"]))
    stand.access.revoke_tokens()
    seen.append(await status_with(second["access_token"]))

    assert seen == [200, 401, 200, 401]
    assert first["token_type"] == "Bearer"
    assert (await api.post(url, data=form | {"client_secret": "wrong"})).status_code == 401


async def test_the_quota_is_told_on_every_response_and_enforced_over_a_sliding_hour(clock: Clock) -> None:
    stand = GetbillStand(reads_per_hour=2, clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=stand.app), base_url="http://g") as client:
        client.headers["Authorization"] = "Bearer getbill-token"
        first = await client.get("/external-api/v1/todos")
        clock.at += timedelta(minutes=10)
        missing = await client.get("/external-api/v1/debts/none")
        over = await client.get("/external-api/v1/todos")
        clock.at += timedelta(minutes=50)
        again = await client.get("/external-api/v1/todos")

    quota = {key: value for key, value in first.headers.items() if key.startswith("x-ratelimit")}
    reset = int((NOW + timedelta(hours=1)).timestamp())
    assert quota == {
        "x-ratelimit-limit": "2",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": str(reset),
        "x-ratelimit-window": "3600",
    }
    assert (missing.status_code, missing.headers["x-ratelimit-remaining"]) == (404, "0")
    assert (over.status_code, over.json()["code"]) == (429, 429)
    assert over.json()["details"] == {"retry_after": 3000, "limit": 2, "reset_time": "2026-03-02T10:00:00Z"}
    assert again.status_code == 200


async def test_media_links_work_until_they_expire_and_only_as_signed(
    stand: GetbillStand, api: httpx.AsyncClient, clock: Clock
) -> None:
    call = stand.add("ai_dispute")
    todo = (await api.get(f"/todos/ai_detection/{call['id']}")).json()["todo"]
    url = todo["audio_url"]

    fresh = await api.get(url)
    forged = await api.get(url[:-1] + ("0" if url[-1] != "0" else "1"))
    clock.at += timedelta(hours=1)
    expired = await api.get(url)

    assert (fresh.status_code, fresh.headers["content-type"]) == (200, "audio/wav")
    assert todo["media_urls_expire_at"] == "2026-03-02T10:00:00+00:00"
    assert (forged.status_code, expired.status_code) == (403, 403)
    assert "Request has expired" in expired.text


async def test_proof_files_are_signed_under_the_path_the_stand_in_is_mounted_at(stand: GetbillStand) -> None:
    stand.add("portal_dispute")
    app = Starlette(routes=[Mount("/getbill", stand.app)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sandbox") as client:
        headers = {"Authorization": "Bearer getbill-token"}
        listed = (await client.get("/getbill/external-api/v1/todos", headers=headers)).json()
        [file] = listed["todos"][0]["proof_files"]
        proof = await client.get(file["url"])

    assert file["url"].startswith("http://sandbox/getbill/media/")
    assert (proof.status_code, proof.content[:5]) == (200, b"%PDF-")
    assert stand.faults.calls[0].path == "/external-api/v1/todos"


async def test_a_webhook_is_signed_over_its_raw_body_and_carries_what_was_asked(stand: GetbillStand) -> None:
    dispute = stand.add("portal_dispute")

    bodies = [stand.event(dispute, content=what) for what in ("todo", "debt", "debt_id", "nothing")]
    whole, debt, debt_id, nothing = (json.loads(body) for body in bodies)

    assert stand.sign(bodies[0])["X-GetBill-Signature"] == (
        hmac.new(b"getbill-secret", bodies[0], hashlib.sha256).hexdigest()
    )
    assert (whole["type"], whole["data"]["todo"]["id"]) == ("dispute.created", dispute["id"])
    assert debt["data"]["id"] == debt_id["data"]["debt_id"] == dispute["debt"]["id"]
    assert nothing == {"type": "dispute.created", "data": {}}
