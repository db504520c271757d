"""The stand-in for Debitura answers as docs/vendors/debitura.md says the real one does; and what the seed holds."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from casebell_sandbox import seed
from casebell_sandbox.debitura import DebituraStand
from casebell_sandbox.debitura_cases import CHAT_TYPES, TYPES
from casebell_sandbox.getbill import GetbillStand

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 6, 9, 0, tzinfo=UTC)  # a Friday
SENDER = {"userEmail": "ar@creditor.example"}
TASK = {
    "id", "type", "typeLabel", "title", "description", "status", "caseId", "caseReference", "leadId", "deadline",
    "dateCreated", "dateSolved", "solutionUrl", "action",
}  # fmt: skip
CHAT = {"id", "dateCreated", "dateUpdated", "role", "roleLabel", "message", "isSeen", "user"}


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
def stand(clock: Clock) -> DebituraStand:
    return DebituraStand(clock=clock)


@pytest.fixture
async def api(stand: DebituraStand) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=stand.app), base_url="http://d", headers={"XApiKey": "debitura-key"}
    ) as client:
        yield client


async def ids(api: httpx.AsyncClient, query: str = "") -> list[str]:
    return [task["id"] for task in (await api.get(f"/tasks?{query}")).json()["tasks"]]


@pytest.mark.parametrize("kind", [*TYPES, "UploadKycDocument"])
async def test_a_task_has_exactly_the_documented_fields_and_an_action_only_when_a_chat_resolves_it(
    stand: DebituraStand, api: httpx.AsyncClient, kind: str
) -> None:
    stand.add_task(kind)

    [task] = (await api.get("/tasks")).json()["tasks"]

    assert set(task) == TASK
    assert (task["dateCreated"], task["deadline"]) == ("2026-03-06T09:00:00", "2026-03-10T09:00:00")
    assert task["solutionUrl"].startswith("https://app.debitura.com/")
    assert (task["action"] is not None) == (kind in CHAT_TYPES)
    assert (task["caseId"] is None) == (kind in {"SignContract", "AssignBankAccount", "UploadKycDocument"})
    assert (task["leadId"] is not None) == (kind == "SelectQuoteWinner")


async def test_the_action_comes_as_a_template_and_with_the_case_in_it(stand: DebituraStand) -> None:
    substituted, template = stand.add_task("ReplyToChat"), stand.add_task("ReplyToChat")

    assert substituted["action"] == {"method": "POST", "path": f"/cases/{substituted['caseId']}/chats"}
    assert template["action"] == {"method": "POST", "path": "/cases/{caseId}/chats"}


async def test_a_chat_without_a_case_cannot_be_answered_through_the_api(stand: DebituraStand) -> None:
    task = stand.add_task("ReplyToChat", caseId=None)

    assert (task["caseId"], task["action"]) == (None, None)


async def test_the_queue_shows_open_tasks_unless_asked_and_takes_the_type_repeatedly(
    stand: DebituraStand, api: httpx.AsyncClient
) -> None:
    chat, contract, generic = (stand.add_task(kind)["id"] for kind in ("ReplyToChat", "SignContract", "Generic"))
    stand.solve(generic)

    assert await ids(api) == [contract, chat]
    assert await ids(api, "status=Solved") == [generic]
    assert await ids(api, "type=ReplyToChat&type=SignContract") == [contract, chat]
    assert await ids(api, "type=ReplyToChat") == [chat]


async def test_pages_have_ten_tasks_unless_asked_and_count_them(stand: DebituraStand, api: httpx.AsyncClient) -> None:
    for _ in range(12):
        stand.add_task("SignContract")

    first = (await api.get("/tasks")).json()
    last = (await api.get("/tasks?Page=3&PageSize=5")).json()

    assert len(first["tasks"]) == first["page"]["pageSize"] == 10
    assert len(last["tasks"]) == 2
    assert last["page"] == {"totalResults": 12, "pageSize": 5, "currentPage": 3, "responseCount": 2, "totalPages": 3}


@pytest.mark.parametrize("query", ["PageSize=101", "PageSize=0", "Page=x", "status=Done", "type=UploadKycDocument"])
async def test_parameters_out_of_bounds_are_refused_with_400(api: httpx.AsyncClient, query: str) -> None:
    answer = await api.get(f"/tasks?{query}")

    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "message", "businessErrors"}


async def test_a_case_lists_its_own_tasks_as_a_bare_array(stand: DebituraStand, api: httpx.AsyncClient) -> None:
    task = stand.add_task("Generic")
    second = stand.add_partner_question("And?", task["caseId"])
    stand.add_task("Generic")
    stand.add_task("SignContract")

    listed = (await api.get(f"/cases/{task['caseId']}/tasks")).json()

    assert [entry["id"] for entry in listed] == [second["id"], task["id"]]


async def test_a_case_is_found_by_each_of_its_three_ids(stand: DebituraStand, api: httpx.AsyncClient) -> None:
    task = stand.add_task("MoreInfoNeeded", reference="INV-2024-001", amount=99.5, currency="DKK")
    case = stand.cases[task["caseId"]]
    paths = [case["id"], f"case-reference/{case['reference']}", "by-creditor-reference/INV-2024-001"]

    answers = [(await api.get(f"/cases/{path}")).json() for path in paths]

    assert answers == [case] * 3
    assert (case["grossAmount"], case["currency"], case["lifecycle"]) == (99.5, "DKK", "More Info Required")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/cases/123e4567-e89b-12d3-a456-426614174000", 404),
        ("/cases/123e4567-e89b-12d3-a456-426614174000/chats", 404),
        ("/cases/not-a-uuid", 400),
        ("/cases/by-creditor-reference/INV-0", 404),
    ],
)
async def test_what_is_not_there_is_answered_in_the_documented_shape(
    api: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await api.get(path)

    assert answer.status_code == status
    assert answer.json()["businessErrors"][0]["type"] == answer.json()["error"]


async def test_a_reply_is_attributed_to_its_sender_and_solves_the_cases_chat_tasks_a_while_later(
    stand: DebituraStand, api: httpx.AsyncClient, clock: Clock
) -> None:
    task = stand.add_partner_question("Can you confirm?")
    more = stand.add_task("ClientInputRequired", caseId=task["caseId"])
    other = stand.add_task("ReplyToChat")
    path = f"/cases/{task['caseId']}/chats"

    sent = await api.post(path, json={"message": "Yes, on 3 May.", **SENDER})
    at_once = await ids(api)
    clock.at += timedelta(seconds=3)
    later, solved = await ids(api), (await api.get("/tasks?status=Solved")).json()["tasks"]
    chats = (await api.get(path)).json()

    assert (sent.status_code, sent.json()["user"]["email"]) == (200, "ar@creditor.example")
    assert set(sent.json()) == CHAT
    assert set(at_once) == {task["id"], more["id"], other["id"]}
    assert later == [other["id"]]
    assert {entry["id"]: entry["dateSolved"] for entry in solved} == dict.fromkeys(
        (task["id"], more["id"]), "2026-03-06T09:00:03"
    )
    assert [(chat["role"], chat["message"]) for chat in chats][::2] == [(0, "Can you confirm?"), (1, "Yes, on 3 May.")]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"message": "hi"}, "MissingUserIdentifier"),
        ({"message": "hi", "userEmail": "who@else.example"}, "InvalidUserEmail"),
        ({"message": "hi", "userId": "123e4567-e89b-12d3-a456-426614174000"}, "InvalidUserId"),
    ],
)
async def test_a_reply_without_a_member_of_the_team_is_refused(
    stand: DebituraStand, api: httpx.AsyncClient, body: dict[str, str], error: str
) -> None:
    task = stand.add_task("ReplyToChat")

    answer = await api.post(f"/cases/{task['caseId']}/chats", json=body)

    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert len(stand.chats[task["caseId"]]) == 1


@pytest.mark.parametrize(
    ("message", "status"),
    [("", 400), (" ", 400), (None, 400), ("a" * 10_000, 200), ("a" * 10_001, 400), ("😀" * 5_001, 400)],
    ids=["empty", "blank", "null", "longest", "too long", "too many UTF-16 units"],
)
async def test_a_message_has_one_to_ten_thousand_utf16_units(
    stand: DebituraStand, api: httpx.AsyncClient, message: str | None, status: int
) -> None:
    task = stand.add_task("ReplyToChat")

    answer = await api.post(f"/cases/{task['caseId']}/chats", json={"message": message, **SENDER})

    assert answer.status_code == status
    assert "message" in answer.json()


async def test_a_task_solved_in_the_portal_leaves_the_answer_in_the_chat(stand: DebituraStand) -> None:
    task = stand.add_task("ReplyToChat")

    stand.solve_in_portal(task["id"])

    assert (task["status"], [chat["role"] for chat in stand.chats[task["caseId"]]]) == ("Solved", [0, 1])


async def test_the_profile_the_team_and_the_webhooks_are_told(api: httpx.AsyncClient) -> None:
    me, users, webhooks = [(await api.get(path)).json() for path in ("/me", "/users", "/webhooks")]

    assert me["companyName"] == "Nordlys Supplies ApS"
    assert [user["email"] for user in users["users"]] == ["anna.k@creditor.example", "ar@creditor.example"]
    assert users["page"]["pageSize"] == 50
    assert (webhooks[0]["isActive"], webhooks[0]["secret"]) == (True, None)


async def test_without_the_key_each_endpoint_answers_401_in_its_own_shape(api: httpx.AsyncClient) -> None:
    wrong = {"XApiKey": "wrong"}

    me, users, tasks = [await api.get(path, headers=wrong) for path in ("/me", "/users", "/tasks")]

    assert [answer.status_code for answer in (me, users, tasks)] == [401] * 3
    assert me.content == b""
    assert users.json()["title"] == "Unauthorized"
    assert tasks.json()["error"] == "Unauthorized"


async def test_over_the_limit_the_body_tells_how_long_to_wait_and_no_header_does(clock: Clock) -> None:
    stand = DebituraStand(per_minute=2, per_hour=3, clock=clock)
    seen: list[Any] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=stand.app), base_url="http://d") as client:
        for wait_s in (0, 18, 0, 42, 18):
            clock.at += timedelta(seconds=wait_s)
            answer = await client.get("/me", headers={"XApiKey": "debitura-key"})
            seen.append((answer.status_code, answer.json().get("retryAfter"), "retry-after" in answer.headers))

    assert seen == [
        (200, None, False),
        (200, None, False),
        (429, 42.0, False),
        (200, None, False),
        (429, 3522.0, False),
    ]


async def test_a_forced_429_has_the_documented_body(stand: DebituraStand, api: httpx.AsyncClient) -> None:
    stand.faults.rate_limit_next, stand.faults.retry_after_s = 1, 42.0

    answer = await api.get("/tasks")

    assert (answer.status_code, answer.json()["error"], answer.json()["retryAfter"]) == (
        429,
        "rate_limit_exceeded",
        42.0,
    )


async def test_the_signature_matches_the_documented_test_vector(stand: DebituraStand) -> None:
    body = (
        b'{"id":"550e8400-e29b-41d4-a716-446655440000","specVersion":"1.0","event":"chat.created",'
        b'"timestamp":"2026-01-31T15:23:45Z","data":{"caseId":"123e4567-e89b-12d3-a456-426614174000",'
        b'"reference":"Q8OAXF3W"}}'
    )

    headers = stand.sign(body, datetime.fromtimestamp(1769873025, UTC))

    digest = "80ea0a8e1bb65ce47628e059960f6f47742e0fa6526ede0b07dea2a778649420"
    assert headers["X-Debitura-Signature"] == f"t=1769873025,v1={digest}"
    assert headers["X-Debitura-Event"] == "chat.created"


async def test_an_event_names_the_case_and_is_signed_even_when_it_is_rubbish(stand: DebituraStand) -> None:
    task = stand.add_task("ReplyToChat")

    event = json.loads(stand.event("case.updated", task["caseId"]))
    rubbish = stand.sign(b"\x00", NOW)["X-Debitura-Signature"]

    assert (event["event"], event["data"]["caseId"]) == ("case.updated", task["caseId"])
    key = b"thisisabase64encodedsecret"
    assert rubbish.endswith(hmac.new(key, f"{int(NOW.timestamp())}.\x00".encode(), hashlib.sha256).hexdigest())


async def test_the_seed_has_one_of_everything_and_references_known_to_both_systems() -> None:
    getbill, debitura = GetbillStand(), DebituraStand()

    seed.fill(getbill, debitura)

    kinds = {todo.get("sub_type", "agreement") for todo in getbill.todos.values()}
    debts = {debt["invoice_reference"]: debt for debt in getbill.debts.values()}
    shared = [case for case in debitura.cases.values() if case["creditorReference"] in debts]
    assert kinds == {"agreement", "portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection"}
    assert {task["type"] for task in debitura.tasks.values()} == {*TYPES, "UploadKycDocument"}
    assert [case["creditorReference"] for case in shared] == ["INV-2024-001", "INV-2024-002", "INV-2024-003"]
    assert all(case["grossAmount"] == debts[case["creditorReference"]]["amount"] for case in shared)
    assert len(debts) == len(getbill.debts)
