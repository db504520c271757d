"""Polling Debitura: the facts of a complete pass and of an incomplete one, and how often cases are read."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from casebell_sandbox.debitura import DebituraStand
from casebell_sandbox.debitura_cases import LATER_TYPES, TYPES
from receiver.domain.fact import Fact, SourceGone, SourceReported
from receiver.domain.item import Medium, Snapshot
from receiver.domain.people import People
from receiver.errors import PermanentError, RetryLaterError
from receiver.ports import Upstream
from tests.adapters.debitura_world import (
    Clock,
    World,
    calls,
    in_turn,
    key,
    page,
    payload,
    scripted,
    tasks,
    world,
)
from tests.factories import make_item

pytestmark = pytest.mark.anyio


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


def outcomes_of(facts: list[Fact]) -> list[tuple[str, bool, str]]:
    return [(fact.key, fact.is_certain, fact.outcome) for fact in facts if isinstance(fact, SourceGone)]


# Facts of a complete pass


async def test_a_pass_tells_of_a_task_of_every_type(debitura: World, stand: DebituraStand) -> None:
    for kind in [*TYPES, *LATER_TYPES]:
        stand.add_task(kind)
    client: Upstream = debitura.client()

    shown = {
        snapshot.kind: snapshot for snapshot in by_key(list((await client.reconcile((), is_full=False)).facts)).values()
    }

    assert set(shown) == {*TYPES, *LATER_TYPES}
    assert all(snapshot.solution_url and snapshot.is_open for snapshot in shown.values())
    assert {kind for kind, snapshot in shown.items() if snapshot.verbs} == {
        "ReplyToChat", "ClientInputRequired", "MoreInfoNeeded",
    }  # fmt: skip
    reply = shown["ReplyToChat"]
    assert (reply.reference, reply.amount is not None, reply.debtor is not None) == ("INV-2024-001", True, True)
    assert reply.question == stand.chats[str(reply.case_id)][0]["message"]
    assert shown["SignContract"].case_id is None


async def test_many_pages_are_one_pass_said_when_it_began(debitura: World, stand: DebituraStand, clock: Clock) -> None:
    expected = {key(stand.add_task("AssignBankAccount")) for _ in range(250)}

    facts = list((await debitura.client().reconcile((), is_full=False)).facts)

    assert set(by_key(facts)) == expected
    assert calls(stand, "/tasks") == 3
    assert {fact.said_at for fact in facts if isinstance(fact, SourceReported)} == {clock()}


async def test_a_task_listed_as_solved_is_gone_for_certain(debitura: World, stand: DebituraStand) -> None:
    task, other = stand.add_task("ReplyToChat"), stand.add_task("SignContract")
    client = debitura.client()
    stand.solve_in_portal(task["id"])

    facts = list((await client.reconcile({key(task), key(other), "getbill:main:agreement:1"}, is_full=False)).facts)

    assert outcomes_of(facts) == [(key(task), True, "solved")]
    assert set(by_key(facts)) == {key(other)}


async def test_a_task_that_is_nowhere_is_gone_as_far_as_one_pass_can_tell(
    debitura: World, stand: DebituraStand
) -> None:
    task = stand.add_task("ReplyToChat")
    del stand.tasks[task["id"]]

    facts = list((await debitura.client().reconcile({key(task)}, is_full=False)).facts)

    assert outcomes_of(facts) == [(key(task), False, "solved")]


async def test_the_solved_ones_are_found_at_either_end_of_the_list(debitura: World, stand: DebituraStand) -> None:
    made = [stand.add_task("SignContract") for _ in range(250)]
    for task in made:
        stand.solve(task["id"])
    oldest, newest = key(made[0]), key(made[-1])

    facts = list((await debitura.client().reconcile({oldest, newest}, is_full=False)).facts)

    assert sorted(outcomes_of(facts)) == sorted([(oldest, True, "solved"), (newest, True, "solved")])


async def test_the_solved_ones_are_asked_for_only_when_something_vanished(
    debitura: World, stand: DebituraStand
) -> None:
    task = stand.add_task("SignContract")

    list((await debitura.client().reconcile({key(task)}, is_full=False)).facts)

    assert [call.query.get("status") for call in stand.faults.calls] == ["Open"]


async def test_when_the_solved_ones_cannot_be_read_the_pass_still_counts() -> None:
    def answer(request: Request) -> Response:
        return Response(status_code=500) if request.query_params["status"] == "Solved" else JSONResponse(page([]))

    async with world(scripted({"/tasks": answer})) as made:
        facts = list((await made.client().reconcile({key(tasks(1)[0])}, is_full=False)).facts)

    assert outcomes_of(facts) == [(key(tasks(1)[0]), False, "solved")]


async def test_an_open_task_among_the_solved_ones_is_not_taken_for_solved() -> None:
    def answer(request: Request) -> Response:
        return JSONResponse(page(tasks(1) if request.query_params["status"] == "Solved" else []))

    async with world(scripted({"/tasks": answer})) as made:
        facts = list((await made.client().reconcile({key(tasks(1)[0])}, is_full=False)).facts)

    assert outcomes_of(facts) == [(key(tasks(1)[0]), False, "solved")]


async def test_a_task_in_the_open_list_that_says_it_is_solved_is_believed() -> None:
    solved = tasks(1)[0] | {"status": "Solved"}
    async with world(scripted({"/tasks": in_turn([page([solved])])})) as made:
        facts = list((await made.client().reconcile((), is_full=False)).facts)

    assert [(snapshot.is_open, snapshot.outcome) for snapshot in by_key(facts).values()] == [(False, "solved")]


# Incomplete passes


@pytest.mark.parametrize(
    "pages",
    [
        [page(tasks(1), totalResults=2, totalPages=2), page(tasks(2), totalResults=3, totalPages=2, currentPage=2)],
        [page(tasks(1, 2), totalResults=3, totalPages=2), page(tasks(2), totalResults=3, totalPages=2, currentPage=2)],
        [page(tasks(1, 2), totalResults=2, totalPages=9), page(tasks(1, 2), totalResults=3, currentPage=2)],
        [page(tasks(1), totalResults=2, totalPages=2)],
        [page(tasks(1), totalResults=2, totalPages=2, currentPage=None)],
        [page(tasks(1), totalResults=2, totalPages=1)],
        [page(tasks(1), totalResults=0)],
        [page(tasks(1), totalResults=None)],
        [page(tasks(1), totalResults="one")],
        [page([{"type": "Generic"}])],
        [page([7])],
        [page(None, totalResults=1)],
        [{"tasks": tasks(1)}],
        [{}],
    ],
    ids=[
        "total changes", "page shifts", "two totals", "page 1 again", "page without end", "too few", "too many",
        "no total", "total is text", "no id", "no object", "no tasks", "no page", "nothing",
    ],
)  # fmt: skip
async def test_pages_that_do_not_add_up_conclude_nothing(pages: list[Any]) -> None:
    async with world(scripted({"/tasks": in_turn(pages)})) as made:
        with pytest.raises(RetryLaterError) as failed:
            list((await made.client().reconcile({key(tasks(5)[0])}, is_full=False)).facts)

        assert failed.value.code == "incomplete_pass"
        assert len(made.observed) <= 2


@pytest.mark.parametrize(
    "answer", [HTMLResponse("<h1>Checking your browser</h1>"), JSONResponse([]), Response(), JSONResponse(None)]
)
async def test_an_answer_in_another_language_concludes_nothing(answer: Response) -> None:
    async with world(scripted({"/tasks": in_turn([answer])})) as made:
        with pytest.raises(RetryLaterError) as failed:
            list((await made.client().reconcile((), is_full=False)).facts)

    assert failed.value.code == "unexpected_answer"


async def test_a_page_that_fails_concludes_nothing() -> None:
    first = page(tasks(1), totalResults=2, totalPages=2)
    async with world(scripted({"/tasks": in_turn([first, HTMLResponse("<h1>502</h1>", 502)])})) as made:
        with pytest.raises(RetryLaterError) as failed:
            list((await made.client().reconcile((), is_full=False)).facts)

    assert failed.value.code == "server_error"


@pytest.mark.parametrize(
    "pages",
    [
        [page(tasks(1, 2), totalPages=None), page([], totalResults=2, totalPages=None, currentPage=2)],
        [page(tasks(1, 2), totalPages=7), page(None, totalResults=2, totalPages=7, currentPage=2)],
        [page(tasks(1, 2), totalPages=0)],
        [page(tasks(1, 2), totalPages=-2147483648)],
        [page(tasks(1), totalResults=2, totalPages=2), page(tasks(1, 2), totalPages=2, currentPage=2)],
        [{"pageData": page(tasks(1, 2))["page"], "tasks": tasks(1, 2), "new": True}],
    ],
    ids=["no pages", "too many pages", "zero", "negative", "repeated but whole", "pageData"],
)  # fmt: skip
async def test_odd_paging_that_adds_up_is_read(pages: list[Any]) -> None:
    async with world(scripted({"/tasks": in_turn(pages)})) as made:
        facts = list((await made.client().reconcile((), is_full=False)).facts)

        assert len(by_key(facts)) == 2
        assert len(made.observed) == len(pages)


@pytest.mark.parametrize("body", [page([]), page(None), page([], totalPages=0)])
async def test_an_empty_list_is_a_complete_pass(body: dict[str, Any]) -> None:
    async with world(scripted({"/tasks": in_turn([body])})) as made:
        assert list((await made.client().reconcile((), is_full=False)).facts) == []


# Pauses, refusals and errors


async def test_a_pause_that_debitura_asks_for_is_kept_by_every_call(
    debitura: World, stand: DebituraStand, clock: Clock
) -> None:
    client = debitura.client()
    stand.faults.rate_limit_next = 1
    stand.faults.retry_after_s = 42.0
    with pytest.raises(RetryLaterError) as limited:
        list((await client.reconcile((), is_full=False)).facts)
    clock.move(seconds=40)
    with pytest.raises(RetryLaterError) as waiting:
        list((await client.reconcile((), is_full=False)).facts)
    assert len(stand.faults.calls) == 1

    clock.move(seconds=2)
    facts = list((await client.reconcile((), is_full=False)).facts)

    assert (limited.value.code, limited.value.after_s) == ("rate_limited", 42.0)
    assert (waiting.value.code, waiting.value.after_s) == ("rate_limited", 2.0)
    assert facts == []


async def test_a_key_that_is_refused_is_tried_again_only_now_and_then(
    debitura: World, stand: DebituraStand, clock: Clock
) -> None:
    stand.api_key = "another"
    client = debitura.client()
    codes = []
    for _ in range(5):
        with pytest.raises(PermanentError) as refused:
            list((await client.reconcile((), is_full=False)).facts)
        codes.append(refused.value.code)
        clock.move(minutes=1)
    assert (codes, len(stand.faults.calls)) == (["unauthorized"] * 5, 1)

    stand.api_key = "debitura-key"

    assert list((await client.reconcile((), is_full=False)).facts) == []


@pytest.mark.parametrize(
    ("status", "name", "words"),
    [
        (
            400,
            "error__business_and_legacy",
            (
                "No active team member found with email 'x@creditor.example'. Use GET /users to list the team."
                " (InvalidUserEmail)"
            ),
        ),
        (403, "error__business_only", "Your account is blocked. (CreditorBlocked); MissingKycVerification"),
        (
            400,
            "error__fields",
            (
                "message: The field Message must be a string with a maximum length of 10000.;"
                " userEmail: Not an e-mail address."
            ),
        ),
        (400, "error__model_binding", "PageSize: The value 'x' is not valid."),
        (401, "error__problem_details", "Missing or invalid API key"),
        (429, "error__rate_limited", "Rate limit exceeded. Please retry later."),
    ],
)
async def test_every_documented_shape_of_an_error_is_told_in_its_own_words(status: int, name: str, words: str) -> None:
    async with world(scripted({"/tasks": in_turn([JSONResponse(payload(name), status)])})) as made:
        with pytest.raises((PermanentError, RetryLaterError)) as failed:
            list((await made.client().reconcile((), is_full=False)).facts)

    assert failed.value.message == words
    assert getattr(failed.value, "after_s", None) == (42.0 if status == 429 else None)


@pytest.mark.parametrize(
    "body", [b"", b"<html><h1>Forbidden</h1></html>", b"[]", b'{"businessErrors": 7, "errors": []}']
)
async def test_an_error_without_words_is_told_by_its_status(body: bytes) -> None:
    async with world(scripted({"/tasks": in_turn([Response(body, 403)])})) as made:
        with pytest.raises(PermanentError) as failed:
            list((await made.client().reconcile((), is_full=False)).facts)

    assert (failed.value.code, failed.value.message) == ("forbidden", "127.0.0.1 answered 403")


async def test_the_key_goes_with_every_request_and_json_is_asked_for() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def answer(request: Request) -> Response:
        seen.append((request.headers.get("xapikey"), request.headers.get("accept")))
        return JSONResponse(page([]))

    async with world(scripted({"/tasks": answer})) as made:
        list((await made.client(api_key="k-1").reconcile((), is_full=False)).facts)

        assert seen == [("k-1", "application/json")]
        assert made.observed == [("tasks.list", "200")]


async def test_there_is_nothing_to_listen_to_or_to_look_at(debitura: World) -> None:
    with pytest.raises(PermanentError) as refused:
        await debitura.client().media_url(make_item(), Medium("recording", "recording"))

    assert refused.value.code == "media_gone"


# Health


async def test_an_account_that_is_well_says_whose_it_is_and_as_whom_people_reply(debitura: World) -> None:
    people = People(debitura_users={"anna@creditor.example": "anna.k@creditor.example"})

    rows = await debitura.client(people=people).health()

    assert [(row.name, row.is_well) for row in rows] == [
        ("debitura:main", True),
        ("debitura:main senders", True),
        ("debitura:main webhooks", True),
    ]
    assert rows[1].detail == "anna.k@creditor.example, ar@creditor.example"


async def test_what_is_wrong_with_an_account_comes_with_its_cure(debitura: World, stand: DebituraStand) -> None:
    stand.webhooks[0] |= {"isActive": False, "disabledReason": "Exceeded maximum retry attempts (8 failures)"}
    stand.users.pop()

    rows = await debitura.client().health()

    red = {row.name: row for row in rows if not row.is_well}
    assert set(red) == {"debitura:main senders", "debitura:main webhooks"}
    assert "ar@creditor.example" in red["debitura:main senders"].detail
    assert "8 failures" in red["debitura:main webhooks"].detail
    assert all(row.cure for row in red.values())


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_an_account_that_does_not_accept_us_is_one_red_row(status: int) -> None:
    async with world(scripted({"/me": in_turn([Response(status_code=status)])})) as made:
        rows = await made.client().health()

    assert [(row.name, row.is_well) for row in rows] == [("debitura:main", False)]


@pytest.mark.parametrize("answer", [Response(status_code=404), Response(status_code=403)])
async def test_an_account_that_does_not_tell_of_its_webhooks_is_well(answer: Response) -> None:
    answers = {"/me": in_turn([{"companyName": None}]), "/webhooks": in_turn([answer])}
    async with world(scripted(answers)) as made:
        rows = await made.client(reply_as=None).health()

    assert [(row.name, row.is_well) for row in rows] == [("debitura:main", True), ("debitura:main senders", True)]
