"""Claims due deliveries and runs them, a few for each destination at a time."""

import asyncio
import random
import secrets
import time
from collections import Counter
from datetime import timedelta
from functools import partial

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.domain.breaker import breakers_for
from receiver.errors import CasebellError, DeliveryError, UncertainError
from receiver.observability import log
from receiver.pipeline.deliver import commands, digests, followups, grouped, messages
from receiver.pipeline.deliver.attempt import Attempt, Outcome, Run, attempt_delivery, mark_overdue_dead
from receiver.store import breakers, claim_policy, outbox, payloads
from receiver.store.outbox import Delivery

MOST_RUNNING = 64
RESERVED = 16  # of MOST_RUNNING, for deliveries that a person's click has caused
RENEW_EVERY_S = 20.0
CANCEL_WITHIN_S = 2.0

Running = dict[asyncio.Task[None], tuple[Delivery, str]]


class Dispatcher:
    """Runs due deliveries. ``drain`` waits for those that are running and releases the others."""

    def __init__(self, adapters: Adapters) -> None:
        _check_leases(adapters)
        self._adapters = adapters
        self._running: Running = {}
        self._lock = asyncio.Lock()  # the end must not come between a claim and its start
        self._renewed_at = time.monotonic()

    async def dispatch_due(self) -> int:
        """Claim deliveries that may be sent now and start them; return how many."""
        async with self._lock:
            await self._renew()
            capacity = self._capacity()
            return await self._claim(capacity) if capacity.interactive > 0 and not self._adapters.is_draining else 0

    async def _claim(self, capacity: claim_policy.Capacity) -> int:
        adapters = self._adapters
        batch = await adapters.database.write(
            claim_policy.claim_batch, adapters.now(), secrets.token_hex(8), capacity, adapters.rules.paces
        )
        if batch.reaped:
            adapters.metrics.leases_reaped_total.inc(batch.reaped)
            log.warning("outbox.leases.reaped", count=batch.reaped)
        if batch.wake_at is not None:
            wait_s = max((batch.wake_at - adapters.now()).total_seconds(), 0.0)
            asyncio.get_running_loop().call_later(wait_s, adapters.wakeups.notify_local, OUTBOX_WAKEUP)
        for delivery, claim_id in batch.claimed:
            task = asyncio.create_task(self._run(delivery, claim_id))
            self._running[task] = (delivery, claim_id)
            task.add_done_callback(self._on_end)
        return len(batch.claimed)

    async def mark_overdue_dead(self) -> int:
        """Mark deliveries dead that have waited too long; return how many."""
        dead = await self._adapters.database.write(mark_overdue_dead, self._adapters.rules, self._adapters.now())
        for delivery in dead:
            log.error("outbox.delivery.dead", id=delivery.id, what=delivery.what, reason="given_up")
            self._adapters.metrics.deliveries_total.labels(_channel(delivery), "dead").inc()
        if dead:
            self._adapters.wakeups.notify(OUTBOX_WAKEUP)
        return len(dead)

    async def drain(self, grace_s: float) -> None:
        """Wait ``grace_s`` seconds for running deliveries; cancel the others and release their rows as uncertain."""
        async with self._lock:
            pass
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        left = dict(self._running)
        for task in left:
            task.cancel()
        if not left:
            return
        await asyncio.wait(left, timeout=CANCEL_WITHIN_S)
        for delivery, claim_id in left.values():
            await self._release(delivery, claim_id)
        log.warning("outbox.claims.released", count=len(left))

    async def _release(self, delivery: Delivery, claim_id: str) -> None:
        adapters = self._adapters
        stopped = UncertainError("stopped", "the service was stopped meanwhile", scope="internal")
        try:
            reason = f"{stopped.code}: {stopped.message}"
            release = partial(outbox.release, maybe_delivered=True)
            await adapters.database.write(release, delivery.id, claim_id, adapters.now(), reason)
            await self._record_in_breakers(delivery, claim_id, stopped)
        except CasebellError as error:  # then the lease expires
            log.warning("outbox.claim.not_released", id=delivery.id, reason=error.code)

    def _capacity(self) -> claim_policy.Capacity:
        running = [delivery for delivery, _ in self._running.values()]
        interactive = Counter(delivery.destination for delivery in running if delivery.is_interactive)
        normal = Counter(delivery.destination for delivery in running if not delivery.is_interactive)
        free = MOST_RUNNING - len(running)
        return claim_policy.Capacity(
            interactive=free,
            normal=free - RESERVED,
            busy=[destination for destination, n in interactive.items() if n >= claim_policy.INTERACTIVE_EACH],
            busy_normal=[destination for destination, n in normal.items() if n >= claim_policy.max_normal(destination)],
        )

    async def _renew(self) -> None:
        """Renew the leases of long deliveries. One that has lost its lease goes on: its outcome must be stored."""
        if time.monotonic() - self._renewed_at < RENEW_EVERY_S:
            return
        self._renewed_at = time.monotonic()
        by_claim: dict[str, list[int]] = {}
        for delivery, claim_id in self._running.values():
            by_claim.setdefault(claim_id, []).append(delivery.id)
        for claim_id, ids in by_claim.items():
            await self._adapters.database.write(outbox.renew, ids, claim_id, self._adapters.now())

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._adapters.wakeups.notify_local(OUTBOX_WAKEUP)  # this process has capacity again
        if not task.cancelled() and (error := task.exception()):
            log.error("outbox.delivery.failed", error=repr(error), exc_info=error)

    async def _run(self, delivery: Delivery, claim_id: str) -> None:
        channel = _channel(delivery)
        started = time.perf_counter()
        outcome = await deliver(self._adapters, delivery, claim_id)
        self._adapters.metrics.deliveries_total.labels(channel, outcome.result).inc()
        self._adapters.metrics.delivery_seconds.labels(channel).observe(time.perf_counter() - started)
        if outcome.was_silent:
            await self._release_probe(delivery, claim_id)
        else:
            await self._record_in_breakers(delivery, claim_id, outcome.error)

    async def _release_probe(self, delivery: Delivery, claim_id: str) -> None:
        """Nothing was sent, so the breaker learned nothing: the next delivery may be its probe."""
        names = breakers_for(delivery.destination, is_interactive=delivery.is_interactive)
        if await self._adapters.database.read(breakers.is_failing, names):
            await self._adapters.database.write(breakers.return_probes, names, claim_id)

    async def _record_in_breakers(self, delivery: Delivery, claim_id: str, error: DeliveryError | None) -> None:
        database, now = self._adapters.database, self._adapters.now()
        names = breakers_for(delivery.destination, is_interactive=delivery.is_interactive)
        if error is None and not await database.read(breakers.is_failing, names):
            return
        chance = random.random()  # noqa: S311 - spreads load, guards nothing
        report = (delivery.destination, delivery.is_interactive, error, claim_id, now, chance)
        changed = await database.write(claim_policy.record_outcome, *report, self._adapters.rules.paces)
        for one in changed:
            if one.open_until is None:
                log.info("outbox.breaker.closed", name=one.name)
            else:
                log.error("outbox.breaker.opened", name=one.name, until=one.open_until, reason=one.reason)


async def deliver(adapters: Adapters, delivery: Delivery, claim_id: str) -> Outcome:
    """One try at one delivery, whatever its kind."""
    return await attempt_delivery(adapters, delivery, claim_id, _run_by_kind)


async def _run_by_kind(attempt: Attempt) -> bool | None:
    return await _RUN[attempt.delivery.what](attempt)  # KeyError: a kind of a newer version, which retries it


def _channel(delivery: Delivery) -> str:
    return delivery.destination.partition(":")[0]


def _check_leases(adapters: Adapters) -> None:
    """A lease lasts longer than two deliveries, so that no other process takes over one that is still running."""
    for lease, deadlines in (
        (outbox.LEASE, [notifier.max_duration_s for notifier in adapters.notifiers.values()]),
        (outbox.COMMAND_LEASE, [upstream.max_duration_s for upstream in adapters.upstreams.values()]),
    ):
        assert lease > 2 * timedelta(seconds=max(deadlines, default=0.0)), "a lease is shorter than two deliveries"


_RUN: dict[str, Run] = {
    payloads.SHOW: messages.deliver_message,
    payloads.REPLY: messages.deliver_reply,
    payloads.FRESH_LINK: messages.deliver_fresh_link,
    payloads.COMMAND: commands.deliver_command,
    payloads.DIGEST: digests.deliver_digest,
    payloads.REMINDER: followups.deliver_reminder,
    payloads.UNDO_OFFER: followups.deliver_undo_offer,
    payloads.ADMIN_ALERT: followups.deliver_admin_alert,
    payloads.GROUPED: grouped.deliver_grouped,
    payloads.BURST: grouped.deliver_burst,
}
