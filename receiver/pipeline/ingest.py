"""Steps 3 and 4: store what arrived, then understand it. The answer to the sender waits for 3 only."""

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
from receiver.pipeline.automations import apply_considered
from receiver.ports import ChangeHint, KeepsDetails, Upstream
from receiver.store import events, items, receivables, sync_watermarks
from receiver.store.events import Arrival, Row

MOST_AT_ONCE = 100
MOST_EVENTS = 1_000  # hints: one look at a source may answer them all
MANY_EVENTS = 20
REMEMBERED_FOR = timedelta(days=35)  # decided items of a source whose regular list reaches back a month
FACTS_IN_ONE_COMMIT = 500
LONGEST_WAIT_S = 300.0
PAUSED_LOOK_S = 0.5
LONGEST_PAUSE = timedelta(seconds=30)
BURST = "burst"  # the code of a source that wants events to pile up for one look
LONG_WAIT = timedelta(seconds=30)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
OWN_SOURCES = ("mail", "web", "cli")
_click = TypeAdapter(Click)


async def accept(adapters: Adapters, arrival: Arrival) -> bool:
    """Store a verified event; returns after the commit. False: it is known already.

    Raises RetryLaterError("store_unavailable"): the sender must be told to come again.
    """
    is_new = await adapters.database.write_batched(events.append, arrival)
    if arrival.source in events.CLICK_SOURCES:
        adapters.wakeups.notify(CLICKS_WAKEUP)
    else:
        adapters.wakeups.notify(events_wakeup(arrival.source, arrival.account))
    return is_new


def own_click(click: Click, adapters: Adapters) -> Arrival:
    """A press on one of our own pages or in a terminal, in the shape of everything else that arrives."""
    return Arrival(click.via, "", click.identity, {}, _click.dump_json(click), adapters.now())


async def drain(adapters: Adapters, source: str, account: str) -> int:
    """Understand what waits from one account of a source; how many rows were taken.

    While the source is not to be heard nothing is claimed: the rows wait where they are. A row that was claimed before
    and never finished is taken alone, behind the others: if it kills the process, it kills nothing else.
    """
    wakeup = events_wakeup(source, account)
    if _is_paused(adapters, wakeup):
        await _apply_unconfirmed(adapters, wakeup, adapters.upstreams[source, account])
        await asyncio.sleep(PAUSED_LOOK_S)  # not the wake-up: every webhook causes one
        return 0
    claim_id = secrets.token_hex(8)
    write, now = adapters.database.write, adapters.now
    # after a miss one by one: perhaps only one of them fails always
    most = 1 if wakeup in adapters.sync.paused and adapters.sync.paused[wakeup].misses else MOST_EVENTS
    rows = await write(events.claim, (source,), account, now(), claim_id, most)
    taken = await _understand(adapters, wakeup, rows, claim_id)
    if not _is_paused(adapters, wakeup):
        suspect = await write(events.claim_suspect, (source,), account, now(), claim_id)
        taken += await _understand(adapters, wakeup, suspect, claim_id)
    return taken


async def _understand(adapters: Adapters, wakeup: str, rows: Sequence[Row], claim_id: str) -> int:
    if not rows:
        return 0
    _observe_lag(adapters, rows)
    async with _given_back(adapters, rows, claim_id):
        return await _understand_all(adapters, wakeup, rows, claim_id)


async def _understand_all(adapters: Adapters, wakeup: str, rows: Sequence[Row], claim_id: str) -> int:
    upstream = adapters.upstreams[rows[0].source, rows[0].account]
    pointed = await _read_all(adapters, upstream, rows, claim_id)
    passed_at, unheard = await _passed(adapters, upstream, rows)
    pointed_since = [
        (row, hint)
        for row, hint in pointed
        if hint is not None and (row.received_at >= passed_at or _key_of(upstream, hint) in unheard)
    ]
    hints = await _unanswered(adapters, upstream, pointed_since)
    ids = [row.id for row, _ in pointed]
    async with _renewing(adapters, ids, claim_id):
        try:
            facts = await _look(adapters, upstream, hints)
        except DeliveryError as error:
            await _pause(adapters, wakeup, ids, claim_id, error)
            return 0
        await apply_in_chunks(adapters, facts)
    await adapters.database.write(events.finish, ids, claim_id, adapters.now())
    adapters.sync.paused.pop(wakeup, None)
    return len(rows)


async def _apply_unconfirmed(adapters: Adapters, wakeup: str, upstream: Upstream) -> None:
    """While the source is not to be heard: tell what events themselves carry, each once. A look confirms it later."""
    pause = adapters.sync.paused[wakeup]
    if not pause.misses:  # it is only a moment until the next look
        return
    rows = await adapters.database.read(
        events.unread, upstream.source, upstream.account, pause.last_unconfirmed, MOST_AT_ONCE
    )
    if rows:
        await apply_in_chunks(adapters, [fact for _, body in rows for fact in upstream.facts_from_event(body)])
        adapters.sync.paused[wakeup] = replace(pause, last_unconfirmed=rows[-1][0])


def _is_paused(adapters: Adapters, wakeup: str) -> bool:
    pause, now = adapters.sync.paused.get(wakeup), adapters.now()
    return pause is not None and now < pause.until <= now + LONGEST_PAUSE  # further off: the clock was set back


async def _pause(adapters: Adapters, wakeup: str, ids: Sequence[int], claim_id: str, error: DeliveryError) -> None:
    """Put the rows back and ask nothing more for a while, longer each time."""
    before = adapters.sync.paused.get(wakeup, SourcePause(adapters.now(), 0))
    misses = before.misses + 1
    if error.code == BURST:  # nobody failed; the more they are meanwhile, the better
        misses = 0
    due_at = await _put_back(adapters, ids, claim_id, error, misses)
    adapters.sync.paused[wakeup] = SourcePause(
        min(due_at, adapters.now() + LONGEST_PAUSE), misses, before.last_unconfirmed
    )


@asynccontextmanager
async def _renewing(adapters: Adapters, ids: Sequence[int], claim_id: str) -> AsyncIterator[None]:
    """Keep the lease of these rows while a slow source is read, however long that takes."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(events.LEASE.total_seconds() / 3)
            try:
                await adapters.database.write(events.renew, ids, claim_id, adapters.now())
            except RetryLaterError as error:  # the store is away; the lease may outlast it
                log.warning("inbox.lease.not_renewed", reason=error.code)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()


@asynccontextmanager
async def _given_back(adapters: Adapters, rows: Sequence[Row], claim_id: str) -> AsyncIterator[None]:
    """A store that goes away in between is no fault of these rows: they are put back, which counts no attempt."""
    try:
        yield
    except RetryLaterError as error:
        with suppress(RetryLaterError):
            await adapters.write_outcome(events.release, [row.id for row in rows], claim_id, adapters.now(), error.code)
        raise


async def apply_in_chunks(adapters: Adapters, facts: Iterable[Fact]) -> tuple[dict[str, int], bool]:
    """Apply facts in small transactions, so that a long list never keeps a webhook waiting.

    Transitions counted, and whether every fact was applied.
    """
    counted: dict[str, int] = {}
    is_whole, coming = True, iter(facts)
    while chunk := list(islice(coming, FACTS_IN_ONE_COMMIT)):
        decisions = await _apply(adapters, chunk)
        is_whole = is_whole and len(decisions) == len(chunk)
        for decision in decisions:
            transition = getattr(decision, "transition", None)
            if transition:
                counted[transition] = counted.get(transition, 0) + 1
    if counted:
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return counted, is_whole


async def _apply(adapters: Adapters, facts: Sequence[Fact]) -> list[Decision]:
    """Apply them together; where one of them breaks something of ours, the others all the same."""
    try:
        decisions, pressed = await adapters.database.write(apply_considered, facts, adapters.rules, adapters.now())
    except CasebellError:
        raise
    except Exception as error:  # noqa: BLE001 - logged; one odd item must not end every pass over its account
        if len(facts) > 1:
            return [decision for fact in facts for decision in await _apply(adapters, [fact])]
        log.error("fact.broke", key=facts[0].key, error=repr(error), exc_info=error)
        return await _apply_alone(adapters, facts[0]) if adapters.rules.automations else []
    for one in pressed:
        adapters.metrics.actions_total.labels(one.verb, one.word, VIA).inc()
        log.info("automation.considered", rule=one.rule, verb=one.verb, item=one.item_id, outcome=one.word)
    return decisions


async def _apply_alone(adapters: Adapters, fact: Fact) -> list[Decision]:
    """Without the rules: whatever one of them breaks, people are told."""
    try:
        return await adapters.database.write(apply_facts, [fact], adapters.now(), adapters.rules.routes)
    except CasebellError:
        raise
    except Exception:  # noqa: BLE001 - it was no rule, and that is logged
        return []


async def drain_clicks(adapters: Adapters) -> int:
    """Take what people pressed, each in its own transaction and none waiting for another's person look-up."""
    claim_id = secrets.token_hex(8)
    now = adapters.now()
    rows = await adapters.database.write(events.claim, events.CLICK_SOURCES, None, now, claim_id, MOST_AT_ONCE)
    if not rows:
        rows = await adapters.database.write(events.claim_suspect, events.CLICK_SOURCES, None, now, claim_id)
    _observe_lag(adapters, rows)
    await asyncio.gather(*(_take(adapters, row, claim_id) for row in rows))
    return len(rows)


async def _take(adapters: Adapters, row: Row, claim_id: str) -> None:
    async with _given_back(adapters, [row], claim_id):
        await _take_click(adapters, row, claim_id)


async def _take_click(adapters: Adapters, row: Row, claim_id: str) -> None:
    try:
        _check_attempts(row)
        click = _click_in(adapters, row)
        if click is not None and row.source == "slack":
            click = await _with_person(adapters, click)
    except (ValueError, RecursionError) as error:
        await adapters.database.write(events.quarantine, row.id, claim_id, _why(error), adapters.now())
        log.warning("inbox.row.quarantined", id=row.id, source=row.source, reason=type(error).__name__)
        return
    except DeliveryError as error:
        await _put_back(adapters, [row.id], claim_id, error)
        return
    outcome = await adapters.database.write(_take_and_finish, adapters.rules, click, row.id, claim_id, adapters.now())
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    if click is not None and outcome is not None:
        word = outcome.code if isinstance(outcome, Refused) else "taken"
        adapters.metrics.actions_total.labels(click.verb, word, click.via).inc()


def _take_and_finish(
    connection: Connection, rules: Rules, click: Click | None, row_id: int, claim_id: str, now: datetime
) -> Outcome | None:
    outcome = None if click is None else take_action(connection, click, now, rules.routes, rules.people)
    events.finish(connection, [row_id], claim_id, now)
    return outcome


def _click_in(adapters: Adapters, row: Row) -> Click | None:
    if row.source in OWN_SOURCES:
        return _click.validate_json(row.body)
    if adapters.clicks is None:
        raise ValueError("nothing here reads presses from Slack any more: [slack] is not configured")
    return adapters.clicks.read(row.body)


async def _with_person(adapters: Adapters, click: Click) -> Click:
    assert adapters.clicks is not None
    try:
        known = replace(click, person=await adapters.clicks.who(click.person))
    except PermanentError:  # Slack does not know them: they stay a stranger, and are told so
        return replace(click, person=Person(name=click.person.label))
    if click.terms.to is None:
        return known
    try:
        to = await adapters.clicks.who(click.terms.to)
    except PermanentError:
        to = Person(name=click.terms.to.label)
    return replace(known, terms=replace(click.terms, to=to))


async def _read_all(
    adapters: Adapters, upstream: Upstream, rows: Sequence[Row], claim_id: str
) -> list[tuple[Row, ChangeHint | None]]:
    """What each row points at; rubbish, and what was tried too often, is set aside with its reason."""
    read: list[tuple[Row, ChangeHint | None]] = []
    for row in rows:
        try:
            _check_attempts(row)
            read.append((row, upstream.read(row.body)))
        except (ValueError, RecursionError) as error:
            await adapters.database.write(events.quarantine, row.id, claim_id, _why(error), adapters.now())
            log.warning("inbox.row.quarantined", id=row.id, source=row.source, reason=type(error).__name__)
    return read


async def _passed(adapters: Adapters, upstream: Upstream, rows: Sequence[Row]) -> tuple[datetime, Collection[str]]:
    """Since when events must be looked at, long ago unless some had to wait; and open keys to look at in any case.

    What came before a pass that was complete has been said by it meanwhile. A pass over recent todos does not show the
    oldest ones: of those that are open here it heard a few.
    """
    if adapters.now() - min(row.received_at for row in rows) < LONG_WAIT:
        return _LONG_AGO, ()
    account = upstream.source, upstream.account
    heard = await adapters.database.read(receivables.heard_at)
    last = (await adapters.database.read(sync_watermarks.last)).get(account)
    if last is None:  # it heard nothing of very many
        return _LONG_AGO, ()
    return heard.get(account, _LONG_AGO), last.but_not


def _key_of(upstream: Upstream, hint: ChangeHint) -> str | None:
    return upstream.key_of(hint) if isinstance(upstream, KeepsDetails) else None


async def _unanswered(
    adapters: Adapters, upstream: Upstream, pointed: Sequence[tuple[Row, ChangeHint]]
) -> set[ChangeHint]:
    """What must be looked at. Of very many events, or of one that waited for long, those are answered whose item was
    heard of since: a look at a list shows the todos of others too."""
    hints = {hint for _, hint in pointed}
    is_late = any(row.attempts > events.SUSPECT_AFTER for row, _ in pointed)
    if not isinstance(upstream, KeepsDetails) or (len(hints) <= MANY_EVENTS and not is_late):
        return hints
    keys = {hint: key for hint in hints if (key := upstream.key_of(hint)) is not None}
    said_at = await adapters.database.read(items.said_at, sorted(keys.values()))
    return {hint for row, hint in pointed if said_at.get(keys.get(hint, ""), _LONG_AGO) < row.received_at}


async def recall(adapters: Adapters, upstream: Upstream) -> None:
    """Hand a source that is read in parts what the store has of it, so that a restart reads no part again."""
    if isinstance(upstream, KeepsDetails):
        since = adapters.now() - REMEMBERED_FOR
        upstream.recall(*await adapters.database.read(items.whole_keys, upstream.source, upstream.account, since))


def _check_attempts(row: Row) -> None:
    if row.attempts > events.MOST_ATTEMPTS:
        raise ValueError(f"given up after {events.MOST_ATTEMPTS} attempts")


async def _look(adapters: Adapters, upstream: Upstream, hints: set[ChangeHint]) -> list[Fact]:
    if not hints:
        return []
    keys = await adapters.database.read(items.open_keys, upstream.source, upstream.account)
    await recall(adapters, upstream)
    return await upstream.fetch(hints, keys)


async def _put_back(
    adapters: Adapters, ids: Sequence[int], claim_id: str, error: DeliveryError, misses: int = 1
) -> datetime:
    wait_s = error.after_s if isinstance(error, RetryLaterError) and error.after_s else 5.0
    longer_s = 2.0 ** min(misses, 20) if misses else 0.0
    due_at = adapters.now() + timedelta(seconds=min(max(wait_s, longer_s), LONGEST_WAIT_S))
    await adapters.database.write(events.release, ids, claim_id, due_at, error.code)
    log.warning("inbox.rows.put_back", count=len(ids), reason=error.code, due_at=due_at.isoformat())
    return due_at


def _observe_lag(adapters: Adapters, rows: Sequence[Row]) -> None:
    now = adapters.now()
    for row in rows:
        adapters.metrics.inbox_lag_seconds.observe((now - row.received_at).total_seconds())


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
    return f"{type(error).__name__}: {error}"[:300]
