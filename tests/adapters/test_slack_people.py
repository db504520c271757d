"""Who clicked a button: only members of the workspace get an identity."""

from datetime import timedelta
from typing import Any

import pytest

from notifiers.slack.people import SlackPeople
from receiver.domain.people import Person
from receiver.errors import RetryLaterError
from tests.adapters.slack_wire import client_of, http, no, slack
from tests.factories import NOW

pytestmark = pytest.mark.anyio

ANA = {"id": "U1", "team_id": "T1", "real_name": "Ana Silva", "profile": {"email": "Ana@Creditor.Example"}}


def user(**changes: Any) -> bytes:
    return http({"ok": True, "user": ANA | changes})


async def test_a_person_is_known_by_the_address_slack_vouches_for() -> None:
    async with slack(user()) as wire, client_of(wire) as client:
        person = await SlackPeople(client, ["T1"], lambda: NOW).identify(Person(name="boss", slack_id="U1"))

        assert person == Person("ana@creditor.example", "Ana Silva", "U1")


@pytest.mark.parametrize(
    "answer",
    [
        user(is_bot=True),
        user(deleted=True),
        user(is_restricted=True),
        user(is_ultra_restricted=True),
        user(is_stranger=True),
        user(team_id="T2"),
        user(team_id=None),
        user(team_id=["T1"]),
        user(id="U2"),
        http({"ok": True, "user": "?"}),
        no("user_not_found"),
    ],
)
async def test_guests_bots_strangers_and_the_deleted_have_no_identity_anybody_could_name(answer: bytes) -> None:
    async with slack(answer) as wire, client_of(wire) as client:
        person = await SlackPeople(client, ["T1"], lambda: NOW).identify(Person(name="ana", slack_id="U1"))

        assert (person.email, person.slack_id) == (None, None)
        assert person.label in {"Ana Silva", "ana"}


async def test_an_address_nobody_confirmed_does_not_count() -> None:
    async with slack(user(is_email_confirmed=False)) as wire, client_of(wire) as client:
        person = await SlackPeople(client, [], lambda: NOW).identify(Person(slack_id="U1"))

        assert person == Person(None, "Ana Silva", "U1")


async def test_a_member_of_one_of_an_organisations_workspaces_is_ours() -> None:
    async with slack(user(team_id="T9", enterprise_user={"teams": ["T1"]})) as wire, client_of(wire) as client:
        person = await SlackPeople(client, ["T1"], lambda: NOW).identify(Person(slack_id="U1"))

        assert person.slack_id == "U1"


async def test_a_person_is_asked_for_again_after_ten_minutes_and_dismissal_then_counts() -> None:
    clock = [NOW]
    async with slack(user(), user(deleted=True)) as wire, client_of(wire) as client:
        people = SlackPeople(client, [], lambda: clock[0])

        first = [await people.identify(Person(slack_id="U1")) for _ in range(3)]
        clock[0] += timedelta(minutes=11)
        later = await people.identify(Person(slack_id="U1"))

        assert {person.email for person in first} == {"ana@creditor.example"}
        assert later.email is None
        assert len(wire.calls) == 2


async def test_when_slack_does_not_answer_nobody_is_guessed() -> None:
    async with slack(http(b"", 500), user()) as wire, client_of(wire) as client:
        people = SlackPeople(client, [], lambda: NOW)

        with pytest.raises(RetryLaterError):
            await people.identify(Person(slack_id="U1"))

        assert (await people.identify(Person(slack_id="U1"))).email == "ana@creditor.example"
