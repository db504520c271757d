"""Step 7 against the stand-ins over real sockets: leases that are lost, faults of our own, and what is given up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from sqlalchemy import Connection, update

from casebell_sandbox.demo import write_configuration
from casebell_sandbox.server import Sandbox, SandboxThread
from receiver.app import build_adapters
from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.domain.fact import SourceReported
from receiver.domain.item import Item
from receiver.domain.people import Person
from receiver.pipeline.actions import Taken, take_action
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.deliver.claims import Dispatcher, deliver
from receiver.settings import load
from receiver.store import actions, breakers, items, messages, outbox, payloads
from receiver.store.claim_policy import Capacity, claim_batch
from receiver.store.database import Database
from receiver.store.outbox import Delivery
from receiver.store.schema import outbox as rows
from tests.factories import make_snapshot

pytestmark = pytest.mark.anyio

ANNA = Person(email="anna@creditor.example", name="Anna")
ROOM = Capacity(interactive=64, normal=48)


@pytest.fixture
def stand_ins() -> Iterator[SandboxThread]:
    with SandboxThread() as made:
        yield made


@pytest.fixture
async def adapters(tmp_path: Path, database: Database, stand_ins: SandboxThread) -> AsyncIterator[Adapters]:
    config = write_configuration(
        tmp_path, public_url="http://127.0.0.1:1", sandbox_url=stand_ins.url, smtp_port=stand_ins.smtp_port
    )
    made = build_adapters(load(config), database)
    yield made
    for upstream in made.upstreams.values():
        await upstream.close()
    for notifier in made.notifiers.values():
        await notifier.close()


async def opened(adapters: Adapters, sandbox: Sandbox) -> Item:
    todo = sandbox.getbill.add("portal_dispute", reference="INV-D-1")
    key = f"getbill:main:debtor_request:{todo['id']}"
    await adapters.database.write(
        apply_fact, SourceReported(make_snapshot(key=key), adapters.now()), adapters.now(), adapters.rules.routes
    )
    return await current(adapters, key)


async def current(adapters: Adapters, key: str) -> Item:
    found = await adapters.database.read(items.find_by_key, key)
    assert found is not None
    return found


async def claimed(
    adapters: Adapters, claim_id: str, what: str = payloads.SHOW, after: timedelta = timedelta()
) -> Delivery:
    """The first claim of that kind to Slack or a source; others are left claimed."""
    turn = await adapters.database.write(claim_batch, adapters.now() + after, claim_id, ROOM, adapters.rules.paces)
    return next(d for d, _ in turn.claimed if d.what == what and not d.destination.startswith("mail:"))


async def pressed(adapters: Adapters, item: Item) -> int:
    click = Click(item.id, item.version, "validate", ANNA, "cli", "p1")
    taken = await adapters.database.write(
        take_action, click, adapters.now(), adapters.rules.routes, adapters.rules.people
    )
    assert isinstance(taken, Taken)
    return taken.action_id


async def test_a_message_that_was_posted_is_remembered_although_the_lease_was_lost(
    adapters: Adapters, stand_ins: SandboxThread
) -> None:
    item = await opened(adapters, stand_ins.sandbox)
    late = await claimed(adapters, "late")
    await claimed(adapters, "next", after=outbox.LEASE + timedelta(seconds=1))

    ended = await deliver(adapters, late, "late")

    assert ended.result == "lost"
    assert len(await adapters.database.read(messages.list_of_item, item.id, late.destination)) == 1
    row = next(
        r for r in await adapters.database.read(outbox.list_of_item, item.id) if r.destination == late.destination
    )
    assert row.state == "due"  # its end is the new owner's


async def test_what_the_source_did_is_true_although_the_lease_was_lost(
    adapters: Adapters, stand_ins: SandboxThread
) -> None:
    item = await opened(adapters, stand_ins.sandbox)
    action_id = await pressed(adapters, item)
    late = await claimed(adapters, "late", payloads.COMMAND)
    again = await claimed(adapters, "next", payloads.COMMAND, after=outbox.COMMAND_LEASE + timedelta(seconds=1))

    first = await deliver(adapters, late, "late")
    after_first = await current(adapters, item.key)
    second = await deliver(adapters, again, "next")

    assert (first.result, second.result) == ("lost", "done")
    assert (after_first.state, after_first.outcome, after_first.resolved_by) == ("resolved", "validated", "Anna")
    done = await adapters.database.read(actions.find, action_id)
    assert done is not None
    assert done.state == "done"
    assert len([call for call in stand_ins.sandbox.getbill.faults.calls if call.method == "PUT"]) == 1


async def test_a_refusal_is_left_to_who_has_the_row_by_now(adapters: Adapters, stand_ins: SandboxThread) -> None:
    item = await opened(adapters, stand_ins.sandbox)
    await pressed(adapters, item)
    late = await claimed(adapters, "late", payloads.COMMAND)
    again = await claimed(adapters, "next", payloads.COMMAND, after=outbox.COMMAND_LEASE + timedelta(seconds=1))
    stand_ins.sandbox.getbill.faults.refuse = (422, {"error": True, "message": "closed", "code": 422})

    first = await deliver(adapters, late, "late")
    after_first = await current(adapters, item.key)
    second = await deliver(adapters, again, "next")
    after_second = await current(adapters, item.key)

    assert (first.result, after_first.state) == ("lost", "acting")
    assert (second.result, after_second.state, after_second.problem) == ("dead", "open", "closed")


async def test_a_fault_of_our_own_opens_no_breaker(adapters: Adapters, stand_ins: SandboxThread) -> None:
    await opened(adapters, stand_ins.sandbox)

    def spoil(connection: Connection) -> None:
        connection.execute(update(rows).values(payload="no json"))

    await adapters.database.write(spoil)
    dispatcher = Dispatcher(adapters)
    for _ in range(8):
        await dispatcher.dispatch_due()
        await dispatcher.drain(5)
        await adapters.database.write(
            lambda connection: connection.execute(update(rows).values(due_at=adapters.now())).rowcount
        )

    assert await adapters.database.read(breakers.list_open) == []
    assert stand_ins.sandbox.slack.posts("C0DISPUTES") == []


async def test_an_order_that_nobody_may_try_gives_the_buttons_back_after_four_hours(
    adapters: Adapters, stand_ins: SandboxThread
) -> None:
    item = await opened(adapters, stand_ins.sandbox)
    await pressed(adapters, item)
    real_now = adapters.now
    adapters.now = lambda: real_now() + timedelta(hours=5)

    buried = await Dispatcher(adapters).mark_overdue_dead()
    after = await current(adapters, item.key)

    assert buried == 1
    assert (after.state, after.problem) == ("open", "not done within four hours")


async def test_two_dispatchers_probe_a_sick_slack_once(adapters: Adapters, stand_ins: SandboxThread) -> None:
    await opened(adapters, stand_ins.sandbox)
    stand_ins.sandbox.slack.bot_token = "another"
    both = (Dispatcher(adapters), Dispatcher(adapters))
    await both[0].dispatch_due()
    await both[0].drain(5)
    asked = len(stand_ins.sandbox.slack.faults.calls)
    real_now = adapters.now
    adapters.now = lambda: real_now() + timedelta(minutes=2)

    await asyncio.gather(*(one.dispatch_due() for one in both))
    await asyncio.gather(*(one.drain(5) for one in both))

    assert len(stand_ins.sandbox.slack.faults.calls) == asked + 1
    assert [one.openings for one in await adapters.database.read(breakers.list_open)] == [2]


async def test_a_lease_shorter_than_two_deliveries_stops_the_start(adapters: Adapters) -> None:
    class Slow:
        max_duration_s = outbox.LEASE.total_seconds()

    with pytest.raises(AssertionError, match="lease"):
        Dispatcher(replace(adapters, notifiers=MappingProxyType({"slow": Slow()})))  # type: ignore[dict-item]
