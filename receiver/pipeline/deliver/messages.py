"""Delivers what a destination shows of an item: its message, a fresh link, and a reply to one person.

A message shows the item as it is when it is rendered, so many changes need one delivery.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.domain.item import Item
from receiver.domain.notice import Notice, announcement_of
from receiver.domain.refusal import SENTENCES
from receiver.errors import DeliveryError, PermanentError
from receiver.pipeline.deliver.attempt import (
    Attempt,
    channel_destination,
    item_and_messages,
    notice_for,
    require_lease,
    route_of,
)
from receiver.pipeline.notices import notice_for_mail
from receiver.ports import Notifier
from receiver.store import messages, outbox
from receiver.store.messages import PostedMessage
from receiver.store.outbox import Delivery
from receiver.store.payloads import FreshLink, Reply, Routed

Update = tuple[PostedMessage | None, PostedMessage | None]  # the message before and after


async def deliver_message(attempt: Attempt) -> bool:
    """Update every message of the item at the destination, or post one; False when there was nothing to send."""
    adapters, delivery = attempt.adapters, attempt.delivery
    item, posted = await adapters.database.read(item_and_messages, delivery.item_id, delivery.destination)
    targets: list[PostedMessage | None] = [*posted] or [None]
    outdated = [message for message in targets if message is None or message.version < item.version]
    updates, error = await _send_each(attempt, item, outdated, has_copies=len(posted) > 1)
    if error is None:
        require_lease(await attempt.write_outcome(_finish, delivery, attempt.claim_id, updates, adapters.now()))
        return bool(updates)
    if updates:
        await attempt.write_outcome(_store_messages, delivery, updates, adapters.now())
    raise error


async def _send_each(
    attempt: Attempt, item: Item, targets: Sequence[PostedMessage | None], *, has_copies: bool
) -> tuple[list[Update], DeliveryError | None]:
    """Send each; return what was sent and the error, if any. A message that is refused for good stops no other."""
    adapters, delivery = attempt.adapters, attempt.delivery
    notifier, updates = attempt.notifier, list[Update]()
    refusal: DeliveryError | None = None
    for message in targets:
        maybe_duplicate = message.maybe_delivered or has_copies if message else delivery.maybe_delivered
        name = message.route if message else delivery.payload_as(Routed).route
        route = adapters.rules.route_for(name, delivery.destination, item.snapshot)
        notice = await notice_for(adapters, item, route, delivery, maybe_duplicate=maybe_duplicate)
        try:
            updates += await _send(notifier, notice, attempt, message)
        except PermanentError as error:
            refusal = error
        except DeliveryError as error:
            return updates, error
    return updates, refusal


async def _send(notifier: Notifier, notice: Notice, attempt: Attempt, message: PostedMessage | None) -> list[Update]:
    """Update ``message``, or post one. Nothing is returned when there was nothing to send."""
    reference = message.reference if message else None
    state_shown = message.state_shown if message else None
    delivered = await notifier.deliver(notice, attempt.address, reference, state_shown)
    if delivered.reference is None:
        return [(message, None)] if delivered.is_gone else []
    route, version, state = notice.route.name, notice.item.version, announcement_of(notice.item)
    maybe_duplicate = notice.maybe_duplicate or (notice.is_redelivery and delivered.reference != reference)
    destination = attempt.delivery.destination
    return [(message, PostedMessage(destination, delivered.reference, route, version, state, maybe_duplicate))]


def _finish(
    connection: Connection, delivery: Delivery, claim_id: str, updates: Sequence[Update], now: datetime
) -> bool:
    _store_messages(connection, delivery, updates, now)  # also when the lease was lost: the messages exist
    if outbox.finish(connection, delivery.id, claim_id, now):
        return True
    for message in filter(None, (after for _, after in updates)):  # another process sent too; the last is unknown
        messages.mark_unknown(connection, delivery.item_id, message.destination, message.reference)
        outbox.enqueue_show(connection, delivery.item_id, message.destination, message.route, now)
    return False


def _store_messages(connection: Connection, delivery: Delivery, updates: Sequence[Update], now: datetime) -> None:
    for before, after in updates:
        if before and (after is None or before.reference != after.reference):
            messages.delete(connection, delivery.item_id, before.destination, before.reference)
        if after:
            messages.save(connection, delivery.item_id, after, now)


async def deliver_fresh_link(attempt: Attempt) -> None:
    """Mail a new link to the address whose last one has expired, was used, or led to a refusal."""
    adapters, delivery = attempt.adapters, attempt.delivery
    item, _ = await adapters.database.read(item_and_messages, delivery.item_id, delivery.destination)
    route = adapters.rules.route_for(delivery.payload_as(Routed).route, delivery.destination, item.snapshot)
    token_id, state_shown = delivery.payload_as(FreshLink).token, None
    notice = await notice_for_mail(adapters, item, route, attempt.address, token_id)
    if token_id is None:  # after a refusal: mail it whatever the item's state is
        notice = replace(notice, occasion=f"refused.{item.version}")
        state_shown = "resolved" if item.state == "open" else "open"
    notice = replace(notice, maybe_duplicate=delivery.maybe_delivered)
    await attempt.notifier.deliver(notice, attempt.address, None, state_shown)
    await attempt.finish()


async def deliver_reply(attempt: Attempt) -> None:
    """Say one sentence to the person who clicked."""
    adapters, delivery = attempt.adapters, attempt.delivery
    destination = channel_destination(delivery)
    item, posted = await adapters.database.read(item_and_messages, delivery.item_id, destination)
    route, reply = route_of(adapters.rules, item, destination, posted), delivery.payload_as(Reply)
    sentence = adapters.translator.say(route.locale, SENTENCES[reply.code], **reply.values)
    await attempt.notifier.reply(attempt.address, sentence)
    await attempt.finish()
