"""The loops: one TaskGroup that drains, dispatches and reconciles until it is told to stop."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from receiver.alerting.monitor import watch
from receiver.context import CLICKS_BELL, HOMES_BELL, OUTBOX_BELL, Desk, inbox_bell, sweep_bell
from receiver.errors import CasebellError
from receiver.jobs.app_home import Homes
from receiver.jobs.leader import run_alone
from receiver.jobs.reminders import remind_due
from receiver.jobs.repair import repair
from receiver.observability import log
from receiver.operations.digests import make_if_due
from receiver.operations.retention import heal_clock, tidy_all
from receiver.pipeline.deliver.claims import Dispatcher
from receiver.pipeline.deliver.grouped import follow
from receiver.pipeline.ingest import drain, drain_clicks
from receiver.ports import Upstream
from receiver.store import breakers, digests, items, messages, outbox
from receiver.sync.matching import join
from receiver.sync.reconcile import give_back_stuck, reconcile_quietly

LOOK_EVERY_S = 1.0  # bells wake at once; looking finds what a bell could not tell
GAUGE_EVERY_S = 5.0
GIVE_BACK_EVERY_S = 3600.0
BURY_EVERY_S = 30.0
TIDY_EVERY_S = 3600.0
HEAL_EVERY_S = 60.0
REMIND_EVERY_S = 2.0
SOONEST_SWEEP_S = 1.0
FULL_SWEEP_EVERY = timedelta(days=1)
AFTER_FAULT_S = 2.0
TELL_EVERY_S = 0.05
WATCH_EVERY_S = 5.0
REPAIR_EVERY_S = 60.0
STORMS_EVERY_S = 1.0
FIRST_DIGEST_AFTER_S = 15.0
DIGESTS_EVERY_S = 15.0


async def run(desk: Desk, stop: asyncio.Event, *, grace_s: float = 10.0) -> None:
    """Work until ``stop`` is set; then take nothing new and give what is under way ``grace_s`` seconds."""
    dispatcher = Dispatcher(desk)
    async with asyncio.TaskGroup() as group:
        alone = [group.create_task(run_alone(desk, "remind", partial(_remind, desk)))]
        tasks = [
            group.create_task(_forever(desk, "dispatch", OUTBOX_BELL, dispatcher.dispatch_due)),
            group.create_task(_forever(desk, "clicks", CLICKS_BELL, lambda: drain_clicks(desk))),
            group.create_task(_every(GAUGE_EVERY_S, "gauge", partial(measure_store, desk))),
            group.create_task(_every(GIVE_BACK_EVERY_S, "give back", partial(give_back_stuck, desk))),
            group.create_task(_every(BURY_EVERY_S, "overdue", dispatcher.bury_overdue)),
            group.create_task(_every(TIDY_EVERY_S, "tidy", partial(tidy_all, desk))),
            group.create_task(_every(REPAIR_EVERY_S, "repair", partial(repair, desk))),
            group.create_task(_every(HEAL_EVERY_S, "clock", partial(heal_clock, desk))),
            group.create_task(desk.database.listen(desk.holder, desk.bells.ring_here)),
            group.create_task(_tell(desk)),
            group.create_task(run_alone(desk, "digests", lambda: _digests(desk))),
            group.create_task(
                run_alone(desk, "storms", partial(_every, STORMS_EVERY_S, "storms", partial(follow, desk)))
            ),
            group.create_task(run_alone(desk, "watch", partial(_watch, desk))),
            group.create_task(
                run_alone(desk, "homes", lambda: _forever(desk, "homes", HOMES_BELL, Homes(desk).redraw))
            ),
        ]
        for (source, account), upstream in desk.upstreams.items():
            bell = inbox_bell(source, account)
            tasks.append(group.create_task(_forever(desk, bell, bell, _draining(desk, source, account))))
            alone.append(
                group.create_task(run_alone(desk, sweep_bell(source, account), partial(_sweep, desk, upstream)))
            )
        await stop.wait()
        desk.is_draining = True
        for task in alone:  # their leases are let go now, for another replica to go on
            task.cancel()
        await dispatcher.drain(grace_s)
        for task in tasks:
            task.cancel()


def _draining(desk: Desk, source: str, account: str) -> Callable[[], Awaitable[int]]:
    """Understand what an account sent, and compare its receivables with those of the other systems."""

    async def work() -> int:
        taken = await drain(desk, source, account)
        if taken:
            await join(desk, desk.upstreams[source, account])
        return taken

    return work


async def _forever(desk: Desk, name: str, bell: str, work: Callable[[], Awaitable[int]]) -> None:
    """Work while there is something, then wait for the bell or the next look."""
    while not desk.is_draining:
        if not await _guarded(name, work):
            await desk.bells.wait(bell, LOOK_EVERY_S)


async def _guarded(name: str, work: Callable[[], Awaitable[int]]) -> int:
    try:
        return await work()
    except CasebellError as error:  # the store is away: wait for it, it heals by itself
        log.warning("worker.loop.held", loop=name, reason=error.code)
    except Exception as error:  # noqa: BLE001 - one bad row must not end the loop; it is logged and its lease runs out
        log.error("worker.loop.broke", loop=name, error=repr(error), exc_info=error)
    await asyncio.sleep(AFTER_FAULT_S)
    return 0


async def _sweep(desk: Desk, upstream: Upstream) -> None:
    """Reconcile every ``poll_every_s``, sooner when a webhook or a reply says so; fully once a day.

    At a start at once, unless another process has done so a moment ago: restarts must not use up what a source allows.
    """
    bell = sweep_bell(upstream.source, upstream.account)
    full_at = desk.now()
    await desk.bells.wait(bell, await not_due_for_s(desk, upstream))
    while True:
        is_full = desk.now() >= full_at

        async def sweep(*, is_full: bool = is_full) -> int:
            return int(await reconcile_quietly(desk, upstream, is_full=is_full))

        if await _guarded(bell, sweep) and is_full:
            full_at = desk.now() + FULL_SWEEP_EVERY
        spread = random.uniform(0.9, 1.1)  # noqa: S311 - keeps accounts from polling in step
        if await desk.bells.wait(bell, upstream.poll_every_s * spread):
            await asyncio.sleep(min(SOONEST_SWEEP_S, upstream.poll_every_s))


async def not_due_for_s(desk: Desk, upstream: Upstream) -> float:
    """Seconds until the next pass is due after the last one that any process has heard out."""
    try:
        heard = await desk.database.read(digests.last_heard)
    except CasebellError:
        return 0.0
    last = heard.get((upstream.source, upstream.account))
    since_s = (desk.now() - last).total_seconds() if last else upstream.poll_every_s
    return upstream.poll_every_s - since_s if 0 <= since_s < upstream.poll_every_s else 0.0


async def _tell(desk: Desk) -> None:
    """What was rung here rings on the other replicas; many rings are told once."""
    while True:
        names = await desk.bells.untold()
        try:
            await desk.database.tell(desk.holder, names)
        except CasebellError:
            pass  # they look every second all the same
        except Exception as error:  # noqa: BLE001 - as with any loop: what is broken here ends nothing else
            log.error("worker.loop.broke", loop="tell", error=repr(error), exc_info=error)
        await asyncio.sleep(TELL_EVERY_S)


async def _digests(desk: Desk) -> None:
    """Make what is due; at the start only after the sources had a moment to be heard."""
    await asyncio.sleep(FIRST_DIGEST_AFTER_S)
    while not desk.is_draining:
        for rule in desk.digests:  # each by itself: one that breaks holds up no other
            await _guarded(f"digest:{rule.name}", partial(make_if_due, desk, rule))
        await asyncio.sleep(DIGESTS_EVERY_S)


async def _remind(desk: Desk) -> None:
    """What the clock does, every few seconds."""
    while not desk.is_draining:
        if not await _guarded("remind", lambda: remind_due(desk)):
            await asyncio.sleep(REMIND_EVERY_S)


async def _watch(desk: Desk) -> None:
    """Who does not answer, every few seconds."""
    began_at = desk.now()
    while not desk.is_draining:
        await asyncio.sleep(WATCH_EVERY_S)
        await _guarded("watch", lambda: watch(desk, began_at))


async def _every(seconds: float, name: str, work: Callable[[], Awaitable[int]]) -> None:
    while True:
        await _guarded(name, work)
        await asyncio.sleep(seconds)


async def measure_store(desk: Desk) -> int:
    """Set the gauges that are read from the store, every few seconds and never on a scrape; how many rows are due."""
    now = desk.now()
    due, oldest_due = await desk.database.read(outbox.oldest_due, now)
    desk.metrics.outbox_due.set(due)
    desk.metrics.outbox_oldest_seconds.set((now - oldest_due).total_seconds() if oldest_due else 0)
    desk.metrics.messages_out_of_sync.set(await desk.database.read(messages.out_of_sync))
    desk.metrics.items_open.clear()
    for source, kind, urgency, count in await desk.database.read(items.open_counts, now):
        desk.metrics.items_open.labels(source, kind, urgency).set(count)
    totals = await desk.database.read(desk.totals.read, now)
    desk.metrics.items_oldest_seconds.set((now - (totals.oldest_at or now)).total_seconds())
    desk.metrics.amount_at_risk.clear()
    for sum_ in totals.at_risk:
        desk.metrics.amount_at_risk.labels(sum_.total.currency).set(float(sum_.total.amount))
    desk.metrics.items_without_amount.set(totals.unknown)
    desk.metrics.breakers_open.clear()
    for one in await desk.database.read(breakers.opened):
        desk.metrics.breakers_open.labels(one.name).set(1)
    return due
