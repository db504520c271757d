"""Step 7: claims what is due and keeps it running, a few of each destination, until it is done or the service ends."""

import asyncio
import random
import secrets
import time
from collections import Counter
from datetime import timedelta
from functools import partial

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.domain.breaker import names_over
from receiver.errors import CasebellError, DeliveryError, UncertainError
from receiver.observability import log
from receiver.pipeline.deliver.messages import Ended, bury_overdue, deliver
from receiver.store import breakers, claim_policy, outbox
from receiver.store.outbox import Delivery

MOST_RUNNING = 64
KEPT_BACK = 16  # places that first-time alerts never take from what a person's click caused
RENEW_EVERY_S = 20.0
LETS_GO_S = 2.0

Running = dict[asyncio.Task[None], tuple[Delivery, str]]


class Dispatcher:
    """Keeps due deliveries running; ``drain`` waits for those under way and lets go of the rest."""

    def __init__(self, adapters: Adapters) -> None:
        _check_leases(adapters)
        self._adapters = adapters
        self._running: Running = {}
        self._turn = asyncio.Lock()  # so that the end does not come between a claim and its start
        self._renewed_at = time.monotonic()

    async def dispatch_due(self) -> int:
        """Claim what may leave now and start it; how many were started."""
        async with self._turn:
            await self._renew()
            room = self._room()
            return await self._take(room) if room.interactive > 0 and not self._adapters.is_draining else 0

    async def _take(self, room: claim_policy.Capacity) -> int:
        adapters = self._adapters
        turn = await adapters.database.write(
            claim_policy.claim_batch, adapters.now(), secrets.token_hex(8), room, adapters.rules.paces
        )
        if turn.reaped:
            adapters.metrics.leases_reaped_total.inc(turn.reaped)
            log.warning("outbox.leases.reaped", count=turn.reaped)
        if turn.wake_at is not None:
            wait_s = max((turn.wake_at - adapters.now()).total_seconds(), 0.0)
            asyncio.get_running_loop().call_later(wait_s, adapters.wakeups.notify_local, OUTBOX_WAKEUP)
        for delivery, claim_id in turn.claimed:
            task = asyncio.create_task(self._run(delivery, claim_id))
            self._running[task] = (delivery, claim_id)
            task.add_done_callback(self._ended)
        return len(turn.claimed)

    async def bury_overdue(self) -> int:
        """Give up what nobody may try any more; how many."""
        buried = await self._adapters.database.write(bury_overdue, self._adapters.rules, self._adapters.now())
        for delivery in buried:
            log.error("outbox.delivery.dead", id=delivery.id, what=delivery.what, reason="given_up")
            self._adapters.metrics.deliveries_total.labels(_channel(delivery), "dead").inc()
        if buried:
            self._adapters.wakeups.notify(OUTBOX_WAKEUP)
        return len(buried)

    async def drain(self, grace_s: float) -> None:
        """Let what is under way finish; what does not is put back at once, in doubt, for whoever comes next."""
        async with self._turn:
            pass
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        left = dict(self._running)
        for task in left:
            task.cancel()
        if not left:
            return
        await asyncio.wait(left, timeout=LETS_GO_S)
        for delivery, claim_id in left.values():
            await self._let_go(delivery, claim_id)
        log.warning("outbox.claims.released", count=len(left))

    async def _let_go(self, delivery: Delivery, claim_id: str) -> None:
        adapters = self._adapters
        stopped = UncertainError("stopped", "the service was stopped meanwhile", reach="ours")
        try:
            reason = f"{stopped.code}: {stopped.message}"
            release = partial(outbox.release, maybe_delivered=True)
            await adapters.database.write(release, delivery.id, claim_id, adapters.now(), reason)
            await self._tell_breakers(delivery, claim_id, stopped)
        except CasebellError as error:  # then its lease runs out
            log.warning("outbox.claim.kept", id=delivery.id, reason=error.code)

    def _room(self) -> claim_policy.Capacity:
        running = [delivery for delivery, _ in self._running.values()]
        interactive = Counter(delivery.destination for delivery in running if delivery.is_interactive)
        normal = Counter(delivery.destination for delivery in running if not delivery.is_interactive)
        free = MOST_RUNNING - len(running)
        return claim_policy.Capacity(
            interactive=free,
            normal=free - KEPT_BACK,
            busy=[destination for destination, n in interactive.items() if n >= claim_policy.INTERACTIVE_EACH],
            busy_normal=[
                destination for destination, n in normal.items() if n >= claim_policy.normal_each(destination)
            ],
        )

    async def _renew(self) -> None:
        """Hold on to what takes long. Who lost a lease goes on all the same: what it did must be written down."""
        if time.monotonic() - self._renewed_at < RENEW_EVERY_S:
            return
        self._renewed_at = time.monotonic()
        by_claim: dict[str, list[int]] = {}
        for delivery, claim_id in self._running.values():
            by_claim.setdefault(claim_id, []).append(delivery.id)
        for claim_id, ids in by_claim.items():
            await self._adapters.database.write(outbox.renew, ids, claim_id, self._adapters.now())

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._adapters.wakeups.notify_local(OUTBOX_WAKEUP)  # a place is free, here
        if not task.cancelled() and (error := task.exception()):
            log.error("outbox.delivery.broke", error=repr(error), exc_info=error)

    async def _run(self, delivery: Delivery, claim_id: str) -> None:
        channel = _channel(delivery)
        started = time.perf_counter()
        ended: Ended = await deliver(self._adapters, delivery, claim_id)
        self._adapters.metrics.deliveries_total.labels(channel, ended.word).inc()
        self._adapters.metrics.delivery_seconds.labels(channel).observe(time.perf_counter() - started)
        if ended.was_silent:
            await self._give_back_probe(delivery, claim_id)
        else:
            await self._tell_breakers(delivery, claim_id, ended.error)

    async def _give_back_probe(self, delivery: Delivery, claim_id: str) -> None:
        """Nobody was asked, so nothing is known: the next delivery may find out."""
        names = names_over(delivery.destination, is_interactive=delivery.is_interactive)
        if await self._adapters.database.read(breakers.is_troubled, names):
            await self._adapters.database.write(breakers.take_back_probes, names, claim_id)

    async def _tell_breakers(self, delivery: Delivery, claim_id: str, error: DeliveryError | None) -> None:
        database, now = self._adapters.database, self._adapters.now()
        names = names_over(delivery.destination, is_interactive=delivery.is_interactive)
        if error is None and not await database.read(breakers.is_troubled, names):
            return
        chance = random.random()  # noqa: S311 - spreads load, guards nothing
        heard = (
            delivery.destination,
            delivery.is_interactive,
            error,
            claim_id,
            now,
            chance,
            self._adapters.rules.paces,
        )
        turned = await database.write(claim_policy.record_outcome, *heard)
        for one in turned:
            if one.open_until is None:
                log.info("outbox.breaker.closed", name=one.name)
            else:
                log.error("outbox.breaker.opened", name=one.name, until=one.open_until, reason=one.reason)


def _channel(delivery: Delivery) -> str:
    return delivery.destination.partition(":")[0]


def _check_leases(adapters: Adapters) -> None:
    """A lease outlives two deliveries, so that nobody takes over what is still under way (reliability.md, part C)."""
    for lease, deadlines in (
        (outbox.LEASE, [notifier.longest_s for notifier in adapters.notifiers.values()]),
        (outbox.COMMAND_LEASE, [upstream.longest_s for upstream in adapters.upstreams.values()]),
    ):
        assert lease > 2 * timedelta(seconds=max(deadlines, default=0.0)), "a lease is shorter than two deliveries"
