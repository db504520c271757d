"""A channel that takes nothing: its alerts go by mail, the admins hear of it once, and it ends by itself."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from casebell_sandbox.slack import SlackStand
from notifiers.slack.errors import CODES
from receiver.alerting.monitor import watch
from receiver.domain.admin_alert import CHANNEL_REFUSALS
from receiver.domain.fact import SourceReported
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.deliver.claims import Dispatcher
from tests.factories import NOW, make_snapshot
from tests.office import ROUTE, Office, office

pytestmark = pytest.mark.anyio

WITH_MAIL = """
[[routes]]
name     = "disputes"
slack    = ["C0DISPUTES"]
timezone = "Europe/Paris"
escalate_to = { email = ["cfo@creditor.example"], after = "30d" }
"""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path, WITH_MAIL) as made:
        yield made


async def leave(here: Office) -> None:
    """All leaves that may."""
    dispatcher = Dispatcher(here.adapters)
    for _ in range(20):
        await dispatcher.dispatch_due()
        await dispatcher.drain(30)


async def look(here: Office) -> None:
    """The watch looks as the service lets it do, and what it put into the outbox leaves."""
    await watch(here.adapters, NOW)
    await leave(here)


def mailed(here: Office, address: str) -> list[str]:
    return [str(m.message["subject"]) for m in here.mail.messages if address in str(m.message["to"])]


def lock(slack: SlackStand, code: str) -> None:
    if code == "is_archived":
        slack.channels["C0DISPUTES"]["is_archived"] = True
    elif code == "not_in_channel":
        slack.channels["C0DISPUTES"]["is_member"] = False
    else:
        slack.channels["C0GONE"] = slack.channels.pop("C0DISPUTES")


def unlock(slack: SlackStand) -> None:
    if "C0GONE" in slack.channels:
        slack.channels["C0DISPUTES"] = slack.channels.pop("C0GONE")
    slack.channels["C0DISPUTES"] |= {"is_archived": False, "is_member": True}


@pytest.mark.parametrize("code", ["is_archived", "not_in_channel", "channel_not_found"])
async def test_a_channel_that_refuses_is_told_once_replaced_by_mail_and_comes_back_by_itself(
    here: Office, code: str
) -> None:
    lock(here.slack, code)
    await here.say("INV-1")
    await look(here)
    await look(here)
    stopped, instead = mailed(here, "ops@"), mailed(here, "cfo@")
    unlock(here.slack)
    here.at += timedelta(minutes=6)  # nothing new happens there: one alert asks again
    await look(here)
    await look(here)

    assert [("C0DISPUTES" in subject, "has rejected every message" in subject) for subject in stopped] == [(True, True)]
    assert ["INV-1" in subject for subject in instead] == [True]
    assert len(here.posts()) == 1
    assert [subject for subject in mailed(here, "ops@") if "works again" in subject] != []
    assert mailed(here, "cfo@") == instead


async def test_alerts_that_wait_behind_a_dead_channel_go_by_mail_too_and_into_it_later(here: Office) -> None:
    lock(here.slack, "is_archived")
    for n in range(8):
        snapshot = make_snapshot(key=f"getbill:main:debtor_request:{n}", reference=f"INV-{n}")
        await here.adapters.database.write(
            apply_fact, SourceReported(snapshot, here.at), here.at, here.adapters.rules.routes
        )
        await leave(here)
    await look(here)
    await look(here)
    instead = mailed(here, "cfo@")
    unlock(here.slack)
    here.at += timedelta(minutes=6)
    await leave(here)
    await look(here)

    assert len(instead) == 8
    assert len(here.posts()) == 8


async def test_a_dead_channel_stays_dead_while_nothing_proves_otherwise(here: Office) -> None:
    lock(here.slack, "is_archived")
    item = await here.say("INV-1")
    await look(here)
    await here.say("INV-1", is_open=False, outcome="validated")
    here.at += timedelta(minutes=6)
    await look(here)

    assert item.state == "open"
    assert not any("works again" in subject for subject in mailed(here, "ops@"))


async def test_a_route_without_any_address_is_told_to_the_admins(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTE) as here:
        lock(here.slack, "is_archived")
        await here.say("INV-1")
        await look(here)

        assert any("INV-1" in subject for subject in mailed(here, "ops@"))


async def test_a_channel_that_left_the_configuration_is_no_recovery(here: Office) -> None:
    lock(here.slack, "is_archived")
    await here.say("INV-1")
    await look(here)
    here.adapters.rules = replace(here.adapters.rules, routes=())
    here.at += timedelta(minutes=6)
    await look(here)

    assert not any("works again" in subject for subject in mailed(here, "ops@"))


def test_every_word_of_slack_for_a_channel_out_of_reach_is_an_alarm() -> None:
    assert {code for code, meaning in CODES.items() if meaning == "channel"} == CHANNEL_REFUSALS
