"""Steps 7 and 9: one delivery leaves. The network outside any transaction, then the result, if the lease still holds.

``show`` makes a destination show the item as it is when it is drawn, so many changes need one delivery. ``tell`` is a
word to one person. ``execute`` asks the source to do what a person decided.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules, reconcile_wakeup
from receiver.domain import backoff, breaker, plan
from receiver.domain.action import SourceCommand
from receiver.domain.fact import Fact, SourceAccepted, SourceDid, SourceRefused
from receiver.domain.item import Item
from receiver.domain.notice import Notice, announcement_of
from receiver.domain.refusal import SENTENCES
from receiver.errors import DeliveryError, PermanentError, UncertainError
from receiver.observability import log
from receiver.pipeline.apply import apply_facts
from receiver.pipeline.deliver import followups, grouped
from receiver.pipeline.deliver.attempt import Attempt, require_lease
from receiver.pipeline.deliver.digests import deliver_digest
from receiver.pipeline.deliver.followups import (
    item_and_messages,
    notice_for,
    notifier_of,
    place_of,
    route_of,
)
from receiver.pipeline.notices import notice_for_mail
from receiver.ports import Notifier
from receiver.store import actions, items, messages, outbox, suppression
from receiver.store.messages import PostedMessage
from receiver.store.outbox import Delivery
from receiver.store.payloads import (
    ADMIN_ALERT,
    BURST,
    COMMAND,
    DIGEST,
    FRESH_LINK,
    GROUPED,
    REMINDER,
    REPLY,
    SHOW,
    UNDO_OFFER,
    Command,
    FreshLink,
    Reply,
    Routed,
)

MOST_BURIED = 50
MOST_COPIES = 3  # of one mail whose end was never confirmed
SOMETHING_S = 10.0
Drawn = tuple[PostedMessage | None, PostedMessage | None]  # what stood there, and what stands there now


@dataclass(frozen=True, slots=True)
class Ended:
    """How a delivery ended: done, retry, uncertain, dead or lost; and by what, if it failed.

    ``was_silent``: there was nothing to say, so the other side was not asked and proved nothing.
    """

    word: str
    error: DeliveryError | None = None
    was_silent: bool = False


async def deliver(adapters: Adapters, delivery: Delivery, claim_id: str) -> Ended:
    """One delivery, whatever it is, within its deadline; how it ended."""
    try:
        _check_lost(delivery)
        await _check_suppressed(adapters, delivery)
        run = _RUNS[delivery.what]
        async with asyncio.timeout(longest_s(adapters, delivery)) as deadline:
            said = await run(Attempt(adapters, delivery, claim_id, deadline))
    except outbox.LostLeaseError:
        return _lost(delivery)
    except PermanentError as error:
        return await _give_up(adapters, delivery, claim_id, error)
    except DeliveryError as error:
        if _is_enough(delivery, error):
            what = f"perhaps sent {MOST_COPIES} times, never confirmed: {error.message}"
            return await _give_up(adapters, delivery, claim_id, PermanentError(error.code, what, reach=error.reach))
        return await _again(adapters, delivery, claim_id, _in_doubt(error))
    except TimeoutError:
        return await _again(adapters, delivery, claim_id, UncertainError("timeout", "took too long altogether"))
    except Exception as error:  # noqa: BLE001 - a fault of ours must not hold the row until its lease ends, nor hide
        log.error("outbox.delivery.broke", id=delivery.id, what=delivery.what, error=repr(error), exc_info=error)
        return await _again(
            adapters, delivery, claim_id, UncertainError("internal", type(error).__name__, reach="ours")
        )
    return Ended("done", was_silent=said is False)


def longest_s(adapters: Adapters, delivery: Delivery) -> float:
    """The total deadline of a delivery, in seconds."""
    channel, _, account = delivery.destination.partition(":")
    if delivery.what == COMMAND:
        upstream = adapters.upstreams.get((channel, account))
        return upstream.longest_s if upstream else SOMETHING_S
    notifier = adapters.notifiers.get(channel)
    return notifier.longest_s if notifier else SOMETHING_S


def _check_lost(delivery: Delivery) -> None:
    if delivery.lost_leases >= outbox.MAX_LOST_LEASES:
        raise PermanentError("given_up", f"{delivery.lost_leases} tries ended without a word", reach="ours")


def _is_enough(delivery: Delivery, error: DeliveryError) -> bool:
    """A mail that may have arrived goes again, saying so, but not for three days (docs/decisions/0015)."""
    return (
        delivery.destination.startswith("mail:") and _is_copy(error) and delivery.unconfirmed_sends + 1 >= MOST_COPIES
    )


def _is_copy(error: DeliveryError) -> bool:
    """Whether the destination left it open if it took this; our own store's or shutdown's doubts are none of its."""
    return isinstance(error, UncertainError) and error.reach != "ours"


def _in_doubt(error: DeliveryError) -> DeliveryError:
    """A result that could not be written down: what it was about has perhaps happened."""
    if error.code != "store_unavailable":
        return error
    return UncertainError(error.code, error.message, reach="ours")


def _lost(delivery: Delivery) -> Ended:
    log.warning("outbox.lease.lost", id=delivery.id, what=delivery.what, destination=delivery.destination)
    return Ended("lost")


async def _check_suppressed(adapters: Adapters, delivery: Delivery) -> None:
    """No mail to an address that the mail server said it does not know, until it is lifted or some days have passed."""
    channel, _, address = delivery.destination.partition(":")
    if channel != "mail":
        return
    why = await adapters.database.read(suppression.find, address, suppression.ALL, adapters.now())
    if why is not None:
        raise PermanentError(
            "suppressed", f"{why.reason}; no mail to it until {why.until:%F}" if why.until else why.reason
        )


async def _show(attempt: Attempt) -> bool:
    """Draw what is there, or post it; False when there was nothing to say."""
    adapters, delivery = attempt.adapters, attempt.delivery
    item, shown = await adapters.database.read(item_and_messages, delivery.item_id, delivery.destination)
    places: list[PostedMessage | None] = [*shown] or [None]
    late = [message for message in places if message is None or message.version < item.version]
    drawn, failed = await _draw_each(adapters, delivery, item, late, has_twins=len(shown) > 1)
    if failed is None:
        require_lease(await attempt.write_outcome(_shown, delivery, attempt.claim_id, drawn, adapters.now()))
        return bool(drawn)
    if drawn:
        await attempt.write_outcome(_remember, delivery, drawn, adapters.now())
    raise failed


async def _draw_each(
    adapters: Adapters, delivery: Delivery, item: Item, places: Sequence[PostedMessage | None], *, has_twins: bool
) -> tuple[list[Drawn], DeliveryError | None]:
    """What was drawn, also when not all was: a message refused for good must not keep the others as they are."""
    channel, _, address = delivery.destination.partition(":")
    notifier = notifier_of(adapters, channel)
    drawn: list[Drawn] = []
    failed: DeliveryError | None = None
    for message in places:
        maybe_duplicate = message.maybe_delivered or has_twins if message else delivery.maybe_delivered
        name = message.route if message else delivery.payload_as(Routed).route
        route = adapters.rules.route_for(name, delivery.destination, item.snapshot)
        notice = await notice_for(adapters, item, route, delivery, maybe_duplicate=maybe_duplicate)
        try:
            drawn += await _draw(notifier, notice, address, delivery.destination, message)
        except PermanentError as error:
            failed = error
        except DeliveryError as error:
            return drawn, error
    return drawn, failed


async def _draw(
    notifier: Notifier, notice: Notice, address: str, destination: str, message: PostedMessage | None
) -> list[Drawn]:
    reference = message.reference if message else None
    state_shown = message.state_shown if message else None
    delivered = await notifier.deliver(notice, address, reference, state_shown)
    if delivered.reference is None:
        return [(message, None)] if delivered.is_gone else []
    route, version, telling = notice.route.name, notice.item.version, announcement_of(notice.item)
    maybe_duplicate = notice.maybe_duplicate or (notice.is_redelivery and delivered.reference != reference)
    return [(message, PostedMessage(destination, delivered.reference, route, version, telling, maybe_duplicate))]


def _shown(
    connection: Connection,
    delivery: Delivery,
    claim_id: str,
    drawn: Sequence[Drawn],
    now: datetime,
) -> bool:
    _remember(connection, delivery, drawn, now)  # also when the lease was lost: the message is there, and found again
    if outbox.finish(connection, delivery.id, claim_id, now):
        return True
    for shown in filter(None, (shown for _, shown in drawn)):  # somebody else drew too; nobody knows who was last
        messages.doubt(connection, delivery.item_id, shown.destination, shown.reference)
        outbox.enqueue_show(connection, delivery.item_id, shown.destination, shown.route, now)
    return False


def _remember(connection: Connection, delivery: Delivery, drawn: Sequence[Drawn], now: datetime) -> None:
    for before, shown in drawn:
        if before and (shown is None or before.reference != shown.reference):
            messages.forget(connection, delivery.item_id, before.destination, before.reference)
        if shown:
            messages.save(connection, delivery.item_id, shown, now)


async def _fresh_link(attempt: Attempt) -> None:
    """A mail with a new link, to the address whose old one had expired, was spent, or led to nothing."""
    adapters, delivery = attempt.adapters, attempt.delivery
    channel, address = attempt.channel, attempt.address
    item, _ = await adapters.database.read(item_and_messages, delivery.item_id, delivery.destination)
    route = adapters.rules.route_for(delivery.payload_as(Routed).route, delivery.destination, item.snapshot)
    token_id, shown_state = delivery.payload_as(FreshLink).token, None
    notice = await notice_for_mail(adapters, item, route, address, token_id)
    if token_id is None:  # refused: news as what opens or ends is, however it stands now
        notice = replace(notice, occasion=f"refused.{item.version}")
        shown_state = "resolved" if item.state == "open" else "open"
    notice = replace(notice, maybe_duplicate=delivery.maybe_delivered)
    await notifier_of(adapters, channel).deliver(notice, address, None, shown_state)
    await attempt.finish()


async def _tell(attempt: Attempt) -> None:
    adapters, delivery = attempt.adapters, attempt.delivery
    channel, address = attempt.channel, attempt.address
    place = place_of(delivery)
    item, shown = await adapters.database.read(item_and_messages, delivery.item_id, place)
    route, reply = route_of(adapters.rules, item, place, shown), delivery.payload_as(Reply)
    sentence = adapters.translator.say(route.locale, SENTENCES[reply.code], **reply.values)
    await notifier_of(adapters, channel).reply(address, sentence)
    await attempt.finish()


async def _carry_out(attempt: Attempt) -> None:
    adapters, delivery = attempt.adapters, attempt.delivery
    item, action = await adapters.database.read(_item_and_action, delivery)
    source, _, account = delivery.destination.partition(":")
    upstream = adapters.upstreams.get((source, account))
    if upstream is None:
        what = f"{delivery.destination} is not in the configuration any more"
        raise PermanentError("unknown_account", what, reach="ours")
    facts = await upstream.execute(_order(item, action, delivery))
    is_ours = await attempt.write_outcome(
        _carried_out, adapters.rules, delivery, attempt.claim_id, action.id, facts, adapters.now()
    )
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    if any(isinstance(fact, SourceAccepted) for fact in facts):
        adapters.wakeups.notify(reconcile_wakeup(source, account))
    require_lease(is_ours)


def _order(item: Item, action: actions.ActionRow, delivery: Delivery) -> SourceCommand:
    return SourceCommand(
        action_id=action.id,
        key=item.key,
        verb=action.verb,
        person=action.person,
        note=action.note,
        text=action.text,
        asked_at_us=round(action.at.timestamp() * 1_000_000),
        maybe_duplicate=delivery.maybe_delivered,
        case_id=item.snapshot.case_id,
        plan=plan.read(action.terms.plan) if action.terms.plan else None,
        confirmed_by=item.attempt.confirmed_by if item.attempt else None,
    )


def _carried_out(
    connection: Connection,
    rules: Rules,
    delivery: Delivery,
    claim_id: str,
    action_id: int,
    facts: list[Fact],
    now: datetime,
) -> bool:
    """The source's answer and the end of the delivery in one transaction; what was asked never hangs.

    What the source did is true whoever has the row by now, so it is written down also when the lease was lost. Only a
    refusal is then left to the new owner, who asks again, looks first and hears the same: buttons must not come back
    while an order is still on its way.
    """
    is_ours = outbox.finish(connection, delivery.id, claim_id, now)
    if not is_ours and any(isinstance(fact, SourceRefused) for fact in facts):
        return False
    apply_facts(connection, facts, now, rules.routes)
    if not any(isinstance(fact, SourceAccepted | SourceDid | SourceRefused) for fact in facts):
        item = items.find(connection, delivery.item_id)
        if item is not None and item.attempt is not None and item.attempt.action_id == action_id:
            apply_facts(connection, [SourceAccepted(item.key, action_id)], now, rules.routes)
    if is_ours:
        _tell_if_lost(connection, delivery, action_id, now)
    return is_ours


def _tell_if_lost(connection: Connection, delivery: Delivery, action_id: int, now: datetime) -> None:
    """Somebody decided at the source in the meantime: the person who pressed here hears of it."""
    action = actions.find(connection, action_id)
    item = items.find(connection, delivery.item_id)
    if action and item and action.state == "failed" and action.answer_to and item.state == "resolved":
        reply = Reply("resolved_elsewhere", {"outcome": item.outcome or ""})
        outbox.enqueue(connection, delivery.item_id, action.answer_to, reply, now)


def _item_and_action(connection: Connection, delivery: Delivery) -> tuple[Item, actions.ActionRow]:
    item = items.find(connection, delivery.item_id)
    action = actions.find(connection, delivery.payload_as(Command).action_id)
    assert item is not None, f"outbox row {delivery.id} without its item"
    assert action is not None, f"outbox row {delivery.id} without its action"
    return item, action


async def _again(adapters: Adapters, delivery: Delivery, claim_id: str, error: DeliveryError) -> Ended:
    """Due again after a while; or dead when it was tried for too long."""
    now = adapters.now()
    if now - delivery.since > backoff.limit(is_order=delivery.what == COMMAND):
        return await _give_up(adapters, delivery, claim_id, error)
    maybe_delivered, is_uncounted = isinstance(error, UncertainError), breaker.is_uncounted(error)
    chance = random.random()  # noqa: S311 - spreads load, guards nothing
    wait_s = backoff.wait_s(delivery.attempts, error, chance, is_order=delivery.what == COMMAND)
    due_at = now + timedelta(seconds=wait_s)
    release = partial(
        outbox.release, maybe_delivered=maybe_delivered, is_uncounted=is_uncounted, is_copy=_is_copy(error)
    )
    reason = f"{error.code}: {error.message}"
    is_ours = await adapters.write_outcome(release, delivery.id, claim_id, due_at, reason)
    if not is_ours:
        return replace(_lost(delivery), error=error)
    log.warning("outbox.delivery.put_back", id=delivery.id, what=delivery.what, reason=error.code)
    return Ended("uncertain" if maybe_delivered else "retry", error)


async def _give_up(adapters: Adapters, delivery: Delivery, claim_id: str, error: DeliveryError) -> Ended:
    """Dead in the same row; when a source refused what a person asked, its buttons come back with the reason."""
    if not await adapters.write_outcome(_bury, adapters.rules, delivery, claim_id, error, adapters.now()):
        return replace(_lost(delivery), error=error)
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    log.error("outbox.delivery.dead", id=delivery.id, what=delivery.what, reason=error.code)
    return Ended("dead", error)


def _bury(
    connection: Connection,
    rules: Rules,
    delivery: Delivery,
    claim_id: str | None,
    error: DeliveryError,
    now: datetime,
) -> bool:
    is_ours = outbox.mark_dead(connection, delivery.id, claim_id, f"{error.code}: {error.message}", now)
    if not is_ours:
        return False
    if error.code == "recipient_refused":
        address = delivery.destination.partition(":")[2]
        suppression.add(connection, address, suppression.ALL, error.message, now, now + suppression.REFUSED_FOR)
    if delivery.what == COMMAND:
        item = items.find(connection, delivery.item_id)
        if item is not None:
            apply_facts(
                connection,
                [SourceRefused(item.key, delivery.payload_as(Command).action_id, error.message)],
                now,
                rules.routes,
            )
    return True


def bury_overdue(connection: Connection, rules: Rules, now: datetime) -> list[Delivery]:
    """Give up what waits longer than it may without being tried, such as behind a breaker that does not close."""
    late = outbox.find_overdue(
        connection, now, now - backoff.GIVE_UP_ORDER_AFTER, now - backoff.GIVE_UP_AFTER, MOST_BURIED
    )
    for delivery in late:
        waited = "four hours" if delivery.what == COMMAND else "three days"
        error = PermanentError("given_up", f"not done within {waited}", reach="ours")
        _bury(connection, rules, delivery, None, error, now)
    return late


_RUNS: dict[str, Callable[[Attempt], Awaitable[bool | None]]] = {
    SHOW: _show,
    REPLY: _tell,
    COMMAND: _carry_out,
    FRESH_LINK: _fresh_link,
    DIGEST: deliver_digest,
    REMINDER: followups.deliver_reminder,
    UNDO_OFFER: followups.deliver_undo_offer,
    GROUPED: followups.deliver_grouped,
    BURST: grouped.draw,
    ADMIN_ALERT: followups.deliver_admin_alert,
}
