"""The sender of a reply to a partner, which is never guessed: the partner reads that name."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import Response

from casebell_sandbox.debitura import DebituraStand
from receiver.domain.fact import Fact, SourceAccepted
from receiver.domain.people import People, Person
from receiver.errors import DeliveryError, PermanentError
from receiver.upstream.debitura.client import Debitura
from tests.adapters.debitura_world import (
    ANNA,
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

MAPPED = People(debitura_users={"anna@creditor.example": "anna.k@creditor.example"})
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


@pytest.mark.parametrize(
    ("people", "person", "reply_as", "sender"),
    [
        (MAPPED, ANNA, "ar@creditor.example", "anna.k@creditor.example"),
        (People(), Person(email="Anna.K@creditor.example"), "ar@creditor.example", "anna.k@creditor.example"),
        (People(), ANNA, "AR@creditor.example", "ar@creditor.example"),
        (People(), Person(slack_id="U1"), "ar@creditor.example", "ar@creditor.example"),
    ],
    ids=["mapped", "a member", "nobody there", "without an address"],
)
async def test_a_reply_is_sent_as_the_member_a_person_is_or_as_the_configured_one(
    debitura: World, stand: DebituraStand, task: dict[str, Any],
    people: People, person: Person, reply_as: str, sender: str,
) -> None:  # fmt: skip
    facts = await debitura.client(people=people, reply_as=reply_as).execute(command_for(task, person=person))

    assert facts == accepted(task)
    assert creditor_messages(stand, task) == [(sender, SENT)]


@pytest.mark.parametrize(
    ("people", "reply_as", "cure"),
    [
        (People(), None, "map Anna to a member of the team at Debitura in [people] debitura_users"),
        (People(), "left@creditor.example", "left@creditor.example is no active member"),
        (People(debitura_users={"anna@creditor.example": "left@c.example"}), "ar@creditor.example", "left@c.example"),
    ],
)  # fmt: skip
async def test_nobody_is_guessed_and_the_cure_is_named(
    debitura: World, stand: DebituraStand, task: dict[str, Any], people: People, reply_as: str | None, cure: str
) -> None:
    error = await failure(debitura.client(people=people, reply_as=reply_as), task)

    assert (type(error), error.code) == (PermanentError, "no_sender")
    assert cure in error.message
    assert calls(stand, "/chats", "POST") == 0


async def test_the_team_is_read_once_a_day_and_when_somebody_is_not_in_it(
    debitura: World, stand: DebituraStand, clock: Clock
) -> None:
    client = debitura.client()
    for _ in range(2):
        await client.execute(command_for(stand.add_task("ReplyToChat"), person=Person(email="ar@creditor.example")))
    assert calls(stand, "/users") == 1

    stand.users.append({"id": "1", "name": "Ben", "email": "ben@creditor.example"})
    task = stand.add_task("ReplyToChat")
    await client.execute(command_for(task, person=Person(email="ben@creditor.example")))
    assert (creditor_messages(stand, task), calls(stand, "/users")) == ([("ben@creditor.example", SENT)], 2)

    clock.move(days=1)
    await client.execute(command_for(stand.add_task("ReplyToChat"), person=Person(email="ar@creditor.example")))
    assert calls(stand, "/users") == 3


async def test_a_team_known_since_yesterday_is_better_than_no_reply(clock: Clock) -> None:
    task = payload("task__reply_to_chat")
    users = {"page": page([])["page"], "users": [{"email": "ar@creditor.example"}, {"email": None}, {}]}
    path = f"/cases/{task['caseId']}"
    answers = {
        "/users": in_turn([users, Response(status_code=503)]),
        f"{path}/tasks": in_turn([[task]]),
        f"{path}/chats": in_turn([{}]),
    }
    async with world(scripted(answers), clock) as made:
        client = made.client()
        me = Person(email="ar@creditor.example")
        await client.execute(command_for(task, person=me))
        clock.move(days=2)

        assert await client.execute(command_for(task, person=me)) == accepted(task)
        assert (await failure(client, task)).code == "server_error"  # a sender not known as a member has to wait
