"""Replies to a partner: sent once, as the right person, and only while the task is open."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from casebell_sandbox.debitura import DebituraStand
from receiver.domain.fact import Fact, SourceAccepted, SourceGone, SourceRefused
from receiver.domain.people import Person
from receiver.errors import DeliveryError, PermanentError, RetryLaterError, UncertainError
from receiver.upstream.debitura.client import Debitura
from tests.adapters.debitura_world import (
    NOW,
    Clock,
    World,
    calls,
    command_for,
    in_turn,
    key,
    page,
    payload,
    scripted,
    world,
)

pytestmark = pytest.mark.anyio

SENT = "It was not credited."


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


@pytest.fixture
def task(stand: DebituraStand) -> dict[str, Any]:
    return stand.add_task("ReplyToChat")


def creditor_messages(stand: DebituraStand, task: dict[str, Any]) -> list[tuple[str, str]]:
    """The creditor's messages in the task's chat: sender and text."""
    return [(chat["user"]["email"], chat["message"]) for chat in stand.chats[task["caseId"]] if chat["role"] == 1]


def accepted(task: dict[str, Any]) -> list[Fact]:
    return [SourceAccepted(key(task), 1)]


async def failure(client: Debitura, *arguments: Any, **changes: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed:
        await client.execute(command_for(*arguments, **changes))
    return failed.value


# The message


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("  It was\r\nnot.\n ", "It was\nnot."),
        ("😀" * 5_000, "😀" * 5_000),
        ("a" * 10_000, "a" * 10_000),
        ("half \ud83d and \x00", "half  and"),
    ],
)
async def test_a_reply_is_stripped_and_may_be_as_long_as_debitura_counts(
    debitura: World, stand: DebituraStand, task: dict[str, Any], text: str, sent: str
) -> None:
    assert await debitura.client().execute(command_for(task, text)) == accepted(task)
    assert creditor_messages(stand, task) == [("ar@creditor.example", sent)]


@pytest.mark.parametrize("text", [None, "", " \n\t", "a" * 10_001, "😀" * 5_001, "\x00"])
async def test_a_reply_that_is_empty_or_too_long_is_refused_before_anything_leaves(
    debitura: World, stand: DebituraStand, task: dict[str, Any], text: str | None
) -> None:
    error = await failure(debitura.client(), task, text)

    assert (type(error), error.code, len(stand.faults.calls)) == (PermanentError, "bad_input", 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "validate"},
        {"case_id": None},
        {"case_id": "https://evil.example/cases/1"},
        {"case_id": "8f19c2b0-1111-4222-8333-444455556666/../../me"},
        {"key": "debitura:other:task:1"},
        {"key": "getbill:main:agreement:1"},
    ],
)
async def test_nothing_else_can_be_asked_of_debitura(
    debitura: World, stand: DebituraStand, task: dict[str, Any], changes: dict[str, Any]
) -> None:
    error = await failure(debitura.client(), task, **changes)

    assert (type(error), error.code, len(stand.faults.calls)) == (PermanentError, "not_offered", 0)


# Only while the task is open


@pytest.mark.parametrize(
    ("maybe_duplicate", "reason"),
    [(False, "the reply was not sent"), (True, "whether the reply was sent is not known")],
)
async def test_a_task_solved_in_the_portal_gets_no_reply_and_no_credit_for_one(
    debitura: World, stand: DebituraStand, task: dict[str, Any], reason: str, *, maybe_duplicate: bool
) -> None:
    stand.solve_in_portal(task["id"])

    refused, gone = await debitura.client().execute(command_for(task, maybe_duplicate=maybe_duplicate))

    assert refused == SourceRefused(key(task), 1, f"already solved at Debitura; {reason}")
    assert gone == SourceGone(key(task), NOW, is_certain=True, outcome="solved")
    assert calls(stand, "/chats", "POST") == 0


@pytest.mark.parametrize(
    "of_case",
    [Response(status_code=500), JSONResponse({"tasks": []}), JSONResponse([{"type": "Generic"}])],
    ids=["the test host's fault", "another shape", "no id"],
)
@pytest.mark.parametrize("is_waiting", [True, False])
async def test_a_case_that_cannot_list_its_tasks_is_looked_up_in_the_account(
    of_case: Response, *, is_waiting: bool
) -> None:
    task = payload("task__reply_to_chat")
    path = f"/cases/{task['caseId']}"
    users = {"page": page([])["page"], "users": [{"email": "ar@creditor.example"}]}
    answers = {
        "/users": in_turn([users]),
        f"{path}/tasks": in_turn([of_case]),
        "/tasks": in_turn([page([task] if is_waiting else [])]),
        f"{path}/chats": in_turn([{}]),
    }
    async with world(scripted(answers)) as made:
        facts = await made.client().execute(command_for(task))

    assert (facts == accepted(task)) == is_waiting
    assert (("chats.send", "200") in made.observed) == is_waiting


async def test_when_nobody_can_tell_whether_the_task_waits_nothing_is_sent() -> None:
    task = payload("task__reply_to_chat")
    users = {"page": page([])["page"], "users": [{"email": "ar@creditor.example"}]}
    answers = {
        "/users": in_turn([users]),
        f"/cases/{task['caseId']}/tasks": in_turn([Response(status_code=500)]),
        "/tasks": in_turn([page([], totalResults=3)]),
    }
    async with world(scripted(answers)) as made:
        error = await failure(made.client(), task)

    assert (type(error), error.code) == (RetryLaterError, "incomplete_pass")


# At most once


async def test_a_reply_whose_answer_was_lost_is_found_in_the_chat(
    debitura: World, stand: DebituraStand, task: dict[str, Any]
) -> None:
    debitura.network.loses_answers = True

    assert await debitura.client().execute(command_for(task, "Two\nlines")) == accepted(task)
    assert calls(stand, "/chats", "POST") == 1


async def test_a_reply_that_perhaps_failed_is_uncertain_and_sent_once(
    debitura: World, stand: DebituraStand, task: dict[str, Any]
) -> None:
    stand.faults.refuse = (500, {"businessErrors": [{"type": "Unhandled", "message": "Oops"}]})

    error = await failure(debitura.client(), task)

    assert (type(error), error.code) == (UncertainError, "server_error")
    assert error.message == "Oops (Unhandled); the reply does not show in the chat"
    assert (calls(stand, "/chats", "POST"), calls(stand, "/chats")) == (1, 2)


async def test_a_look_that_fails_leaves_it_uncertain() -> None:
    task = payload("task__reply_to_chat")
    users = {"page": page([])["page"], "users": [{"email": "ar@creditor.example"}]}
    answers = {
        "/users": in_turn([users]),
        f"/cases/{task['caseId']}/tasks": in_turn([[task]]),
        f"/cases/{task['caseId']}/chats": in_turn([Response(status_code=503)]),
    }
    async with world(scripted(answers)) as made:
        error = await failure(made.client(), task)

    assert isinstance(error, UncertainError)
    assert [operation for operation, _ in made.observed].count("chats.send") == 1


@pytest.mark.parametrize("message", [SENT, f" {SENT}\r\n"])
async def test_after_a_doubtful_try_the_reply_is_looked_for_first(
    debitura: World, stand: DebituraStand, clock: Clock, task: dict[str, Any], message: str
) -> None:
    stand.reply(task["caseId"], message, stand.users[1])
    stand.solve(task["id"])
    clock.move(hours=1)

    assert await debitura.client().execute(command_for(task, maybe_duplicate=True)) == accepted(task)
    assert calls(stand, "/chats", "POST") == 0


async def test_a_doubtful_try_is_repeated_only_once_it_can_no_longer_arrive(
    debitura: World, stand: DebituraStand, clock: Clock, task: dict[str, Any]
) -> None:
    client = debitura.client()
    clock.move(seconds=60)
    error = await failure(client, task, maybe_duplicate=True)
    assert (type(error), calls(stand, "/chats", "POST")) == (UncertainError, 0)

    clock.move(seconds=1)
    assert await client.execute(command_for(task, maybe_duplicate=True)) == accepted(task)
    assert creditor_messages(stand, task) == [("ar@creditor.example", SENT)]


async def test_the_time_of_the_last_try_counts_not_that_of_the_wish(
    debitura: World, stand: DebituraStand, clock: Clock, task: dict[str, Any]
) -> None:
    client = debitura.client()
    clock.move(hours=1)
    stand.faults.refuse = (500, {})
    await failure(client, task)
    stand.faults.refuse = None
    clock.move(seconds=30)

    assert isinstance(await failure(client, task, maybe_duplicate=True), UncertainError)

    clock.move(seconds=31)
    assert await client.execute(command_for(task, maybe_duplicate=True)) == accepted(task)
    assert len(creditor_messages(stand, task)) == 1


@pytest.mark.parametrize(
    ("user", "text", "age"),
    [(0, SENT, 0), (1, "It was credited.", 0), (1, SENT, 61)],
    ids=["somebody else's", "other words", "an older one"],
)
async def test_another_message_is_not_taken_for_the_reply(
    debitura: World, stand: DebituraStand, clock: Clock, task: dict[str, Any], user: int, text: str, age: int
) -> None:
    clock.at = NOW - timedelta(seconds=age)
    stand.solve_after_s = float("inf")
    stand.reply(task["caseId"], text, stand.users[user])
    clock.at = NOW + timedelta(minutes=5)

    await debitura.client().execute(command_for(task, maybe_duplicate=True))

    assert calls(stand, "/chats", "POST") == 1


async def test_a_clock_that_runs_a_minute_behind_does_not_double_a_reply(
    debitura: World, stand: DebituraStand, clock: Clock, task: dict[str, Any]
) -> None:
    clock.at = NOW - timedelta(seconds=60)
    stand.solve_after_s = float("inf")
    stand.reply(task["caseId"], SENT, stand.users[1])
    clock.at = NOW + timedelta(minutes=5)

    assert await debitura.client().execute(command_for(task, maybe_duplicate=True)) == accepted(task)
    assert calls(stand, "/chats", "POST") == 0


# Debitura's answers


async def test_what_debitura_refuses_is_told_in_its_words_and_the_team_is_read_again(
    debitura: World, stand: DebituraStand, task: dict[str, Any]
) -> None:
    client = debitura.client()
    stand.faults.refuse = (400, payload("error__business_and_legacy"))

    error = await failure(client, task)

    assert (type(error), error.code) == (PermanentError, "refused")
    assert error.message.endswith("(InvalidUserEmail)")
    stand.faults.refuse = None
    await client.execute(command_for(task, person=Person(email="ar@creditor.example")))
    assert calls(stand, "/users") >= 2


async def test_a_case_that_is_gone_is_no_place_to_reply(
    debitura: World, stand: DebituraStand, task: dict[str, Any]
) -> None:
    del stand.cases[task["caseId"]]

    error = await failure(debitura.client(), task)

    assert (type(error), error.code) == (PermanentError, "not_found")


async def test_too_many_calls_mean_later_and_surely_not_sent(
    debitura: World, stand: DebituraStand, clock: Clock, task: dict[str, Any]
) -> None:
    client = debitura.client()
    stand.faults.rate_limit_next = 1

    error = await failure(client, task)

    assert isinstance(error, RetryLaterError)
    assert (error.code, error.after_s) == ("rate_limited", 2.0)
    clock.move(seconds=3)
    assert await client.execute(command_for(task)) == accepted(task)


async def test_no_connection_means_surely_not_sent(debitura: World, task: dict[str, Any]) -> None:
    debitura.url = "http://127.0.0.1:9"

    error = await failure(debitura.client(), task)

    assert (type(error), error.code) == (RetryLaterError, "unreachable")


async def test_after_a_reply_the_task_goes_and_is_gone_for_certain(
    debitura: World, clock: Clock, task: dict[str, Any]
) -> None:
    client = debitura.client()
    await client.execute(command_for(task))
    assert len(list((await client.reconcile({key(task)}, is_full=False)).facts)) == 1

    clock.move(seconds=5)

    [gone] = list((await client.reconcile({key(task)}, is_full=False)).facts)
    assert gone == SourceGone(key(task), clock(), is_certain=True, outcome="solved")
