"""Runs the background loops until the process must stop. ``loops`` is the table of all of them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from receiver.alerting.monitor import watch
from receiver.context import APP_HOME_WAKEUP, CLICKS_WAKEUP, OUTBOX_WAKEUP, Adapters, events_wakeup, reconcile_wakeup
from receiver.errors import CasebellError
from receiver.jobs.app_home import AppHomes
from receiver.jobs.gauges import measure_store
from receiver.jobs.leader import run_as_leader
from receiver.jobs.reconciler import Reconciler
from receiver.jobs.reminders import remind_due
from receiver.jobs.repair import repair
from receiver.observability import log
from receiver.operations.digests import make_if_due
from receiver.operations.retention import purge_all, repair_timestamps
from receiver.pipeline.deliver.claims import Dispatcher
from receiver.pipeline.deliver.grouped import update_bursts
from receiver.pipeline.ingest import drain, drain_clicks
from receiver.sync.matching import match_receivables
from receiver.sync.reconcile import reopen_stuck_items

Work = Callable[[], Awaitable[int]]  # returns how much it did
AFTER_ERROR_S = 2.0
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop calls its work again and again. All times are in seconds.

    ``start``: makes the work, whenever this process begins the loop. ``every_s``: between two runs. ``wakeup``: a
    notification of this name makes it run at once; ``settle_s``: waits so long after one, so that several cause one
    run. ``until_idle``: runs again at once while the work did something. ``delay_s``: before the first run.
    ``on_one_replica``: of all replicas, only the one that holds the lease of this name runs it.
    """

    name: str
    start: Callable[[], Work]
    every_s: float
    wakeup: str | None = None
    settle_s: float = 0.0
    until_idle: bool = False
    delay_s: Callable[[], Awaitable[float]] | None = None
    on_one_replica: bool = False


def loops(adapters: Adapters, dispatcher: Dispatcher) -> list[Loop]:
    """Every loop of a process. Wake-ups make them prompt; polling finds what no wake-up announced."""
    a = adapters
    table = [
        Loop("outbox", lambda: dispatcher.dispatch_due, 1, OUTBOX_WAKEUP, until_idle=True),
        Loop("overdue deliveries", lambda: dispatcher.mark_overdue_dead, 30),
        Loop("clicks", lambda: partial(drain_clicks, a), 1, CLICKS_WAKEUP, until_idle=True),
        Loop("reminders", lambda: partial(remind_due, a), 2, until_idle=True, on_one_replica=True),
        Loop("bursts", lambda: partial(update_bursts, a), 1, on_one_replica=True),
        Loop("digests", lambda: partial(_make_digests, a), 15, delay_s=_seconds(15), on_one_replica=True),
        Loop("monitor", lambda: partial(watch, a, a.now()), 5, delay_s=_seconds(5), on_one_replica=True),
        Loop("app home", lambda: AppHomes(a).redraw, 1, APP_HOME_WAKEUP, on_one_replica=True),
        Loop("repair", lambda: partial(repair, a), 60),
        Loop("unanswered commands", lambda: partial(reopen_stuck_items, a), 3600),
        Loop("retention", lambda: partial(purge_all, a), 3600),
        Loop("clock", lambda: partial(repair_timestamps, a), 60),
        Loop("gauges", lambda: partial(measure_store, a), 5),
        Loop("wake-ups to replicas", lambda: partial(_announce_wakeups, a), 0.05),
        Loop("wake-ups from replicas", lambda: partial(_listen, a), 3600),
    ]
    for (source, account), upstream in adapters.upstreams.items():
        events, reconcile = events_wakeup(source, account), reconcile_wakeup(source, account)
        interpret = partial(_interpret, a, source, account)
        table.append(Loop(events, lambda interpret=interpret: interpret, 1, events, until_idle=True))  # type: ignore[misc]
        reconciler = Reconciler(a, upstream)
        settle_s = min(SETTLE_S, upstream.poll_every_s)
        loop = Loop(reconcile, reconciler.start, upstream.poll_every_s, reconcile, settle_s, on_one_replica=True)
        table.append(replace(loop, delay_s=reconciler.delay_s))
    return table


async def run(adapters: Adapters, stop: asyncio.Event, *, grace_s: float = 10.0) -> None:
    """Work until ``stop`` is set; then start nothing new and give what is under way ``grace_s`` seconds."""
    dispatcher = Dispatcher(adapters)
    async with asyncio.TaskGroup() as group:
        table = loops(adapters, dispatcher)
        led_loops = [(one.name, partial(_run, adapters, one)) for one in table if one.on_one_replica]
        led = [group.create_task(run_as_leader(adapters, name, work)) for name, work in led_loops]
        others = [group.create_task(_run(adapters, one)) for one in table if not one.on_one_replica]
        await stop.wait()
        adapters.is_draining = True
        for task in led:  # releases the leases now, so that another replica goes on
            task.cancel()
        await dispatcher.drain(grace_s)
        for task in others:
            task.cancel()


async def _run(adapters: Adapters, loop: Loop) -> None:
    work = loop.start()
    if loop.delay_s is not None:
        await _wait(adapters, loop, await loop.delay_s())
    while not adapters.is_draining:
        done = await _run_once(loop.name, work)
        if done and loop.until_idle:
            continue
        spread = random.uniform(0.9, 1.1)  # noqa: S311 - keeps accounts and replicas from polling at the same time
        if await _wait(adapters, loop, loop.every_s * spread):
            await asyncio.sleep(loop.settle_s)


async def _wait(adapters: Adapters, loop: Loop, seconds: float) -> bool:
    if loop.wakeup is not None:
        return await adapters.wakeups.wait(loop.wakeup, seconds)
    await asyncio.sleep(seconds)
    return False


async def _run_once(name: str, work: Work) -> int:
    try:
        return await work()
    except CasebellError as error:  # the store is unavailable; it recovers by itself
        log.warning("worker.loop.waiting", loop=name, reason=error.code)
    except Exception as error:  # noqa: BLE001 - one bad row must not end the loop; it is logged and its lease expires
        log.error("worker.loop.failed", loop=name, error=repr(error), exc_info=error)
    await asyncio.sleep(AFTER_ERROR_S)
    return 0


def _seconds(seconds: float) -> Callable[[], Awaitable[float]]:
    async def delay() -> float:
        return seconds

    return delay


async def _interpret(adapters: Adapters, source: str, account: str) -> int:
    """Interpret the events of an account, then match its receivables with those of other systems."""
    count = await drain(adapters, source, account)
    if count:
        await match_receivables(adapters, adapters.upstreams[source, account])
    return count


async def _make_digests(adapters: Adapters) -> int:
    """Make every digest that is due; one that fails does not delay the others."""
    rules = adapters.rules.digests
    return sum([await _run_once(f"digest:{rule.name}", partial(make_if_due, adapters, rule)) for rule in rules])


async def _announce_wakeups(adapters: Adapters) -> int:
    """Pass the notifications of this process on to the other replicas."""
    names = await adapters.wakeups.wait_unannounced()
    try:
        await adapters.database.notify_replicas(adapters.holder, names)
    except CasebellError:
        return 0  # the replicas poll anyway
    return len(names)


async def _listen(adapters: Adapters) -> int:
    """Receive the notifications of other replicas; ends at once where there cannot be any."""
    await adapters.database.listen(adapters.holder, adapters.wakeups.notify_local)
    return 0
