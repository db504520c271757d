"""The client's requests against a Prism mock of Debitura's OpenAPI document, an independent check of the wire.

Needs node; the mock is installed once into .build/prism.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from receiver.domain.fact import SourceAccepted, SourceGone, SourceReported
from receiver.domain.people import People, Person
from receiver.errors import DeliveryError, PermanentError, RetryLaterError, UncertainError
from receiver.upstream.debitura.api import Api
from tests.adapters import prism_spec
from tests.adapters.debitura_world import Clock, World, command_for, key, payload

pytestmark = [pytest.mark.anyio, pytest.mark.prism]

ROOT = Path(__file__).parents[2]
PRISM = ROOT / ".build" / "prism" / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
CASE = "8f19c2b0-1111-4222-8333-444455556666"
PATIENCE_S = 180.0
MEMBER = Person(email="anna.k@creditor.example")


class Preferring(httpx.AsyncHTTPTransport):
    """A network that requests certain answers of the mock by method and end of path, and records its objections."""

    def __init__(self, wishes: Mapping[tuple[str, str], str] | None = None) -> None:
        super().__init__()
        self.wishes = wishes or {}
        self.answered: list[tuple[str, str, int]] = []
        self.objections: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for (method, ending), wish in self.wishes.items():
            if request.method == method and request.url.path.endswith(ending):
                request.headers["Prefer"] = wish
        response = await super().handle_async_request(request)
        self.answered.append((request.method, request.url.path.replace(CASE, "{id}"), response.status_code))
        said = json.loads(response.headers.get("sl-violations", "[]"))
        self.objections += [violation["message"] for violation in said if violation["location"][0] == "request"]
        return response


@pytest.fixture(scope="session")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The mock's URL; one mock for each test process, installed by the first one."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("node is not installed")
    install = ["bash", str(ROOT / "tests" / "prism" / "install.sh")]
    if subprocess.run(install, check=False, timeout=600).returncode:
        pytest.skip("the mock could not be installed; .build/prism.log says why")
    folder = tmp_path_factory.mktemp("prism")
    document = folder / "customer-api.json"
    document.write_text(json.dumps(prism_spec.trimmed()))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [node, str(PRISM), "mock", "-h", "127.0.0.1", "-p", str(port), str(document)]
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait_until_it_listens(process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while "Prism is listening" not in log.read_text(encoding="utf-8"):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < until, log.read_text(encoding="utf-8")
        time.sleep(0.05)


@pytest.fixture
def debitura(prism: str) -> World:
    return World(prism, Clock())


def api(prism: str, network: httpx.AsyncBaseTransport) -> Api:
    return Api(prism, "key", Clock(), transport=network)


def test_the_mock_knows_every_operation_and_nothing_but_json() -> None:
    document = prism_spec.trimmed()

    operations = [operation for path in document["paths"].values() for operation in path.values()]
    types = {kind for one in operations for answer in one["responses"].values() for kind in answer.get("content", {})}
    assert {path: tuple(document["paths"][path]) for path in document["paths"]} == prism_spec.USED
    assert types == {"application/json"}


async def test_everything_we_ask_is_asked_as_the_specification_wants_it(debitura: World) -> None:
    network = Preferring()
    client = debitura.client(transport=network, people=People(), reply_as="anna.k@creditor.example")
    task = payload("task__reply_to_chat")
    other = key({"id": "00000000-0000-4000-8000-000000000001"})

    facts = list((await client.reconcile({other}, is_full=True)).facts)
    books = await client.list_receivables()
    sent = await client.execute(command_for(task, "Ça va? 😀", person=MEMBER))
    rows = await client.health()
    await debitura.close()

    said = [fact.snapshot for fact in facts if isinstance(fact, SourceReported)]
    assert [(shown.kind, shown.verbs) for shown in said] == [("ReplyToChat", ("reply",)), ("AssignBankAccount", ())]
    assert said[0].question == "The debtor says it was credited.\nCan you confirm?\n\nAnd send the credit note?"
    assert [fact.key for fact in facts if isinstance(fact, SourceGone)] == [other]
    assert sent == [SourceAccepted(key(task), 1)]
    assert {one.reference for book in books for one in book.receivables} == {"INV-2024-001"}
    assert all(row.is_well for row in rows)
    assert network.objections == []
    assert {(method, path) for method, path, status in network.answered if status == 200} == {
        (method.upper(), path) for path, methods in prism_spec.USED.items() for method in methods
    }


@pytest.mark.parametrize("example", ["empty", "null"])
async def test_an_empty_list_is_empty_however_it_is_written(debitura: World, example: str) -> None:
    client = debitura.client(transport=Preferring({("GET", "/tasks"): f"example={example}"}))

    assert list((await client.reconcile((), is_full=False)).facts) == []
    await debitura.close()


async def test_a_task_that_its_case_no_longer_lists_gets_no_reply(debitura: World) -> None:
    network = Preferring({("GET", f"/cases/{CASE}/tasks"): "example=empty"})
    client = debitura.client(transport=network)

    facts = await client.execute(command_for(payload("task__reply_to_chat"), person=MEMBER))
    await debitura.close()

    assert isinstance(facts[-1], SourceGone)
    assert [answer for answer in network.answered if answer[0] == "POST"] == []


@pytest.mark.parametrize("length", [1, 10_000])
async def test_the_shortest_and_the_longest_reply_are_within_the_rules(debitura: World, length: int) -> None:
    network = Preferring()
    client = debitura.client(transport=network)

    await client.execute(command_for(payload("task__reply_to_chat"), "x" * length, person=MEMBER))
    await debitura.close()

    assert network.objections == []


@pytest.mark.parametrize(
    ("case_id", "message", "email"),
    [
        (CASE, "x" * 10_001, "anna.k@creditor.example"),
        (CASE, "Hello", "not an address"),
        ("no-uuid", "Hello", "anna.k@creditor.example"),
    ],
    ids=["too long", "no address", "no case"],
)
async def test_the_mock_does_object_to_what_the_specification_forbids(
    prism: str, case_id: str, message: str, email: str
) -> None:
    network = Preferring()
    called = api(prism, network)

    with pytest.raises(PermanentError) as refused:
        await called.send_chat(case_id, message, email)
    await called.close()

    assert refused.value.code == "refused"
    assert network.objections != []


@pytest.mark.parametrize(
    ("wish", "expected", "code", "words"),
    [
        ("code=400", PermanentError, "refused", "InvalidUserEmail"),
        ("code=404", PermanentError, "not_found", ""),
        ("code=429", RetryLaterError, "rate_limited", "Please retry later"),
        ("code=500", UncertainError, "server_error", "CreditorBlocked"),
    ],
)
async def test_every_answer_to_a_reply_has_its_meaning(
    prism: str, wish: str, expected: type[DeliveryError], code: str, words: str
) -> None:
    called = api(prism, Preferring({("POST", "/chats"): wish}))

    with pytest.raises(DeliveryError) as failed:
        await called.send_chat(CASE, "Hello", "anna.k@creditor.example")
    await called.close()

    assert (type(failed.value), failed.value.code) == (expected, code)
    assert words in failed.value.message
    assert getattr(failed.value, "after_s", None) == (42.0 if code == "rate_limited" else None)


@pytest.mark.parametrize(
    ("ending", "ask", "code"),
    [("/users", "users", "unauthorized"), ("/me", "me", "unauthorized")],
)
async def test_a_key_that_is_refused_is_told_as_such(prism: str, ending: str, ask: str, code: str) -> None:
    called = api(prism, Preferring({("GET", ending): "code=401"}))

    with pytest.raises(PermanentError) as refused:
        await getattr(called, ask)()
    await called.close()

    assert refused.value.code == code


async def test_without_a_key_the_mock_lets_nobody_in(prism: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as stranger:
        answer = await stranger.get(f"{prism}/tasks", headers={"Accept": "application/json"})

    assert answer.status_code == 401
