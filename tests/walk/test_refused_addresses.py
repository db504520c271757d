"""An address that the mail server refuses for good: the admins hear of it once, and nothing that is open is lost."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.alerting.monitor import watch
from receiver.domain.people import People
from receiver.store import suppression
from tests.factories import NOW
from tests.office import Office, office

pytestmark = pytest.mark.anyio

AR, OPS = "AR@creditor.example", "ops@creditor.example"
ROUTE = f"""
[[routes]]
name     = "disputes"
email    = ["{AR}"]
timezone = "Europe/Paris"
"""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path, ROUTE) as made:
        made.adapters.rules = replace(made.adapters.rules, people=People(admins=frozenset({OPS})))
        made.mail.refuse[AR] = (550, "5.1.1 no such person")
        yield made


async def look(here: Office) -> None:
    """The watch looks as the service lets it do, and what it put into the outbox leaves."""
    await watch(here.adapters, NOW)
    await here.settle()


def mailed(here: Office, address: str) -> list[str]:
    return [str(m.message["subject"]).strip() for m in here.mail.messages if address in str(m.message["to"])]


def told(here: Office) -> list[str]:
    """What the admin heard of the address; that the sources are silent here is another matter."""
    return [subject for subject in mailed(here, OPS) if "ar@creditor.example" in subject]


async def test_the_admins_hear_once_of_an_address_that_takes_nothing(here: Office) -> None:
    await here.say("INV-1")
    await look(here)
    await here.say("INV-2")
    await look(here)

    (subject,) = told(here)
    assert subject.startswith("Casebell: The mail server has rejected ar@creditor.example since ")


async def test_what_is_still_open_is_mailed_when_the_address_is_allowed_again(here: Office) -> None:
    await here.say("INV-1")
    second = await here.say("INV-2")
    await here.show(replace(second.snapshot, is_open=False, outcome="validated"))
    await look(here)
    here.mail.refuse.clear()
    await here.adapters.database.write(suppression.lift, AR)
    await look(here)
    await look(here)

    (alert,) = mailed(here, AR)
    assert "INV-1" in alert
    assert told(here)[1:] == ["Casebell: ar@creditor.example gets mail again, including what is still open"]


async def test_it_is_over_by_itself_once_a_mail_is_taken_after_the_week(here: Office) -> None:
    await here.say("INV-1")
    await look(here)
    here.mail.refuse.clear()
    here.at += timedelta(days=8)
    await look(here)
    silent = mailed(here, AR)
    await here.say("INV-2")
    await look(here)

    assert silent == []  # nobody knows yet whether it works
    assert sorted(subject.partition("INV-")[2][:1] for subject in mailed(here, AR)) == ["1", "2"]
    assert len(told(here)) == 2
    assert await here.adapters.database.read(suppression.list_bounced) == []


async def test_one_that_is_refused_again_after_the_week_is_told_no_second_time(here: Office) -> None:
    await here.say("INV-1")
    await look(here)
    here.at += timedelta(days=8)
    await here.say("INV-2")
    await look(here)

    assert len(told(here)) == 1


async def test_an_address_that_left_the_configuration_is_nobodys_worry(here: Office) -> None:
    await here.say("INV-1")
    here.adapters.rules = replace(here.adapters.rules, routes=())
    await look(here)

    assert told(here) == []


async def test_an_admin_whose_own_address_is_refused_hears_of_it_in_slack(here: Office) -> None:
    here.adapters.rules = replace(here.adapters.rules, people=People(admins=frozenset({AR.lower(), OPS})))
    await here.say("INV-1")
    await look(here)

    assert len(told(here)) == 1
    assert mailed(here, AR) == []
    assert await here.adapters.database.read(suppression.list_bounced) != []
