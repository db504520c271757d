"""Steps 7 and 9: what is due leaves. A claim under a lease, the network outside any transaction, then the result.

``show`` makes a destination show the item as it is when it is drawn, so many changes need one delivery. ``tell`` is a
word to one person. ``carry_out`` asks the source to do what a person decided.
"""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.apply import apply_facts
from receiver.desk import OUTBOX_BELL, Desk, sweep_bell
from receiver.domain.action import Order
from receiver.domain.fact import Fact, SourceAccepted, SourceRefused
from receiver.domain.item import Item
from receiver.domain.notice import Notice
from receiver.domain.refusal import SENTENCES
from receiver.domain.routing import Route
from receiver.errors import DeliveryError, PermanentError, RetryLaterError, UncertainError
from receiver.notices import notice_for_mail, notice_of
from receiver.observe import log
from receiver.ports import Notifier
from receiver.store import actions, items, messages, outbox, suppressed
from receiver.store.messages import Shown
from receiver.store.outbox import CARRY_OUT, DIGEST, FRESH_LINK, SHOW, TELL, Delivery
from receiver.summarise import deliver_digest

MOST_RUNNING = 64
MOST_EACH = 4  # of one destination side by side: a slow one never takes all places
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 900.0
GIVE_UP_AFTER = timedelta(days=3)
GIVE_UP_ORDER_AFTER = timedelta(hours=4)  # a person waits for it; then the buttons come back


class Dispatcher:
    """Keeps due deliveries running, a few of each destination; ``drain`` waits for those under way."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._running: dict[asyncio.Task[None], str] = {}

    async def dispatch_due(self) -> int:
        """Claim what is due and start it; how many were started."""
        each = Counter(self._running.values())
        free = MOST_RUNNING - len(self._running)
        if free <= 0:
            return 0
        busy = [destination for destination, n in each.items() if n >= MOST_EACH]
        claim_id = secrets.token_hex(8)
        now = self._desk.now()
        claimed = await self._desk.database.write(outbox.claim, now, claim_id, free, busy, MOST_EACH)
        for delivery in claimed:
            task = asyncio.create_task(self._run(delivery, claim_id))
            self._running[task] = delivery.destination
            task.add_done_callback(self._ended)
        return len(claimed)

    async def drain(self, grace_s: float) -> None:
        """Let what is under way finish; what does not keeps its lease and is taken up after it."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._desk.bells.ring_here(OUTBOX_BELL)  # a place is free, here
        if not task.cancelled() and (error := task.exception()):
            log.error("outbox.delivery.broke", error=repr(error), exc_info=error)

    async def _run(self, delivery: Delivery, claim_id: str) -> None:
        channel = delivery.destination.partition(":")[0]
        started = time.perf_counter()
        outcome = await deliver(self._desk, delivery, claim_id)
        self._desk.metrics.deliveries_total.labels(channel, outcome).inc()
        self._desk.metrics.delivery_seconds.labels(channel).observe(time.perf_counter() - started)


async def deliver(desk: Desk, delivery: Delivery, claim_id: str) -> str:
    """One delivery, whatever it is; the word for how it ended: done, retry, uncertain, dead."""
    try:
        await _check_suppressed(desk, delivery)
        run = {SHOW: _show, TELL: _tell, CARRY_OUT: _carry_out, FRESH_LINK: _fresh_link, DIGEST: deliver_digest}[
            delivery.what
        ]
        await run(desk, delivery, claim_id)
    except PermanentError as error:
        await _give_up(desk, delivery, claim_id, error)
        return "dead"
    except DeliveryError as error:
        return await _again(desk, delivery, claim_id, _in_doubt(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours must not hold the row until its lease ends, nor hide
        log.error("outbox.delivery.broke", id=delivery.id, what=delivery.what, error=repr(error), exc_info=error)
        return await _again(desk, delivery, claim_id, UncertainError("internal", type(error).__name__))
    return "done"


def _in_doubt(error: DeliveryError) -> DeliveryError:
    """A result that could not be written down: what it was about has perhaps happened."""
    if error.code != "store_unavailable":
        return error
    return UncertainError(error.code, error.message)


async def _check_suppressed(desk: Desk, delivery: Delivery) -> None:
    """No mail to an address that the mail server said it does not know, until it is lifted or some days have passed."""
    channel, _, address = delivery.destination.partition(":")
    if channel != "mail":
        return
    why = await desk.database.read(suppressed.find, address, suppressed.ALL, desk.now())
    if why is not None:
        raise PermanentError(
            "suppressed", f"{why.reason}; no mail to it until {why.until:%F}" if why.until else why.reason
        )


async def _show(desk: Desk, delivery: Delivery, claim_id: str) -> None:
    item, shown = await desk.database.read(_item_and_messages, delivery.item_id, delivery.destination)
    places: list[Shown | None] = [*shown] or [None]
    late = [message for message in places if message is None or message.version < item.version]
    drawn, failed = await _draw_each(desk, delivery, item, late)
    if failed is None:
        await desk.database.write(_shown, delivery, claim_id, drawn, desk.now())
        return
    if drawn:
        await desk.database.write(_remember, delivery, drawn, desk.now())
    raise failed


async def _draw_each(
    desk: Desk, delivery: Delivery, item: Item, places: Sequence[Shown | None]
) -> tuple[list[tuple[Shown | None, Shown]], DeliveryError | None]:
    """What was drawn, also when not all was: a message refused for good must not keep the others as they are."""
    channel, _, address = delivery.destination.partition(":")
    route, notifier = desk.route(delivery.value("route") or ""), _notifier(desk, channel)
    drawn: list[tuple[Shown | None, Shown]] = []
    failed: DeliveryError | None = None
    for message in places:
        notice = await _notice(desk, item, route, delivery, is_first=message is None)
        try:
            fresh = await _draw(notifier, notice, address, delivery.destination, message)
        except PermanentError as error:
            failed = error
        except DeliveryError as error:
            return drawn, error
        else:
            drawn += [(message, fresh)] if fresh is not None else []
    return drawn, failed


async def _draw(
    notifier: Notifier, notice: Notice, address: str, destination: str, message: Shown | None
) -> Shown | None:
    reference = message.reference if message else None
    state_shown = message.state_shown if message else None
    delivered = await notifier.deliver(notice, address, reference, state_shown)
    if delivered.reference is None:
        return None
    return Shown(destination, delivered.reference, notice.route.name, notice.item.version, notice.item.state)


async def _notice(desk: Desk, item: Item, route: Route, delivery: Delivery, *, is_first: bool) -> Notice:
    channel, _, address = delivery.destination.partition(":")
    if channel == "mail":
        return await notice_for_mail(desk, item, route, address)
    return notice_of(desk, item, route, may_repeat=is_first and delivery.is_doubtful)


def _item_and_messages(connection: Connection, item_id: str, destination: str) -> tuple[Item, list[Shown]]:
    item = items.find(connection, item_id)
    assert item is not None, f"outbox row for item {item_id}, which is not in the ledger"
    return item, messages.of_item(connection, item_id, destination)


def _shown(
    connection: Connection,
    delivery: Delivery,
    claim_id: str,
    drawn: Sequence[tuple[Shown | None, Shown]],
    now: datetime,
) -> None:
    _remember(connection, delivery, drawn, now)  # also when the lease was lost: the message is there, and found again
    if outbox.finish(connection, delivery.id, claim_id, now):
        return
    for _, shown in drawn:  # somebody else drew meanwhile, and nobody knows which of the two came last
        messages.doubt(connection, delivery.item_id, shown.destination, shown.reference)
        outbox.put_show(connection, delivery.item_id, shown.destination, shown.route, now)


def _remember(
    connection: Connection, delivery: Delivery, drawn: Sequence[tuple[Shown | None, Shown]], now: datetime
) -> None:
    for before, shown in drawn:
        if before and before.reference != shown.reference:
            messages.forget(connection, delivery.item_id, before.destination, before.reference)
        messages.save(connection, delivery.item_id, shown, now)


async def _fresh_link(desk: Desk, delivery: Delivery, claim_id: str) -> None:
    """A mail with a new link, to the address whose old one had expired or was spent."""
    channel, _, address = delivery.destination.partition(":")
    item, _ = await desk.database.read(_item_and_messages, delivery.item_id, delivery.destination)
    route = desk.route(delivery.value("route") or "")
    notice = await notice_for_mail(desk, item, route, address, delivery.value("token"))
    await _notifier(desk, channel).deliver(notice, address, None, None)
    await desk.database.write(outbox.finish, delivery.id, claim_id, desk.now())


async def _tell(desk: Desk, delivery: Delivery, claim_id: str) -> None:
    channel, _, address = delivery.destination.partition(":")
    route = desk.route(delivery.value("route") or "")
    values = delivery.value("values") or {}
    sentence = desk.teller.say(route.locale, SENTENCES[delivery.value("code")], **values)
    await _notifier(desk, channel).tell(address, sentence)
    await desk.database.write(outbox.finish, delivery.id, claim_id, desk.now())


async def _carry_out(desk: Desk, delivery: Delivery, claim_id: str) -> None:
    item, action = await desk.database.read(_item_and_action, delivery)
    source, _, account = delivery.destination.partition(":")
    upstream = desk.upstreams.get((source, account))
    if upstream is None:
        raise PermanentError("unknown_account", f"{delivery.destination} is not in the configuration any more")
    facts = await upstream.carry_out(_order(item, action, delivery))
    await desk.database.write(_carried_out, desk, delivery, claim_id, action.id, facts)
    desk.bells.ring(OUTBOX_BELL)
    if any(isinstance(fact, SourceAccepted) for fact in facts):
        desk.bells.ring(sweep_bell(source, account))


def _order(item: Item, action: actions.Done, delivery: Delivery) -> Order:
    return Order(
        action_id=action.id,
        key=item.key,
        verb=action.verb,
        person=action.person,
        note=action.note,
        text=action.text,
        asked_at_us=round(action.at.timestamp() * 1_000_000),
        may_repeat=delivery.is_doubtful,
        case_id=item.snapshot.case_id,
    )


def _carried_out(
    connection: Connection, desk: Desk, delivery: Delivery, claim_id: str, action_id: int, facts: list[Fact]
) -> None:
    """The source's answer and the end of the delivery in one transaction; what was asked never hangs."""
    now = desk.now()
    apply_facts(connection, facts, now, desk.routes)
    if not any(isinstance(fact, SourceAccepted | SourceRefused) for fact in facts):
        item = items.find(connection, delivery.item_id)
        if item is not None and item.attempt is not None and item.attempt.action_id == action_id:
            apply_facts(connection, [SourceAccepted(item.key, action_id)], now, desk.routes)
    _tell_if_lost(connection, delivery, action_id, now)
    outbox.finish(connection, delivery.id, claim_id, now)


def _tell_if_lost(connection: Connection, delivery: Delivery, action_id: int, now: datetime) -> None:
    """Somebody decided at the source in the meantime: the person who pressed here hears of it."""
    action = actions.find(connection, action_id)
    item = items.find(connection, delivery.item_id)
    if action and item and action.state == "failed" and action.answer_to and item.state == "resolved":
        payload: dict[str, object] = {"code": "resolved_elsewhere", "values": {"outcome": item.outcome or ""}}
        outbox.put(connection, delivery.item_id, action.answer_to, TELL, payload, now)


def _item_and_action(connection: Connection, delivery: Delivery) -> tuple[Item, actions.Done]:
    item = items.find(connection, delivery.item_id)
    action = actions.find(connection, delivery.value("action"))
    assert item is not None, f"outbox row {delivery.id} without its item"
    assert action is not None, f"outbox row {delivery.id} without its action"
    return item, action


async def _again(desk: Desk, delivery: Delivery, claim_id: str, error: DeliveryError) -> str:
    """Due again after a while, with full jitter; or dead when it was tried for too long."""
    now = desk.now()
    limit = GIVE_UP_ORDER_AFTER if delivery.what == CARRY_OUT else GIVE_UP_AFTER
    if now - delivery.created_at > limit:
        await _give_up(desk, delivery, claim_id, error)
        return "dead"
    is_doubtful = isinstance(error, UncertainError)
    due_at = now + timedelta(seconds=_wait_s(delivery.attempts, error))
    await desk.database.write(
        lambda connection: outbox.release(
            connection, delivery.id, claim_id, due_at, f"{error.code}: {error.message}", is_doubtful=is_doubtful
        )
    )
    log.warning("outbox.delivery.put_back", id=delivery.id, what=delivery.what, reason=error.code)
    return "uncertain" if is_doubtful else "retry"


def _wait_s(attempts: int, error: DeliveryError) -> float:
    ceiling = min(FIRST_WAIT_S * 2.0 ** min(attempts, 20), LONGEST_WAIT_S)
    jittered = random.uniform(FIRST_WAIT_S / 2, ceiling)  # noqa: S311 - spreads load, guards nothing
    asked = error.after_s if isinstance(error, RetryLaterError) and error.after_s else 0.0
    return max(jittered if not asked else asked + random.uniform(0, 1), asked)  # noqa: S311 - the same


async def _give_up(desk: Desk, delivery: Delivery, claim_id: str, error: DeliveryError) -> None:
    """Dead in the same row; when a source refused what a person asked, its buttons come back with the reason."""
    await desk.database.write(_bury, desk, delivery, claim_id, error)
    desk.bells.ring(OUTBOX_BELL)
    log.error("outbox.delivery.dead", id=delivery.id, what=delivery.what, reason=error.code)


def _bury(connection: Connection, desk: Desk, delivery: Delivery, claim_id: str, error: DeliveryError) -> None:
    now = desk.now()
    is_ours = outbox.bury(connection, delivery.id, claim_id, f"{error.code}: {error.message}", now)
    if error.code == "recipient_refused":
        address = delivery.destination.partition(":")[2]
        suppressed.add(connection, address, suppressed.ALL, error.message, now, now + suppressed.REFUSED_FOR)
    if delivery.what == CARRY_OUT and is_ours:
        item = items.find(connection, delivery.item_id)
        if item is not None:
            apply_facts(
                connection, [SourceRefused(item.key, delivery.value("action"), error.message)], now, desk.routes
            )


def _notifier(desk: Desk, channel: str) -> Notifier:
    notifier = desk.notifiers.get(channel)
    if notifier is None:
        raise PermanentError("unknown_channel", f"[{channel}] is not in the configuration any more")
    return notifier
