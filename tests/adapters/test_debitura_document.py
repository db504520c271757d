"""The stand-in for Debitura follows Debitura's OpenAPI document and works with the official Python client.

The document is stricter than the service: it does not allow null for nested objects, although the documented
samples contain it (docs/vendors/debitura.md#the-specification-as-a-mock). The tests allow that and nothing else.
"""

import importlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from casebell_sandbox.debitura import DebituraStand
from casebell_sandbox.debitura_cases import LATER_TYPES, TYPES
from casebell_sandbox.server import Sandbox, SandboxThread
from tests.adapters.prism_spec import JSON, payload

pytestmark = pytest.mark.anyio

SENDER = {"message": "Yes, go on.", "userEmail": "ar@creditor.example"}
KEY = {"XApiKey": "debitura-key"}
NOWHERE = "00000000-0000-4000-8000-000000000000"

DOCUMENT = payload("customer-api")


def lenient(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema; nested objects and ``nullable`` fields may be null."""
    match schema:
        case {"$ref": str(reference)}:
            return {"anyOf": [{"$ref": reference}, {"type": "null"}]}
        case dict():
            known = {name: lenient(value) for name, value in schema.items() if name != "nullable"}
            if schema.get("nullable") and isinstance(known.get("type"), str):
                known["type"] = [known["type"], "null"]
            return known
        case list():
            return [lenient(value) for value in schema]
        case _:
            return schema


COMPONENTS = {"schemas": lenient(DOCUMENT["components"]["schemas"])}


def operation_of(method: str, path: str) -> str:
    """The path in the document that matches ``path``; a literal segment matches before a placeholder."""
    fits = [p for p in DOCUMENT["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", p), path)]
    fits = [p for p in fits if method.lower() in DOCUMENT["paths"][p]]
    assert fits, f"the document knows no {method} {path}"
    best: str = min(fits, key=lambda p: p.count("{"))
    return best


def objections(answer: httpx.Response) -> list[str]:
    """How an answer violates the document: its status, fields and types."""
    method, path = answer.request.method, answer.request.url.path
    declared = DOCUMENT["paths"][operation_of(method, path)][method.lower()]["responses"]
    said = declared.get(str(answer.status_code))
    if said is None:
        return [f"{method} {path} does not answer {answer.status_code}"]
    schema = said.get("content", {}).get(JSON, {}).get("schema")
    if schema is None:
        return []
    whole = schema if "$ref" in schema else lenient(schema)
    found = Draft202012Validator({**whole, "components": COMPONENTS}).iter_errors(answer.json())
    return [f"{method} {path} {error.json_path}: {error.message}" for error in found]


@pytest.fixture
def stand() -> DebituraStand:
    """A stand-in with one task, case and chat in every state."""
    made = DebituraStand(solve_after_s=0)
    for kind in [*TYPES, *LATER_TYPES]:
        made.add_task(kind)
    made.solve_in_portal(made.add_task("ReplyToChat")["id"])
    made.move_case(made.add_case()["id"], "Closed")
    return made


@pytest.fixture
async def api(stand: DebituraStand) -> AsyncIterator[httpx.AsyncClient]:
    network = httpx.ASGITransport(app=stand.app)
    async with httpx.AsyncClient(transport=network, base_url="http://d", headers=KEY) as client:
        yield client


async def test_every_answer_of_the_stand_in_is_one_the_document_knows(
    stand: DebituraStand, api: httpx.AsyncClient
) -> None:
    asked = ["/me", "/users", "/webhooks", "/tasks", "/tasks?status=Solved&Page=1&PageSize=2", "/cases?Page=2"]
    for case in stand.cases.values():
        asked += [f"/cases/{case['id']}{part}" for part in ("", "/tasks", "/chats")]
        asked += [f"/cases/case-reference/{case['reference']}"]
        asked += [f"/cases/by-creditor-reference/{case['creditorReference']}"]
    answers = [await api.get(path) for path in asked]
    answers += [await api.post(f"/cases/{case_id}/chats", json=SENDER) for case_id in stand.cases]

    assert {answer.status_code for answer in answers} == {200}
    assert [one for answer in answers for one in objections(answer)] == []


async def test_every_refusal_of_the_stand_in_is_one_the_document_knows(
    stand: DebituraStand, api: httpx.AsyncClient
) -> None:
    case_id = next(iter(stand.cases))
    answers = [
        await api.get(path)
        for path in (
            "/tasks?PageSize=101", "/tasks?status=Late", "/tasks?type=Nothing", "/cases?Page=0", "/users?PageSize=0",
            f"/cases/{NOWHERE}", f"/cases/{NOWHERE}/tasks", f"/cases/{NOWHERE}/chats",
            "/cases/case-reference/NOBODY00", "/cases/by-creditor-reference/nothing",
        )
    ]  # fmt: skip
    unsent = (
        {"message": "x"},
        {**SENDER, "userEmail": "nobody@creditor.example"},
    )  # the 400 for an invalid field is described in prose only
    answers += [await api.post(f"/cases/{case_id}/chats", json=body) for body in unsent]
    answers += [await api.get(path, headers={"XApiKey": "another"}) for path in ("/me", "/users")]

    assert {answer.status_code for answer in answers} == {400, 401, 404}
    assert [one for answer in answers for one in objections(answer)] == []


@pytest.mark.parametrize(
    ("path", "changes"),
    [("/me", {"shoeSize": 44}), ("/me", {"companyName": 7}), ("/me", {"id": None})],
    ids=["a field too many", "another type", "null where it may not be"],
)
async def test_the_document_does_object_to_what_it_does_not_know(
    stand: DebituraStand, api: httpx.AsyncClient, path: str, changes: dict[str, Any]
) -> None:
    stand.profile |= changes

    assert objections(await api.get(path)) != []


# The official client over a real socket. Version 1.0.0 has no tasks but all other operations.


@pytest.fixture
def sandbox() -> Iterator[tuple[Sandbox, str]]:
    with SandboxThread() as running:
        yield running.sandbox, f"{running.url}/debitura"


@pytest.fixture
def official(sandbox: tuple[Sandbox, str]) -> Iterator[Any]:
    """Return the official client's API by name: ``official("Cases")``."""
    sdk = pytest.importorskip("debitura_debt_collection", reason="the official client is not installed")
    configuration = sdk.Configuration(host=sandbox[1], api_key={"ApiKey": "debitura-key"})
    with sdk.ApiClient(configuration) as client:
        yield lambda name: getattr(sdk, f"{name}Api")(client)
        client.rest_client.pool_manager.clear()


def test_the_official_client_reads_what_the_sandbox_says(sandbox: tuple[Sandbox, str], official: Any) -> None:
    stand, cases = sandbox[0].debitura, official("Cases")
    task = stand.add_task("ReplyToChat", "Do you accept 60 %?")
    case = stand.cases[task["caseId"]]

    listed = cases.cases_get(page=1, page_size=100)
    found = [
        cases.cases_id_get(case["id"]),
        cases.cases_case_reference_case_reference_get(case["reference"]),
        cases.cases_by_creditor_reference_creditor_reference_get(case["creditorReference"]),
    ]

    assert (listed.page.total_results, [one.id for one in listed.cases]) == (len(stand.cases), list(stand.cases))
    assert {(one.id, one.debtor.name, one.remainder, one.lifecycle) for one in found} == {
        (case["id"], case["debtor"]["name"], case["remainder"], case["lifecycle"])
    }
    assert [chat.message for chat in cases.cases_id_chats_get(case["id"])] == ["Do you accept 60 %?"]
    assert official("Me").me_get().company_name == stand.profile["companyName"]
    assert [user.email for user in official("Users").users_get().users] == [user["email"] for user in stand.users]
    assert [one.is_active for one in official("Webhooks").webhooks_get()] == [True]


def test_a_reply_of_the_official_client_solves_the_task(sandbox: tuple[Sandbox, str], official: Any) -> None:
    stand = sandbox[0].debitura
    stand.solve_after_s = 0.0
    task = stand.add_task("ReplyToChat")
    models = importlib.import_module("debitura_debt_collection.models")
    request = models.DebituraWebExternalApiContractsV1ChatsSendChatRequest(
        message="Yes, go on.", userEmail="ar@creditor.example"
    )

    sent = official("Cases").cases_id_chats_post(task["caseId"], request)

    assert (sent.message, sent.user.email) == ("Yes, go on.", "ar@creditor.example")
    assert stand.tasks[task["id"]]["status"] == "Solved"


@pytest.mark.parametrize(
    ("status", "ask"),
    [(404, lambda cases: cases.cases_id_get(NOWHERE)), (400, lambda cases: cases.cases_get(page=0))],
)
def test_the_official_client_understands_a_refusal(official: Any, status: int, ask: Any) -> None:
    errors = importlib.import_module("debitura_debt_collection.exceptions")

    with pytest.raises(errors.ApiException) as refused:
        ask(official("Cases"))

    assert refused.value.status == status
