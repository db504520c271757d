"""Stores events and clicks, then interprets them. The sender's answer waits only until an event is stored."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from receiver.context import CLICKS_WAKEUP, OUTBOX_WAKEUP, Adapters, Rules, SourcePause, events_wakeup
from receiver.domain.action import Click
from receiver.domain.automation import VIA
from receiver.domain.fact import Fact
from receiver.domain.ledger import Decision
from receiver.domain.people import Person
from receiver.errors import CasebellError, DeliveryError, PermanentError, RetryLaterError
from receiver.observability import log
from receiver.pipeline.actions import Outcome, Refused, take_action
from receiver.pipeline.apply import apply_facts
from receiver.pipeline.automations import apply_with_automations
from receiver.ports import ChangeHint, ReadsDetails, Upstream
from receiver.store import accounts, events, items
from receiver.store.events import Arrival, ClaimedEvent

MOST_AT_ONCE = 100
MOST_EVENTS = 1_000  # one fetch may answer all of them
MANY_EVENTS = 20
REMEMBERED_FOR = timedelta(days=35)  # resolved items; the regular list of a source reaches back a month
FACTS_IN_ONE_COMMIT = 500
LONGEST_WAIT_S = 300.0
PAUSED_LOOK_S = 0.5
LONGEST_PAUSE = timedelta(seconds=30)
BURST = "burst"  # the error code of a source that collects events for one fetch
LONG_WAIT = timedelta(seconds=30)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
OWN_SOURCES = ("mail", "web", "cli")
_click = TypeAdapter(Click)


async def accept(adapters: Adapters, arrival: Arrival) -> bool:
    """Store a verified event; return after the commit. False: the event is stored already.

    Raises RetryLaterError("store_unavailable"): the sender must send it again.
    """
    is_new = await adapters.database.write_batched(events.append, arrival)
    if arrival.source in events.CLICK_SOURCES:
        adapters.wakeups.notify(CLICKS_WAKEUP)
    else:
        adapters.wakeups.notify(events_wakeup(arrival.source, arrival.account))
    return is_new


def click_arrival(click: Click, adapters: Adapters) -> Arrival:
    """A click on a page of Casebell or a command of the terminal, as an event to store."""
    return Arrival(click.via, "", click.identity, {}, _click.dump_json(click), adapters.now())


async def drain(adapters: Adapters, source: str, account: str) -> int:
    """Interpret the events of one account; return the number of rows.

    While the account is paused, no row is claimed. A row that was claimed before and never finished is claimed alone,
    after the others: if it kills the process, no other row is lost with it.
    """
    wakeup = events_wakeup(source, account)
    if _is_paused(adapters, wakeup):
        await _apply_unconfirmed(adapters, wakeup, adapters.upstreams[source, account])
        await asyncio.sleep(PAUSED_LOOK_S)  # not the wake-up, which every webhook causes
        return 0
    claim_id = secrets.token_hex(8)
    write, now = adapters.database.write, adapters.now
    # after a failure one at a time: perhaps always the same one fails
    most = 1 if wakeup in adapters.sync.paused and adapters.sync.paused[wakeup].misses else MOST_EVENTS
    rows = await write(events.claim, (source,), account, now(), claim_id, most)
    count = await _interpret(adapters, wakeup, rows, claim_id)
    if not _is_paused(adapters, wakeup):
        suspect = await write(events.claim_suspect, (source,), account, now(), claim_id)
        count += await _interpret(adapters, wakeup, suspect, claim_id)
    return count


async def _interpret(adapters: Adapters, wakeup: str, rows: Sequence[ClaimedEvent], claim_id: str) -> int:
    if not rows:
        return 0
    _observe_lag(adapters, rows)
    async with _released_on_error(adapters, rows, claim_id):
        return await _interpret_claimed(adapters, wakeup, rows, claim_id)


async def _interpret_claimed(adapters: Adapters, wakeup: str, rows: Sequence[ClaimedEvent], claim_id: str) -> int:
    upstream = adapters.upstreams[rows[0].source, rows[0].account]
    hint_of = await _read_hints(adapters, upstream, rows, claim_id)
    synced_at, not_synced = await _last_sync(adapters, upstream, rows)
    since_sync = [
        (row, hint)
        for row, hint in hint_of
        if hint is not None and (row.received_at >= synced_at or _key_of(upstream, hint) in not_synced)
    ]
    hints = await _hints_to_fetch(adapters, upstream, since_sync)
    ids = [row.id for row, _ in hint_of]
    async with _renew_leases(adapters, ids, claim_id):
        try:
            facts = await _fetch(adapters, upstream, hints)
        except DeliveryError as error:
            await _pause(adapters, wakeup, ids, claim_id, error)
            return 0
        await apply_in_chunks(adapters, facts)
    await adapters.database.write(events.finish, ids, claim_id, adapters.now())
    adapters.sync.paused.pop(wakeup, None)
    return len(rows)


async def _apply_unconfirmed(adapters: Adapters, wakeup: str, upstream: Upstream) -> None:
    """While an account is paused: apply what the events themselves contain, each once. A later fetch confirms it."""
    pause = adapters.sync.paused[wakeup]
    if not pause.misses:  # the next fetch comes in a moment
        return
    rows = await adapters.database.read(
        events.list_new, upstream.source, upstream.account, pause.last_unconfirmed, MOST_AT_ONCE
    )
    if rows:
        await apply_in_chunks(adapters, [fact for _, body in rows for fact in upstream.facts_from_event(body)])
        adapters.sync.paused[wakeup] = replace(pause, last_unconfirmed=rows[-1][0])


def _is_paused(adapters: Adapters, wakeup: str) -> bool:
    pause, now = adapters.sync.paused.get(wakeup), adapters.now()
    return pause is not None and now < pause.until <= now + LONGEST_PAUSE  # further away: the clock was set back


async def _pause(adapters: Adapters, wakeup: str, ids: Sequence[int], claim_id: str, error: DeliveryError) -> None:
    """Put the rows back and pause the account, longer each time."""
    before = adapters.sync.paused.get(wakeup, SourcePause(adapters.now(), 0))
    misses = before.misses + 1
    if error.code == BURST:  # no failure: the source waits so that one fetch answers more events
        misses = 0
    due_at = await _retry_later(adapters, ids, claim_id, error, misses)
    adapters.sync.paused[wakeup] = SourcePause(
        min(due_at, adapters.now() + LONGEST_PAUSE), misses, before.last_unconfirmed
    )


@asynccontextmanager
async def _renew_leases(adapters: Adapters, ids: Sequence[int], claim_id: str) -> AsyncIterator[None]:
    """Renew the lease of these rows while the source is read, however long that takes."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(events.LEASE.total_seconds() / 3)
            try:
                await adapters.database.write(events.renew, ids, claim_id, adapters.now())
            except RetryLaterError as error:  # the store is unavailable; the lease may last longer
                log.warning("events.lease.not_renewed", reason=error.code)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()


@asynccontextmanager
async def _released_on_error(adapters: Adapters, rows: Sequence[ClaimedEvent], claim_id: str) -> AsyncIterator[None]:
    """When the store becomes unavailable, put the rows back without counting an attempt."""
    try:
        yield
    except RetryLaterError as error:
        with suppress(RetryLaterError):
            await adapters.write_outcome(events.release, [row.id for row in rows], claim_id, adapters.now(), error.code)
        raise


async def apply_in_chunks(adapters: Adapters, facts: Iterable[Fact]) -> tuple[dict[str, int], bool]:
    """Apply facts in small transactions, so that a long list never delays a webhook.

    Returns the number of items by transition, and whether every fact was applied.
    """
    counts: dict[str, int] = {}
    is_complete, remaining = True, iter(facts)
    while chunk := list(islice(remaining, FACTS_IN_ONE_COMMIT)):
        decisions = await _apply(adapters, chunk)
        is_complete = is_complete and len(decisions) == len(chunk)
        for decision in decisions:
            transition = getattr(decision, "transition", None)
            if transition:
                counts[transition] = counts.get(transition, 0) + 1
    if counts:
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return counts, is_complete


async def _apply(adapters: Adapters, facts: Sequence[Fact]) -> list[Decision]:
    """Apply the facts in one transaction; if one of them causes an error, apply the others without it."""
    try:
        decisions, outcomes = await adapters.database.write(
            apply_with_automations, facts, adapters.rules, adapters.now()
        )
    except CasebellError:
        raise
    except Exception as error:  # noqa: BLE001 - logged; one item must not end every sync with its account
        if len(facts) > 1:
            return [decision for fact in facts for decision in await _apply(adapters, [fact])]
        log.error("fact.failed", key=facts[0].key, error=repr(error), exc_info=error)
        return await _apply_without_automations(adapters, facts[0]) if adapters.rules.automations else []
    for one in outcomes:
        adapters.metrics.actions_total.labels(one.verb, one.result, VIA).inc()
        log.info("automation.ran", rule=one.rule, verb=one.verb, item=one.item_id, outcome=one.result)
    return decisions


async def _apply_without_automations(adapters: Adapters, fact: Fact) -> list[Decision]:
    """Apply the fact alone: an error in a rule must not keep the alert from people."""
    try:
        return await adapters.database.write(apply_facts, [fact], adapters.now(), adapters.rules.routes)
    except CasebellError:
        raise
    except Exception:  # noqa: BLE001 - the cause was no rule; the error is logged
        return []


async def drain_clicks(adapters: Adapters) -> int:
    """Act on stored clicks, each in its own transaction; looking up one click's person delays no other."""
    claim_id = secrets.token_hex(8)
    now = adapters.now()
    rows = await adapters.database.write(events.claim, events.CLICK_SOURCES, None, now, claim_id, MOST_AT_ONCE)
    if not rows:
        rows = await adapters.database.write(events.claim_suspect, events.CLICK_SOURCES, None, now, claim_id)
    _observe_lag(adapters, rows)
    await asyncio.gather(*(_handle_click(adapters, row, claim_id) for row in rows))
    return len(rows)


async def _handle_click(adapters: Adapters, row: ClaimedEvent, claim_id: str) -> None:
    async with _released_on_error(adapters, [row], claim_id):
        await _act_on_click(adapters, row, claim_id)


async def _act_on_click(adapters: Adapters, row: ClaimedEvent, claim_id: str) -> None:
    try:
        _check_attempts(row)
        click = _parse_click(adapters, row)
        if click is not None and row.source == "slack":
            click = await _with_person(adapters, click)
    except (ValueError, RecursionError) as error:
        await adapters.database.write(events.quarantine, row.id, claim_id, _reason(error), adapters.now())
        log.warning("events.row.quarantined", id=row.id, source=row.source, reason=type(error).__name__)
        return
    except DeliveryError as error:
        await _retry_later(adapters, [row.id], claim_id, error)
        return
    outcome = await adapters.database.write(_take_and_finish, adapters.rules, click, row.id, claim_id, adapters.now())
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    if click is not None and outcome is not None:
        result = outcome.code if isinstance(outcome, Refused) else "taken"
        adapters.metrics.actions_total.labels(click.verb, result, click.via).inc()


def _take_and_finish(
    connection: Connection, rules: Rules, click: Click | None, row_id: int, claim_id: str, now: datetime
) -> Outcome | None:
    outcome = None if click is None else take_action(connection, click, now, rules.routes, rules.people)
    events.finish(connection, [row_id], claim_id, now)
    return outcome


def _parse_click(adapters: Adapters, row: ClaimedEvent) -> Click | None:
    if row.source in OWN_SOURCES:
        return _click.validate_json(row.body)
    if adapters.clicks is None:
        raise ValueError("cannot read clicks from Slack: the configuration has no [slack] section")
    return adapters.clicks.read(row.body)


async def _with_person(adapters: Adapters, click: Click) -> Click:
    assert adapters.clicks is not None
    try:
        known = replace(click, person=await adapters.clicks.identify(click.person))
    except PermanentError:  # unknown to Slack: the action is refused, with a reply
        return replace(click, person=Person(name=click.person.label))
    if click.terms.to is None:
        return known
    try:
        to = await adapters.clicks.identify(click.terms.to)
    except PermanentError:
        to = Person(name=click.terms.to.label)
    return replace(known, terms=replace(click.terms, to=to))


async def _read_hints(
    adapters: Adapters, upstream: Upstream, rows: Sequence[ClaimedEvent], claim_id: str
) -> list[tuple[ClaimedEvent, ChangeHint | None]]:
    """The hint of each row; rows that cannot be read or were tried too often are quarantined with the reason."""
    read: list[tuple[ClaimedEvent, ChangeHint | None]] = []
    for row in rows:
        try:
            _check_attempts(row)
            read.append((row, upstream.read(row.body)))
        except (ValueError, RecursionError) as error:
            await adapters.database.write(events.quarantine, row.id, claim_id, _reason(error), adapters.now())
            log.warning("events.row.quarantined", id=row.id, source=row.source, reason=type(error).__name__)
    return read


async def _last_sync(
    adapters: Adapters, upstream: Upstream, rows: Sequence[ClaimedEvent]
) -> tuple[datetime, Collection[str]]:
    """The time of the last complete sync, and the keys of open items that it did not report.

    Older events need no fetch: the sync has reported their items, except for the oldest ones, which a list of recent
    todos does not contain. Long ago if no event had to wait.
    """
    if adapters.now() - min(row.received_at for row in rows) < LONG_WAIT:
        return _LONG_AGO, ()
    account = upstream.source, upstream.account
    synced_at = await adapters.database.read(accounts.receivables_syncs)
    last = (await adapters.database.read(accounts.watermarks)).get(account)
    if last is None:
        return _LONG_AGO, ()
    return synced_at.get(account, _LONG_AGO), last.missing


def _key_of(upstream: Upstream, hint: ChangeHint) -> str | None:
    return upstream.key_of(hint) if isinstance(upstream, ReadsDetails) else None


async def _hints_to_fetch(
    adapters: Adapters, upstream: Upstream, hint_of: Sequence[tuple[ClaimedEvent, ChangeHint]]
) -> set[ChangeHint]:
    """The hints that need a fetch.

    With many events, or a late one, items that were reported since their event need none: a list that is read for one
    todo also reports others.
    """
    hints = {hint for _, hint in hint_of}
    is_late = any(row.attempts > events.SUSPECT_AFTER for row, _ in hint_of)
    if not isinstance(upstream, ReadsDetails) or (len(hints) <= MANY_EVENTS and not is_late):
        return hints
    keys = {hint: key for hint in hints if (key := upstream.key_of(hint)) is not None}
    reported_at = await adapters.database.read(items.list_said_at, sorted(keys.values()))
    return {hint for row, hint in hint_of if reported_at.get(keys.get(hint, ""), _LONG_AGO) < row.received_at}


async def restore_details(adapters: Adapters, upstream: Upstream) -> None:
    """Tell a source which details the store has already, so that it does not read them again after a restart."""
    if isinstance(upstream, ReadsDetails):
        since = adapters.now() - REMEMBERED_FOR
        upstream.restore_details(
            *await adapters.database.read(items.list_complete_keys, upstream.source, upstream.account, since)
        )


def _check_attempts(row: ClaimedEvent) -> None:
    if row.attempts > events.MAX_ATTEMPTS:
        raise ValueError(f"failed after {events.MAX_ATTEMPTS} attempts")


async def _fetch(adapters: Adapters, upstream: Upstream, hints: set[ChangeHint]) -> list[Fact]:
    if not hints:
        return []
    keys = await adapters.database.read(items.list_open_keys, upstream.source, upstream.account)
    await restore_details(adapters, upstream)
    return await upstream.fetch(hints, keys)


async def _retry_later(
    adapters: Adapters, ids: Sequence[int], claim_id: str, error: DeliveryError, misses: int = 1
) -> datetime:
    wait_s = error.after_s if isinstance(error, RetryLaterError) and error.after_s else 5.0
    longer_s = 2.0 ** min(misses, 20) if misses else 0.0
    due_at = adapters.now() + timedelta(seconds=min(max(wait_s, longer_s), LONGEST_WAIT_S))
    await adapters.database.write(events.release, ids, claim_id, due_at, error.code)
    log.warning("events.rows.released", count=len(ids), reason=error.code, due_at=due_at.isoformat())
    return due_at


def _observe_lag(adapters: Adapters, rows: Sequence[ClaimedEvent]) -> None:
    now = adapters.now()
    for row in rows:
        adapters.metrics.inbox_lag_seconds.observe((now - row.received_at).total_seconds())


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
    return f"{type(error).__name__}: {error}"[:300]
