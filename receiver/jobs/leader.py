"""Loops that one replica runs: ``run_as_leader(adapters, name, loop)`` runs one while this process has its lease.

A holder that dies is followed when its lease ends, one that stops lets go at once. A holder that cannot renew in time
ends its loop before the lease does. Beside the walk: it decides who works, never what is done.
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
RENEWALS = 4  # tried while a lease lasts
LATEST = 0.85  # of a lease without a renewal, then the loop ends: before anybody else can begin


async def run_as_leader(
    adapters: Adapters, name: str, loop: Callable[[], Awaitable[None]], *, lasts: timedelta = LEASE
) -> None:
    """Run ``loop`` until it ends, but only while this process holds the lease ``name``; wait for it as often as needed.

    ``loop`` is cancelled, wherever it awaits, when the lease is lost, and is begun anew when it is held again.
    """
    while True:
        asked_at = ticks()
        if not await _ask(adapters, name, leases.acquire, lasts):
            await asyncio.sleep(lasts.total_seconds() / RENEWALS)
            continue
        log.info("lease.taken", name=name)
        working = asyncio.ensure_future(loop())
        try:
            await _keep(adapters, name, working, asked_at, lasts)
            if working.done():
                return await working
            log.warning("lease.lost", name=name)
        finally:
            working.cancel()
            await asyncio.wait({working})
            await _let_go(adapters, name)


async def _keep(adapters: Adapters, name: str, working: asyncio.Future[None], held_at: float, lasts: timedelta) -> None:
    """Return when ``working`` has ended, or the lease is lost, or will be before it could be renewed."""
    lasts_s = lasts.total_seconds()
    while (left_s := held_at + LATEST * lasts_s - ticks()) > 0:
        await asyncio.wait({working}, timeout=min(left_s, lasts_s / RENEWALS))
        asked_at = ticks()
        if working.done():
            return
        is_kept = None
        with suppress(TimeoutError):
            async with asyncio.timeout(held_at + LATEST * lasts_s - asked_at):
                is_kept = await _ask(adapters, name, leases.renew, lasts)
        if is_kept is False:
            return
        held_at = asked_at if is_kept else held_at


async def _ask(adapters: Adapters, name: str, ask: Callable[..., bool], lasts: timedelta) -> bool | None:
    """What the store says; None when it does not answer, or something of ours is broken: it may not stay so."""
    try:
        return await adapters.database.write(ask, name, adapters.holder, adapters.now(), lasts)
    except CasebellError as error:
        log.warning("lease.store.away", name=name, reason=error.code)
    except Exception as error:  # noqa: BLE001 - else it would end the process, with all that goes well
        log.error("lease.broke", name=name, error=repr(error), exc_info=error)
    return None


async def _let_go(adapters: Adapters, name: str) -> None:
    try:
        await adapters.database.write(leases.release, name, adapters.holder)
    except Exception as error:  # noqa: BLE001 - then it runs out by itself
        log.warning("lease.kept", name=name, error=repr(error))
