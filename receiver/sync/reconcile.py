"""Reconciles an account: reads its items from the source and applies them as facts, like a webhook's.

It decides nothing about an item. Polling finds what a lost or late webhook did not report.
"""

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import timedelta

from receiver.context import Adapters
from receiver.domain.fact import SourceRefused
from receiver.errors import DeliveryError
from receiver.observability import log
from receiver.pipeline.ingest import apply_in_chunks, restore_details
from receiver.ports import Upstream
from receiver.store import accounts, items
from receiver.sync.matching import match_receivables

STUCK_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of items that a sync changed, by transition."""

    opened: int = 0
    changed: int = 0
    resolved: int = 0
    reopened: int = 0
    rang: int = 0


async def reconcile(adapters: Adapters, upstream: Upstream, *, is_full: bool = False) -> Counts:
    """Sync an account with its source once. Raises DeliveryError when it cannot be read completely; nothing changes."""
    labels = (upstream.source, upstream.account)
    async with adapters.sync.locks.setdefault(labels, asyncio.Lock()):  # of the loop, or of a command
        started = time.perf_counter()
        counted = await _sync(adapters, upstream, labels, is_full=is_full)
        await match_receivables(adapters, upstream)
        adapters.metrics.reconcile_seconds.labels(*labels).observe(time.perf_counter() - started)
        adapters.metrics.reconcile_last_success_timestamp_seconds.labels(*labels).set(adapters.now().timestamp())
        await adapters.database.write(accounts.record_sync, *labels, adapters.now())
    if counted:
        log.info("reconcile.done", source=labels[0], account=labels[1], **counted)
    return Counts(**counted)


async def _sync(adapters: Adapters, upstream: Upstream, labels: tuple[str, str], *, is_full: bool) -> dict[str, int]:
    last = (await adapters.database.read(accounts.watermarks)).get(labels)
    is_sequel = last is not None and last.as_of == adapters.sync.last_full_sync.get(
        labels
    )  # ours, and all its facts were applied
    mark = await adapters.database.read(items.open_marker, *labels)
    known = await adapters.database.read(items.list_open_versions, *labels, last.as_of if last else None)
    await restore_details(adapters, upstream)
    found = await upstream.reconcile(known, is_full=is_full, versions=known if is_sequel else None)
    adapters.sync.last_full_sync.pop(labels, None)
    await adapters.database.write(accounts.advance_watermark, *labels, found.said_at, found.unread, adapters.now())
    # An item that changed meanwhile may show older data than this sync's. Then the next sync reports all items again.
    is_unchanged = mark == await adapters.database.read(items.open_marker, *labels)
    counted, is_whole = await apply_in_chunks(adapters, found.facts)
    if is_whole and (is_unchanged or not is_sequel):
        adapters.sync.last_full_sync[labels] = found.said_at
    return counted


async def reopen_stuck_items(adapters: Adapters) -> int:
    """Reopen items whose request the source accepted long ago without a result; return how many.

    The account may be gone from the configuration, or the source may not let Casebell read the item.
    """
    stuck = await adapters.database.read(items.list_acting_since, adapters.now() - STUCK_AFTER)
    await apply_in_chunks(
        adapters, [SourceRefused(i.key, i.attempt.action_id, "still_open") for i in stuck if i.attempt]
    )
    return len(stuck)


async def reconcile_each(adapters: Adapters, account: str | None, *, is_full: bool) -> dict[str, dict[str, int | str]]:
    """Sync every account of that name, None for all; return the counts or the ``error`` of each."""
    results: dict[str, dict[str, int | str]] = {}
    for (source, name), upstream in adapters.upstreams.items():
        if account not in {None, name}:
            continue
        try:
            results[f"{source}:{name}"] = asdict(await reconcile(adapters, upstream, is_full=is_full))
        except DeliveryError as error:  # the other accounts are synced all the same
            results[f"{source}:{name}"] = {"error": error.message}
    return results


async def try_reconcile(adapters: Adapters, upstream: Upstream, *, is_full: bool = False) -> bool:
    """``reconcile`` for a loop: a failure is logged and stored, not raised; return whether it succeeded."""
    try:
        await reconcile(adapters, upstream, is_full=is_full)
    except DeliveryError as error:
        labels = (upstream.source, upstream.account)
        if error.scope == "internal":  # such as our own budget: nothing has failed
            log.info("reconcile.deferred", source=labels[0], account=labels[1], reason=error.code)
        else:
            log.warning("reconcile.failed", source=labels[0], account=labels[1], reason=error.code)
            await adapters.database.write(
                accounts.record_failure, *labels, f"{error.code}: {error.message}", adapters.now()
            )
        return False
    return True
