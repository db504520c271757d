"""Makes digests: builds what is due from the store, claims its slot and queues it.

It is built outside a transaction, and claimed and queued in one: each slot gives one digest, even if several processes
build it at the same time. A missed slot is made up for once. Undelivered digests are merged into the next one.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.digest import FLOW_DAYS, Digest, DigestRule, Silence, SourceFigures
from receiver.domain.digest_build import build_digest
from receiver.domain.routing import Route, routes_for
from receiver.errors import DeliveryError, PermanentError
from receiver.observability import log
from receiver.pipeline.deliver.digests import DOCUMENT, subscription_id
from receiver.ports import HasStatistics
from receiver.store import accounts, digests, outbox, payloads, suppression
from receiver.store.digests import DigestRun

FIGURES_WITHIN_S = 10.0
SILENT_AFTER = timedelta(minutes=15)
SILENT_AFTER_POLLS = 3
FIRST_COVERS = timedelta(days=1)  # the period of a digest that was never made before


async def make_if_due(adapters: Adapters, rule: DigestRule) -> int:
    """Make a digest if it is due; return how many were made. A new rule begins with its next slot."""
    now = adapters.now()
    last = await adapters.database.read(digests.find_last_run, rule.name)
    if last is None:
        await adapters.database.write(digests.claim, DigestRun(rule.name, now, now, now, 0))
        return 0
    slot = rule.schedule.latest_between(last.slot, now)
    return 0 if slot is None else await _make(adapters, rule, slot, last.made_at, now)


async def make_now(adapters: Adapters, name: str) -> list[str]:
    """Make a digest outside its schedule, which does not change; return its destinations."""
    rule = rule_named(adapters, name)
    now = adapters.now()
    since = await _start_of_period(adapters, rule, now)
    digest = await draft(adapters, rule, since, now)
    drafts = dict.fromkeys(rule.destinations(), digest)
    return await _queue(adapters, rule, None, drafts, now)


def rule_named(adapters: Adapters, name: str) -> DigestRule:
    """Raises PermanentError("unknown_digest")."""
    found = next((rule for rule in adapters.rules.digests if rule.name == name), None)
    if found is None:
        known = ", ".join(rule.name for rule in adapters.rules.digests) or "there is none"
        raise PermanentError("unknown_digest", f"no [[digests]] is named {name!r}; the names: {known}")
    return found


async def draft(adapters: Adapters, rule: DigestRule, since: datetime, until: datetime) -> Digest:
    """The digest as it would be now; claims and sends nothing."""
    figures = await _figures(adapters, rule)
    return await adapters.database.read(_build_draft, adapters.rules, rule, since, until, figures)


async def _start_of_period(adapters: Adapters, rule: DigestRule, now: datetime) -> datetime:
    last = await adapters.database.read(digests.find_last_run, rule.name)
    return last.made_at if last else now - FIRST_COVERS


async def _make(adapters: Adapters, rule: DigestRule, slot: datetime, since: datetime, now: datetime) -> int:
    """One digest for every destination. For one that did not get the last ones, the period begins earlier."""
    waiting = await adapters.database.read(digests.list_unsent, rule.name, now)
    starts = dict.fromkeys(rule.destinations(), since)
    for undelivered in waiting:
        if undelivered.destination in starts:
            starts[undelivered.destination] = min(starts[undelivered.destination], undelivered.since)
    figures = await _figures(adapters, rule)
    digest_from = {
        start: await adapters.database.read(_build_draft, adapters.rules, rule, start, now, figures)
        for start in {since, *starts.values()}
    }
    drafts = {
        destination: digest_from[start]
        for destination, start in starts.items()
        if not (rule.skip_empty and digest_from[start].is_empty)
    }
    await _queue(adapters, rule, DigestRun(rule.name, slot, since, now, len(drafts)), drafts, now)
    return 1


async def _queue(
    adapters: Adapters, rule: DigestRule, run: DigestRun | None, drafts: Mapping[str, Digest], now: datetime
) -> list[str]:
    sent_to = await adapters.database.write(_claim_and_queue, rule, run, drafts, now)
    if sent_to is None:
        return []  # another process was first
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    log.info("digest.made", name=rule.name, destinations=len(sent_to))
    return sent_to


def _claim_and_queue(
    connection: Connection, rule: DigestRule, run: DigestRun | None, drafts: Mapping[str, Digest], now: datetime
) -> list[str] | None:
    """Claim the slot and queue its deliveries; None if another process has. ``run`` None: outside the schedule."""
    if run is not None and not digests.claim(connection, run):
        return None
    if run is not None:
        older = [one.id for one in digests.list_unsent(connection, rule.name, now) if one.destination in drafts]
        digests.cancel_unsent(connection, older, now)
    sent_to = []
    for destination, digest in drafts.items():
        channel, _, address = destination.partition(":")
        if channel == "mail" and suppression.find(connection, address, rule.name, now):
            continue
        document = DOCUMENT.dump_json(digest, exclude_defaults=True).decode()
        outbox.enqueue(connection, None, destination, payloads.Digest(rule.name, digest.since, document), now)
        sent_to.append(destination)
    return sent_to


def _build_draft(
    connection: Connection,
    rules: Rules,
    rule: DigestRule,
    since: datetime,
    until: datetime,
    figures: tuple[SourceFigures, ...],
) -> Digest:
    silent = _find_silences(rules, rule, accounts.last_syncs(connection), until)
    return build_from_store(connection, rule, since, until, rules.routes, figures=figures, silent=silent)


def build_from_store(
    connection: Connection,
    rule: DigestRule,
    since: datetime,
    until: datetime,
    routes: tuple[Route, ...],
    *,
    figures: tuple[SourceFigures, ...] = (),
    silent: tuple[Silence, ...] = (),
) -> Digest:
    """The digest of the period, from the store. A debtor that one of the item's routes masks is masked here too."""
    first_day = until - timedelta(days=FLOW_DAYS + 1)
    return build_digest(
        rule,
        digests.list_items(connection, min(since, first_day)),
        since,
        until,
        reopened=digests.list_reopened(connection, since),
        is_masked=lambda snapshot: any(route.mask_debtor for route in routes_for(snapshot, routes)),
        figures=figures,
        silent=silent,
    )


def _find_silences(
    rules: Rules, rule: DigestRule, last_syncs: Mapping[tuple[str, str], datetime], now: datetime
) -> tuple[Silence, ...]:
    """Find the accounts of the rule whose last complete sync is too old."""
    silent = []
    for (source, account), poll_every in rules.accounts.items():
        synced_at = last_syncs.get((source, account))
        patience = max(SILENT_AFTER, SILENT_AFTER_POLLS * poll_every)
        if _is_about(rule, source, account) and (synced_at is None or now - synced_at > patience):
            silent.append(Silence(source, account, synced_at))
    return tuple(silent)


async def _figures(adapters: Adapters, rule: DigestRule) -> tuple[SourceFigures, ...]:
    """Figures of the sources that answer in time; a digest does not wait for the others."""
    requests = [
        _request_figures(upstream)
        for (source, account), upstream in adapters.upstreams.items()
        if isinstance(upstream, HasStatistics) and _is_about(rule, source, account)
    ]
    return tuple(found for found in await asyncio.gather(*requests) if found is not None)


async def _request_figures(upstream: HasStatistics) -> SourceFigures | None:
    try:
        async with asyncio.timeout(FIGURES_WITHIN_S):
            return await upstream.figures()
    except (DeliveryError, TimeoutError) as error:
        log.warning("digest.figures.missing", reason=getattr(error, "code", "timeout"))
        return None


def _is_about(rule: DigestRule, source: str, account: str) -> bool:
    return (not rule.match.source or source in rule.match.source) and (
        not rule.match.account or account in rule.match.account
    )


async def unsubscribe(adapters: Adapters, subscription: str) -> None:
    """Send this digest to this address no more. Does nothing when the configuration no longer has the two."""
    for rule in adapters.rules.digests:
        for address in rule.to:
            if subscription_id(rule.name, address) == subscription:
                await adapters.database.write(
                    suppression.add, address, rule.name, suppression.UNSUBSCRIBED, adapters.now(), None
                )
                log.info("digest.unsubscribed", name=rule.name)
