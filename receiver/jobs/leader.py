"""Runs a loop on one replica at a time: on the process that holds the lease of the loop's name.

When a holder dies, another replica takes over as soon as the lease expires; when it stops, at once. A holder that
cannot renew its lease in time ends its loop before the lease expires.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from receiver.context import Adapters
from receiver.errors import CasebellError
from receiver.observability import log
from receiver.store import leases
from receiver.store.clock import ticks

LEASE = timedelta(seconds=20)
RENEWALS = 4  # attempts to renew during one lease
LATEST = 0.85  # the part of a lease after which the loop ends unless renewed: before another process can begin


async def run_as_leader(
    adapters: Adapters, name: str, loop: Callable[[], Awaitable[None]], *, lease: timedelta = LEASE
) -> None:
    """Run ``loop`` until it ends, but only while this process holds the lease ``name``.

    A lost lease cancels ``loop`` wherever it awaits; ``loop`` starts again when the lease is held again.
    """
    while True:
        requested_at = ticks()
        if not await _request(adapters, name, leases.acquire, lease):
            await asyncio.sleep(lease.total_seconds() / RENEWALS)
            continue
        log.info("lease.acquired", name=name)
        running = asyncio.ensure_future(loop())
        try:
            await _renew_until_done(adapters, name, running, requested_at, lease)
            if running.done():
                return await running
            log.warning("lease.lost", name=name)
        finally:
            running.cancel()
            await asyncio.wait({running})
            await _release(adapters, name)


async def _renew_until_done(
    adapters: Adapters, name: str, running: asyncio.Future[None], renewed_at: float, lease: timedelta
) -> None:
    """Return when ``running`` has ended, when the lease is lost, or when it would expire before the next renewal."""
    lease_s = lease.total_seconds()
    while (left_s := renewed_at + LATEST * lease_s - ticks()) > 0:
        await asyncio.wait({running}, timeout=min(left_s, lease_s / RENEWALS))
        requested_at = ticks()
        if running.done():
            return
        is_renewed = None
        with suppress(TimeoutError):
            async with asyncio.timeout(renewed_at + LATEST * lease_s - requested_at):
                is_renewed = await _request(adapters, name, leases.renew, lease)
        if is_renewed is False:
            return
        renewed_at = requested_at if is_renewed else renewed_at


async def _request(adapters: Adapters, name: str, request: Callable[..., bool], lease: timedelta) -> bool | None:
    """Acquire or renew the lease; None when the store does not answer or fails, which may pass."""
    try:
        return await adapters.database.write(request, name, adapters.holder, adapters.now(), lease)
    except CasebellError as error:
        log.warning("lease.store.unavailable", name=name, reason=error.code)
    except Exception as error:  # noqa: BLE001 - an error of one loop must not end the process
        log.error("lease.request.failed", name=name, error=repr(error), exc_info=error)
    return None


async def _release(adapters: Adapters, name: str) -> None:
    try:
        await adapters.database.write(leases.release, name, adapters.holder)
    except Exception as error:  # noqa: BLE001 - then the lease expires by itself
        log.warning("lease.not_released", name=name, error=repr(error))
