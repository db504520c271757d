"""Polling joins the walk at the waist: one pass over an account becomes facts, applied like any webhook's."""

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import timedelta

from receiver.context import Adapters
from receiver.domain.fact import SourceRefused
from receiver.errors import DeliveryError
from receiver.observability import log
from receiver.pipeline.ingest import apply_in_chunks, recall
from receiver.ports import Upstream
from receiver.store import accounts, items
from receiver.sync.matching import match_receivables

STUCK_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """What one pass changed here."""

    opened: int = 0
    changed: int = 0
    resolved: int = 0
    reopened: int = 0
    rang: int = 0


async def reconcile(adapters: Adapters, upstream: Upstream, *, is_full: bool = False) -> Counts:
    """One complete pass over an account. Raises DeliveryError when it was not heard out: then nothing changes."""
    labels = (upstream.source, upstream.account)
    async with adapters.sync.locks.setdefault(labels, asyncio.Lock()):  # the loop's, and one that a command asked for
        started = time.perf_counter()
        counted = await _pass(adapters, upstream, labels, is_full=is_full)
        await match_receivables(adapters, upstream)
        adapters.metrics.reconcile_seconds.labels(*labels).observe(time.perf_counter() - started)
        adapters.metrics.reconcile_last_success_timestamp_seconds.labels(*labels).set(adapters.now().timestamp())
        await adapters.database.write(accounts.record_sync, *labels, adapters.now())
    if counted:
        log.info("reconcile.pass.done", source=labels[0], account=labels[1], **counted)
    return Counts(**counted)


async def _pass(adapters: Adapters, upstream: Upstream, labels: tuple[str, str], *, is_full: bool) -> dict[str, int]:
    last = (await adapters.database.read(accounts.watermarks)).get(labels)
    is_sequel = last is not None and last.as_of == adapters.sync.last_full_sync.get(
        labels
    )  # ours, and all its facts were applied
    mark = await adapters.database.read(items.open_marker, *labels)
    known = await adapters.database.read(items.list_open_versions, *labels, last.as_of if last else None)
    await recall(adapters, upstream)
    found = await upstream.reconcile(known, is_full=is_full, versions=known if is_sequel else None)
    adapters.sync.last_full_sync.pop(labels, None)
    await adapters.database.write(accounts.advance_watermark, *labels, found.said_at, found.unread, adapters.now())
    # What changed here meanwhile may be by older words than the pass's: then the next one says everything again.
    is_calm = mark == await adapters.database.read(items.open_marker, *labels)
    counted, is_whole = await apply_in_chunks(adapters, found.facts)
    if is_whole and (is_calm or not is_sequel):
        adapters.sync.last_full_sync[labels] = found.said_at
    return counted


async def give_back_stuck(adapters: Adapters) -> int:
    """Buttons return where a source took a request and is not heard of any more; how many were found.

    Its account may have left the configuration, or the source may not let us read this one.
    """
    stuck = await adapters.database.read(items.list_acting_since, adapters.now() - STUCK_AFTER)
    await apply_in_chunks(
        adapters, [SourceRefused(i.key, i.attempt.action_id, "still_open") for i in stuck if i.attempt]
    )
    return len(stuck)


async def reconcile_each(adapters: Adapters, account: str | None, *, is_full: bool) -> dict[str, dict[str, int | str]]:
    """One pass over every account of that name, None for all: counts by account, or its ``error``."""
    told: dict[str, dict[str, int | str]] = {}
    for (source, name), upstream in adapters.upstreams.items():
        if account not in {None, name}:
            continue
        try:
            told[f"{source}:{name}"] = asdict(await reconcile(adapters, upstream, is_full=is_full))
        except DeliveryError as error:  # the others are heard all the same
            told[f"{source}:{name}"] = {"error": error.message}
    return told


async def reconcile_quietly(adapters: Adapters, upstream: Upstream, *, is_full: bool = False) -> bool:
    """The same for a loop: a source that is down is logged and tried again at the next turn."""
    try:
        await reconcile(adapters, upstream, is_full=is_full)
    except DeliveryError as error:
        labels = (upstream.source, upstream.account)
        if error.scope == "internal":  # such as our own budget: nothing has failed
            log.info("reconcile.pass.put_off", source=labels[0], account=labels[1], reason=error.code)
        else:
            log.warning("reconcile.pass.failed", source=labels[0], account=labels[1], reason=error.code)
            await adapters.database.write(
                accounts.record_failure, *labels, f"{error.code}: {error.message}", adapters.now()
            )
        return False
    return True
