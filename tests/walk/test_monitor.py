"""The admins hear once of a source that is silent and of a channel that takes nothing, and once when it is over."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from receiver.alerting.monitor import watch
from receiver.context import Adapters
from receiver.domain.admin_alert import AdminAlert
from receiver.domain.people import People
from receiver.errors import DeliveryError, RetryLaterError
from receiver.observability import Metrics
from receiver.store import accounts, breakers, claim_policy, payloads
from receiver.store.database import Database
from receiver.store.schema import outbox as outbox_table
from tests.act_site import PlainTranslator
from tests.factories import NOW, make_rules

pytestmark = pytest.mark.anyio


class Clock:
    """A clock that is moved by hand."""

    now = NOW

    def __call__(self) -> Any:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def adapters(database: Database, clock: Clock) -> Adapters:
    people = People(admins=frozenset({"ops@creditor.example", "U0OPS", "@creditor.example"}))
    return Adapters(
        database,
        make_rules(
            people=people, channels=frozenset({"slack", "mail"}), accounts={("getbill", "main"): timedelta(seconds=300)}
        ),
        PlainTranslator(),
        Metrics(),
        now=clock,
    )


async def told(adapters: Adapters) -> list[tuple[str, str]]:
    def look(connection: Connection) -> list[tuple[str, str]]:
        chosen = select(outbox_table.c.destination, outbox_table.c.payload).where(
            outbox_table.c.what == payloads.ADMIN_ALERT
        )
        rows = connection.execute(chosen.order_by(outbox_table.c.id))
        return [(row.destination, json.loads(row.payload)["code"]) for row in rows]

    return await adapters.database.read(look)


async def failed(adapters: Adapters, error: DeliveryError, destination: str) -> None:
    await adapters.database.write(claim_policy.record_outcome, destination, True, error, "c1", adapters.now(), 0.5)


async def test_a_source_that_is_not_heard_for_three_periods_is_told_once_and_its_return_once(
    adapters: Adapters, clock: Clock
) -> None:
    await adapters.database.write(accounts.record_sync, "getbill", "main", clock())
    clock.move(minutes=14)
    early = await watch(adapters, NOW)
    clock.move(minutes=2)
    late = [await watch(adapters, NOW), await watch(adapters, NOW)]
    await adapters.database.write(accounts.record_sync, "getbill", "main", clock())
    back = [await watch(adapters, NOW), await watch(adapters, NOW)]

    assert (early, late, back) == (0, [1, 0], [1, 0])
    assert await told(adapters) == [
        ("slack:U0OPS", "source_silent"),
        ("mail:ops@creditor.example", "source_silent"),
        ("slack:U0OPS", "over"),
        ("mail:ops@creditor.example", "over"),
    ]


async def test_a_night_without_the_service_is_no_silence_of_the_source(adapters: Adapters, clock: Clock) -> None:
    await adapters.database.write(accounts.record_sync, "getbill", "main", clock())
    clock.move(hours=10)

    assert await watch(adapters, clock()) == 0


async def test_a_source_that_was_never_heard_is_told_too(adapters: Adapters, clock: Clock) -> None:
    clock.move(minutes=16)

    assert await watch(adapters, NOW) == 1


async def test_refused_credentials_are_told_at_once(adapters: Adapters, clock: Clock) -> None:
    await adapters.database.write(accounts.record_sync, "getbill", "main", clock())
    await adapters.database.write(accounts.record_failure, "getbill", "main", "unauthorized: no", clock())

    assert await watch(adapters, NOW) == 1
    assert (await told(adapters))[1] == ("mail:ops@creditor.example", "source_refuses")


async def test_mail_that_stops_is_told_in_slack(adapters: Adapters) -> None:
    await failed(adapters, RetryLaterError("smtp_auth", "535 no", 900.0), "mail:ar@creditor.example")

    assert await watch(adapters, NOW) == 1
    assert await told(adapters) == [
        ("slack:U0OPS", "channel_stopped"),
        ("slack:ops@creditor.example", "channel_stopped"),
    ]


async def test_slack_that_stops_is_told_by_mail(adapters: Adapters) -> None:
    await failed(adapters, RetryLaterError("invalid_auth", "no", scope="system"), "slack:C1")

    assert await watch(adapters, NOW) == 1
    assert await told(adapters) == [("mail:ops@creditor.example", "channel_stopped")]


async def test_a_hiccup_of_a_channel_is_nobodys_business(adapters: Adapters) -> None:
    await failed(adapters, RetryLaterError("smtp_later", "451 later", 60.0), "mail:ar@creditor.example")

    assert await watch(adapters, NOW) == 0


async def test_a_restart_is_no_recovery(adapters: Adapters, clock: Clock) -> None:
    await adapters.database.write(accounts.record_sync, "getbill", "main", clock())
    clock.move(minutes=16)
    begun = await watch(adapters, NOW)

    assert (begun, await watch(adapters, clock())) == (1, 0)


async def test_a_source_that_fails_otherwise_now_has_not_recovered(adapters: Adapters, clock: Clock) -> None:
    await adapters.database.write(accounts.record_sync, "getbill", "main", clock())
    clock.move(minutes=1)
    told = []
    for reason in ("unauthorized: no", "server_error: 503", "unauthorized: no"):
        await adapters.database.write(accounts.record_failure, "getbill", "main", reason, clock())
        told.append(await watch(adapters, NOW))

    assert told == [1, 0, 0]


async def test_a_channel_that_fails_otherwise_now_has_not_recovered(adapters: Adapters, clock: Clock) -> None:
    for error in (RetryLaterError("smtp_auth", "535 no", 900.0), RetryLaterError("smtp_unreachable", "no")):
        await failed(adapters, error, "mail:ar@creditor.example")
        await watch(adapters, clock())
        clock.move(hours=1)
        await adapters.database.write(breakers.grant_probe, "mail", "c1", clock())

    assert {code for _, code in await told(adapters)} == {"channel_stopped"}


async def test_an_account_that_left_the_configuration_is_no_recovery(adapters: Adapters, clock: Clock) -> None:
    clock.move(minutes=16)
    await watch(adapters, NOW)
    before = await told(adapters)
    adapters.rules = replace(adapters.rules, accounts={})

    assert await watch(adapters, NOW) == 1
    assert await told(adapters) == before


def test_an_alarm_says_what_it_is_about() -> None:
    alarm = AdminAlert("getbill:main", "source_silent", NOW)

    assert alarm.about == "Getbill (main)"
    assert replace(alarm, name="mail").about == "SMTP"
