"""Which deliveries may leave: breakers, paces and priorities, with several claimers on one database."""

import asyncio
from datetime import datetime, timedelta

import pytest

from receiver.domain.fact import SourceReported
from receiver.domain.pace import Pace, Paces
from receiver.domain.routing import Route
from receiver.errors import DeliveryError, RetryLaterError
from receiver.pipeline.apply import apply_fact
from receiver.store import breakers, claim_policy, items, outbox, payloads
from receiver.store.claim_policy import Capacity
from receiver.store.database import Database
from receiver.store.payloads import Command, Payload, Reply, Show
from tests.factories import NOW, make_snapshot

pytestmark = pytest.mark.anyio

ROOM = Capacity(interactive=64, normal=48)
DOWN = RetryLaterError("unreachable", scope="system")


@pytest.fixture
async def item_ids(database: Database) -> list[str]:
    found = []
    for n in range(8):
        snapshot = make_snapshot(key=f"getbill:main:debtor_request:{n}")
        await database.write(apply_fact, SourceReported(snapshot, NOW), NOW, (Route("none"),))
        item = await database.read(items.find_by_key, snapshot.key)
        assert item is not None
        found.append(item.id)
    return found


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


SHOW = Show()


async def enqueue(
    database: Database, item_ids: list[str], destination: str, count: int = 1, payload: Payload = SHOW
) -> None:
    for item_id in item_ids[:count]:
        await database.write(outbox.enqueue, item_id, destination, payload, NOW)


async def claim(
    database: Database, seconds: float = 0, claim_id: str = "c", paces: Paces | None = None
) -> list[tuple[str, str]]:
    turn = await database.write(claim_policy.claim_batch, at(seconds), claim_id, ROOM, paces or Paces())
    return [(delivery.destination, claimed_as) for delivery, claimed_as in turn.claimed]


async def record(
    database: Database, destination: str, error: DeliveryError | None, claim_id: str = "c", seconds: float = 0
) -> None:
    await database.write(claim_policy.record_outcome, destination, False, error, claim_id, at(seconds), 0.0)


async def finish_all(database: Database, claim_id: str, seconds: float) -> None:
    for id_ in range(1, 40):
        await database.write(outbox.finish, id_, claim_id, at(seconds))


async def test_only_the_failing_channel_is_paused(database: Database, item_ids: list[str]) -> None:
    await enqueue(database, item_ids, "slack:C1")
    await enqueue(database, item_ids, "slack:C2")
    await enqueue(database, item_ids, "mail:a@x")
    for _ in range(5):
        await record(database, "slack:C1", RetryLaterError("internal_error"))

    assert sorted(destination for destination, _ in await claim(database)) == ["mail:a@x", "slack:C2"]


async def test_a_failure_of_the_workspace_pauses_all_channels_and_not_mail(
    database: Database, item_ids: list[str]
) -> None:
    await enqueue(database, item_ids, "slack:C1")
    await enqueue(database, item_ids, "slack:C2")
    await enqueue(database, item_ids, "mail:a@x")
    await record(database, "slack:C1", DOWN)

    assert [destination for destination, _ in await claim(database)] == ["mail:a@x"]


async def test_one_of_many_claimers_gets_the_probe_and_its_success_closes_the_breaker(
    database: Database, item_ids: list[str]
) -> None:
    for channel in ("C1", "C2", "C3"):
        await enqueue(database, item_ids, f"slack:{channel}")
    await record(database, "slack:C1", DOWN)

    turns = await asyncio.gather(*(claim(database, 30, f"c{n}") for n in range(8)))
    probes = [probe for turn in turns for probe in turn]
    later = await claim(database, 31, "later")
    await record(database, probes[0][0], None, probes[0][1], 32)

    assert (len(probes), later) == (1, [])
    assert await database.read(breakers.list_open) == []
    assert len(await claim(database, 33, "all")) == 2


async def test_a_lost_probe_is_followed_by_another(database: Database, item_ids: list[str]) -> None:
    await enqueue(database, item_ids, "mail:a@x")
    await record(database, "mail:a@x", DOWN)

    first = await claim(database, 30, "dead")
    soon = await claim(database, 120, "soon")
    late = await claim(database, 30 + breakers.PROBE_LASTS.total_seconds() + 1, "late")

    assert ([len(first), len(soon), len(late)]) == [1, 0, 1]


async def test_waiting_behind_a_breaker_costs_no_attempt(database: Database, item_ids: list[str]) -> None:
    await enqueue(database, item_ids, "slack:C1")
    await record(database, "slack:C1", RetryLaterError("ratelimited", after_s=60.0, scope="pace"))
    for n in range(20):
        await claim(database, n, f"c{n}")

    (row,) = await database.read(outbox.list_of_item, item_ids[0])
    assert row.attempts == 0


async def test_a_pause_of_posting_does_not_delay_interactive_deliveries(
    database: Database, item_ids: list[str]
) -> None:
    await enqueue(database, item_ids, "slack:C1")
    await enqueue(database, item_ids, "slack:C1/U1", payload=Reply())
    await record(database, "slack:C1", RetryLaterError("ratelimited", after_s=60.0, scope="pace"))

    assert [destination for destination, _ in await claim(database)] == ["slack:C1/U1"]


async def test_a_channel_gets_one_alert_at_a_time_within_its_pace(database: Database, item_ids: list[str]) -> None:
    paces = Paces(Pace(1.0, 3), Pace(10.0, 50))
    await enqueue(database, item_ids, "slack:C1", 8)
    claimed = []
    for n in range(12):  # three seconds, four claims a second
        batch = await claim(database, n / 4, f"c{n}", paces)
        assert len(batch) <= 1
        claimed += batch
        await finish_all(database, f"c{n}", n / 4)

    assert len(claimed) == 3 + 2  # the burst, then one a second


async def test_the_pace_of_mail_counts_all_addresses(database: Database, item_ids: list[str]) -> None:
    for n in range(8):
        await enqueue(database, item_ids, f"mail:{n}@x")
    paces = Paces(Pace(1.0, 5), Pace(2.0, 3))

    first = await claim(database, 0, "c1", paces)
    second = await claim(database, 0.4, "c2", paces)
    third = await claim(database, 1.1, "c3", paces)

    assert [len(first), len(second), len(third)] == [3, 0, 2]


async def test_interactive_deliveries_overtake_a_backlog_of_alerts(database: Database, item_ids: list[str]) -> None:
    paces = Paces(Pace(1.0, 1), Pace(1.0, 1))
    await enqueue(database, item_ids, "slack:C1", 7)
    await claim(database, 0, "alert", paces)
    await database.write(outbox.enqueue_show, item_ids[7], "slack:C1", "r", NOW)

    def click(connection: object) -> None:
        outbox.enqueue_show(connection, item_ids[7], "slack:C1", "r", NOW, is_interactive=True)  # type: ignore[arg-type]

    await database.write(click)
    turn = await database.write(claim_policy.claim_batch, at(0.1), "click", ROOM, paces)

    assert [delivery.item_id for delivery, _ in turn.claimed] == [item_ids[7]]


async def test_delayed_deliveries_are_due_when_their_breaker_closes(database: Database, item_ids: list[str]) -> None:
    await enqueue(database, item_ids, "mail:a@x", 2)
    await claim(database, 0, "c")
    await database.write(
        lambda c: [outbox.release(c, id_, "c", at(3_000), "down", maybe_delivered=False) for id_ in (1, 2)]
    )
    await record(database, "mail:a@x", DOWN)
    await enqueue(database, item_ids, "mail:b@x")
    ((_, probe),) = await claim(database, 30, "probe")
    await record(database, "mail:b@x", None, probe, 31)

    assert len(await claim(database, 32, "after")) == 2


async def test_a_renewed_lease_is_kept_and_an_expired_one_is_counted(database: Database, item_ids: list[str]) -> None:
    await enqueue(database, item_ids, "mail:a@x", 2)
    await claim(database, 0, "c")
    long = outbox.LEASE.total_seconds()
    held = await database.write(outbox.renew, [1], "c", at(long - 1))
    by_another = await database.write(outbox.renew, [1], "other", at(long - 1))
    turn = await database.write(claim_policy.claim_batch, at(long + 1), "next", ROOM, Paces())

    assert (held, by_another, turn.reaped) == ({1}, set(), 1)
    assert [(delivery.id, delivery.maybe_delivered, delivery.lost_leases) for delivery, _ in turn.claimed] == [
        (2, True, 1)
    ]


async def test_overdue_deliveries_are_found_by_their_age(database: Database, item_ids: list[str]) -> None:
    await enqueue(database, item_ids, "getbill:main", payload=Command())
    await enqueue(database, item_ids, "mail:a@x")
    four_hours, three_days = timedelta(hours=4), timedelta(days=3)

    async def overdue(after: timedelta) -> list[str]:
        now = NOW + after
        found = await database.write(outbox.find_overdue, now, now - four_hours, now - three_days, 10)
        return [delivery.what for delivery in found]

    assert await overdue(timedelta(hours=3)) == []
    assert await overdue(timedelta(hours=5)) == [payloads.COMMAND]
    assert await overdue(timedelta(days=4)) == [payloads.COMMAND, payloads.SHOW]


async def test_a_pause_requested_by_slack_empties_the_bucket(database: Database, item_ids: list[str]) -> None:
    paces = Paces(slack=Pace(1.0, 5))
    await enqueue(database, item_ids, "slack:C1", count=8)
    asked = RetryLaterError("ratelimited", after_s=10.0, scope="pace")
    await database.write(claim_policy.record_outcome, "slack:C1", False, asked, "c", at(0), 0.0, paces)

    early = await claim(database, 9.9, paces=paces)
    probe = await claim(database, 10, "c2", paces)
    for _, claim_id in probe:
        await finish_all(database, claim_id, 10)
        await database.write(claim_policy.record_outcome, "slack:C1", False, None, claim_id, at(10), 0.0, paces)
    too_soon = await claim(database, 10.5, "c3", paces)
    in_time = await claim(database, 11, "c4", paces)

    assert [len(claimed) for claimed in (early, probe, too_soon, in_time)] == [0, 1, 0, 1]
