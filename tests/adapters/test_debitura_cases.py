"""Cases and chats of Debitura's tasks: how often they are read, and what happens when they cannot be read."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import HTMLResponse, Response

from casebell_sandbox.debitura import DebituraStand
from receiver.domain.fact import Fact, SourceReported
from receiver.domain.item import Snapshot
from receiver.ports import ChangeHint
from tests.adapters.debitura_world import Clock, World, calls, in_turn, key, page, payload, scripted, tasks, uuid, world

pytestmark = pytest.mark.anyio


class CountingTransport(httpx.AsyncHTTPTransport):
    """A network that records the largest number of concurrent requests."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.most = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await super().handle_async_request(request)
        finally:
            self.running -= 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stand(clock: Clock) -> DebituraStand:
    return DebituraStand(clock=clock)


@pytest.fixture
async def debitura(stand: DebituraStand, clock: Clock) -> AsyncIterator[World]:
    async with world(stand.app, clock) as made:
        yield made


def by_key(facts: list[Fact]) -> dict[str, Snapshot]:
    return {fact.key: fact.snapshot for fact in facts if isinstance(fact, SourceReported)}


async def test_a_case_is_read_once_and_again_when_a_task_of_it_changes(
    debitura: World, stand: DebituraStand, clock: Clock
) -> None:
    task, other = stand.add_task("CaseValidationNeedsInfo"), stand.add_task("Generic")
    client = debitura.client()
    for _ in range(3):
        list((await client.reconcile((), is_full=False)).facts)
        clock.move(hours=1)
    assert calls(stand, task["caseId"]) == calls(stand, other["caseId"]) == 1

    task["deadline"] = "2026-04-01T09:00:00"
    facts = list((await client.reconcile((), is_full=False)).facts)

    assert by_key(facts)[key(task)].deadline_at is not None
    assert (calls(stand, task["caseId"]), calls(stand, other["caseId"])) == (2, 1)


async def test_a_chat_is_read_again_after_ten_minutes(debitura: World, stand: DebituraStand, clock: Clock) -> None:
    task = stand.add_task("ReplyToChat", "One?")
    client = debitura.client()
    list((await client.reconcile((), is_full=False)).facts)
    stand.chats[task["caseId"]][0]["message"] = "Two?"

    clock.move(minutes=9)
    before = by_key(list((await client.reconcile((), is_full=False)).facts))[key(task)].question
    clock.move(minutes=1)
    after = by_key(list((await client.reconcile((), is_full=False)).facts))[key(task)].question

    assert (before, after) == ("One?", "Two?")


async def test_an_event_makes_its_case_be_read_at_once(debitura: World, stand: DebituraStand) -> None:
    task, other = stand.add_task("ReplyToChat", "One?"), stand.add_task("ReplyToChat")
    client = debitura.client()
    list((await client.reconcile((), is_full=False)).facts)
    stand.chats[task["caseId"]][0]["message"] = "Two?"
    hint = client.read(stand.event("chat.created", task["caseId"]))
    assert hint is not None

    facts = await client.fetch({hint, ChangeHint()}, ())

    assert by_key(facts)[key(task)].question == "Two?"
    assert (calls(stand, task["caseId"]), calls(stand, other["caseId"])) == (2, 1)


async def test_a_full_pass_reads_every_case_anew(debitura: World, stand: DebituraStand) -> None:
    task = stand.add_task("Generic")
    client = debitura.client()
    list((await client.reconcile((), is_full=False)).facts)

    list((await client.reconcile((), is_full=True)).facts)

    assert calls(stand, task["caseId"]) == 2


async def test_at_most_four_cases_are_read_at_a_time_and_two_passes_wait_for_each_other(
    debitura: World, stand: DebituraStand
) -> None:
    for _ in range(12):
        stand.add_task("Generic")
    network = CountingTransport()
    client = debitura.client(transport=network)
    swept, two = await asyncio.gather(client.reconcile((), is_full=False), client.fetch({ChangeHint()}, ()))
    one = list(swept.facts)

    assert len(one) == len(two) == 12
    assert network.most == 4
    assert calls(stand, "/chats") == 12


@pytest.mark.parametrize("status", [404, 403, 500])
async def test_a_case_that_cannot_be_read_costs_no_alert(status: int) -> None:
    task = payload("task__reply_to_chat")
    case = f"/cases/{task['caseId']}"
    answers = {
        "/tasks": in_turn([page([task])]),
        case: in_turn([Response(status_code=status)]),
        f"{case}/chats": in_turn([payload("chats__two_questions_after_our_last_word")]),
    }
    async with world(scripted(answers)) as made:
        [shown] = by_key(list((await made.client().reconcile((), is_full=False)).facts)).values()

    assert (shown.debtor, shown.case_reference, shown.verbs) == (None, "INV-2024-001", ("reply",))
    assert shown.question is not None
    assert shown.question.startswith("The debtor says")


async def test_what_was_known_of_a_case_is_kept_while_it_cannot_be_read(clock: Clock) -> None:
    task = payload("task__reply_to_chat")
    path = f"/cases/{task['caseId']}"
    case = payload("case__with_everything")
    broken = HTMLResponse("<h1>503</h1>", 503)
    cases = in_turn([case, broken, case | {"debtor": {"name": "New Name"}}])
    answers = {"/tasks": in_turn([page([task])]), path: cases, f"{path}/chats": in_turn([[]])}
    names = []
    async with world(scripted(answers), clock) as made:
        client = made.client()
        for minutes in (10, 1, 1, 0):
            [shown] = by_key(list((await client.reconcile((), is_full=False)).facts)).values()
            names.append(shown.debtor)
            clock.move(minutes=minutes)
        read = [status for operation, status in made.observed if operation == "cases.get"]

    assert names == ["Acme Ltd", "Acme Ltd", "Acme Ltd", "New Name"]
    assert read == ["200", "503", "200"]


async def test_when_many_cases_fail_the_rest_are_left_for_later(clock: Clock) -> None:
    listed = [task | {"caseId": uuid(n)} for n, task in enumerate(tasks(*range(40)))]
    async with world(
        scripted({"/tasks": in_turn([page(listed)]), "/cases/{id}": in_turn([Response(status_code=500)])}), clock
    ) as made:
        facts = list((await made.client().reconcile((), is_full=False)).facts)

    assert len(by_key(facts)) == 40
    assert 5 <= sum(operation == "cases.get" for operation, _ in made.observed) < 12
