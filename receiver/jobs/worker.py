"""The loops: one TaskGroup that drains, dispatches and reconciles until it is told to stop."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from receiver.alerting.monitor import watch
from receiver.context import APP_HOME_WAKEUP, CLICKS_WAKEUP, OUTBOX_WAKEUP, Adapters, events_wakeup, reconcile_wakeup
from receiver.errors import CasebellError
from receiver.jobs.app_home import AppHomes
from receiver.jobs.leader import run_as_leader
from receiver.jobs.reminders import remind_due
from receiver.jobs.repair import repair
from receiver.observability import log
from receiver.operations.digests import make_if_due
from receiver.operations.retention import heal_clock, purge_all
from receiver.pipeline.deliver.claims import Dispatcher
from receiver.pipeline.deliver.grouped import follow
from receiver.pipeline.ingest import drain, drain_clicks
from receiver.ports import Upstream
from receiver.store import breakers, digests, items, messages, outbox
from receiver.sync.matching import join
from receiver.sync.reconcile import give_back_stuck, reconcile_quietly

LOOK_EVERY_S = 1.0  # wake-ups are instant; polling finds what no wake-up announced
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


async def run(adapters: Adapters, stop: asyncio.Event, *, grace_s: float = 10.0) -> None:
    """Work until ``stop`` is set; then take nothing new and give what is under way ``grace_s`` seconds."""
    dispatcher = Dispatcher(adapters)
    async with asyncio.TaskGroup() as group:
        alone = [group.create_task(run_as_leader(adapters, "remind", partial(_remind, adapters)))]
        tasks = [
            group.create_task(_forever(adapters, "dispatch", OUTBOX_WAKEUP, dispatcher.dispatch_due)),
            group.create_task(_forever(adapters, "clicks", CLICKS_WAKEUP, lambda: drain_clicks(adapters))),
            group.create_task(_every(GAUGE_EVERY_S, "gauge", partial(measure_store, adapters))),
            group.create_task(_every(GIVE_BACK_EVERY_S, "give back", partial(give_back_stuck, adapters))),
            group.create_task(_every(BURY_EVERY_S, "overdue", dispatcher.bury_overdue)),
            group.create_task(_every(TIDY_EVERY_S, "tidy", partial(purge_all, adapters))),
            group.create_task(_every(REPAIR_EVERY_S, "repair", partial(repair, adapters))),
            group.create_task(_every(HEAL_EVERY_S, "clock", partial(heal_clock, adapters))),
            group.create_task(adapters.database.listen(adapters.holder, adapters.wakeups.notify_local)),
            group.create_task(_tell(adapters)),
            group.create_task(run_as_leader(adapters, "digests", lambda: _digests(adapters))),
            group.create_task(
                run_as_leader(adapters, "storms", partial(_every, STORMS_EVERY_S, "storms", partial(follow, adapters)))
            ),
            group.create_task(run_as_leader(adapters, "watch", partial(_watch, adapters))),
            group.create_task(
                run_as_leader(
                    adapters, "homes", lambda: _forever(adapters, "homes", APP_HOME_WAKEUP, AppHomes(adapters).redraw)
                )
            ),
        ]
        for (source, account), upstream in adapters.upstreams.items():
            wakeup = events_wakeup(source, account)
            tasks.append(group.create_task(_forever(adapters, wakeup, wakeup, _draining(adapters, source, account))))
            alone.append(
                group.create_task(
                    run_as_leader(adapters, reconcile_wakeup(source, account), partial(_sweep, adapters, upstream))
                )
            )
        await stop.wait()
        adapters.is_draining = True
        for task in alone:  # their leases are let go now, for another replica to go on
            task.cancel()
        await dispatcher.drain(grace_s)
        for task in tasks:
            task.cancel()


def _draining(adapters: Adapters, source: str, account: str) -> Callable[[], Awaitable[int]]:
    """Understand what an account sent, and compare its receivables with those of the other systems."""

    async def work() -> int:
        taken = await drain(adapters, source, account)
        if taken:
            await join(adapters, adapters.upstreams[source, account])
        return taken

    return work


async def _forever(adapters: Adapters, name: str, wakeup: str, work: Callable[[], Awaitable[int]]) -> None:
    """Work while there is something, then wait for the wake-up or the next poll."""
    while not adapters.is_draining:
        if not await _guarded(name, work):
            await adapters.wakeups.wait(wakeup, LOOK_EVERY_S)


async def _guarded(name: str, work: Callable[[], Awaitable[int]]) -> int:
    try:
        return await work()
    except CasebellError as error:  # the store is away: wait for it, it heals by itself
        log.warning("worker.loop.held", loop=name, reason=error.code)
    except Exception as error:  # noqa: BLE001 - one bad row must not end the loop; it is logged and its lease runs out
        log.error("worker.loop.broke", loop=name, error=repr(error), exc_info=error)
    await asyncio.sleep(AFTER_FAULT_S)
    return 0


async def _sweep(adapters: Adapters, upstream: Upstream) -> None:
    """Reconcile every ``poll_every_s``, sooner when a webhook or a reply says so; fully once a day.

    At a start at once, unless another process has done so a moment ago: restarts must not use up what a source allows.
    """
    wakeup = reconcile_wakeup(upstream.source, upstream.account)
    full_at = adapters.now()
    await adapters.wakeups.wait(wakeup, await not_due_for_s(adapters, upstream))
    while True:
        is_full = adapters.now() >= full_at

        async def sweep(*, is_full: bool = is_full) -> int:
            return int(await reconcile_quietly(adapters, upstream, is_full=is_full))

        if await _guarded(wakeup, sweep) and is_full:
            full_at = adapters.now() + FULL_SWEEP_EVERY
        spread = random.uniform(0.9, 1.1)  # noqa: S311 - keeps accounts from polling in step
        if await adapters.wakeups.wait(wakeup, upstream.poll_every_s * spread):
            await asyncio.sleep(min(SOONEST_SWEEP_S, upstream.poll_every_s))


async def not_due_for_s(adapters: Adapters, upstream: Upstream) -> float:
    """Seconds until the next pass is due after the last one that any process has heard out."""
    try:
        heard = await adapters.database.read(digests.last_heard)
    except CasebellError:
        return 0.0
    last = heard.get((upstream.source, upstream.account))
    since_s = (adapters.now() - last).total_seconds() if last else upstream.poll_every_s
    return upstream.poll_every_s - since_s if 0 <= since_s < upstream.poll_every_s else 0.0


async def _tell(adapters: Adapters) -> None:
    """What was rung here rings on the other replicas; many rings are told once."""
    while True:
        names = await adapters.wakeups.wait_unannounced()
        try:
            await adapters.database.notify_replicas(adapters.holder, names)
        except CasebellError:
            pass  # they look every second all the same
        except Exception as error:  # noqa: BLE001 - as with any loop: what is broken here ends nothing else
            log.error("worker.loop.broke", loop="tell", error=repr(error), exc_info=error)
        await asyncio.sleep(TELL_EVERY_S)


async def _digests(adapters: Adapters) -> None:
    """Make what is due; at the start only after the sources had a moment to be heard."""
    await asyncio.sleep(FIRST_DIGEST_AFTER_S)
    while not adapters.is_draining:
        for rule in adapters.digests:  # each by itself: one that breaks holds up no other
            await _guarded(f"digest:{rule.name}", partial(make_if_due, adapters, rule))
        await asyncio.sleep(DIGESTS_EVERY_S)


async def _remind(adapters: Adapters) -> None:
    """What the clock does, every few seconds."""
    while not adapters.is_draining:
        if not await _guarded("remind", lambda: remind_due(adapters)):
            await asyncio.sleep(REMIND_EVERY_S)


async def _watch(adapters: Adapters) -> None:
    """Who does not answer, every few seconds."""
    began_at = adapters.now()
    while not adapters.is_draining:
        await asyncio.sleep(WATCH_EVERY_S)
        await _guarded("watch", lambda: watch(adapters, began_at))


async def _every(seconds: float, name: str, work: Callable[[], Awaitable[int]]) -> None:
    while True:
        await _guarded(name, work)
        await asyncio.sleep(seconds)


async def measure_store(adapters: Adapters) -> int:
    """Set the gauges that are read from the store, every few seconds and never on a scrape; how many rows are due."""
    now = adapters.now()
    due, oldest_due = await adapters.database.read(outbox.oldest_due, now)
    adapters.metrics.outbox_due.set(due)
    adapters.metrics.outbox_oldest_seconds.set((now - oldest_due).total_seconds() if oldest_due else 0)
    adapters.metrics.messages_out_of_sync.set(await adapters.database.read(messages.out_of_sync))
    adapters.metrics.items_open.clear()
    for source, kind, urgency, count in await adapters.database.read(items.open_counts, now):
        adapters.metrics.items_open.labels(source, kind, urgency).set(count)
    totals = await adapters.database.read(adapters.totals.read, now)
    adapters.metrics.items_oldest_seconds.set((now - (totals.oldest_at or now)).total_seconds())
    adapters.metrics.amount_at_risk.clear()
    for sum_ in totals.at_risk:
        adapters.metrics.amount_at_risk.labels(sum_.total.currency).set(float(sum_.total.amount))
    adapters.metrics.items_without_amount.set(totals.unknown)
    adapters.metrics.breakers_open.clear()
    for one in await adapters.database.read(breakers.opened):
        adapters.metrics.breakers_open.labels(one.name).set(1)
    return due
