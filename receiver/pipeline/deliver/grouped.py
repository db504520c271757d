"""Delivers one message for many alerts: those of a burst, and those that quiet hours have deferred.

The message of a burst shows the state of the store, so many changes need one update. Its updates do not use the
channel's rate and are few, so they never delay what a person's click has changed.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.burst import Burst
from receiver.domain.item import Item
from receiver.domain.notice import announcement_of
from receiver.domain.routing import Route, route_at
from receiver.errors import PermanentError
from receiver.pipeline.deliver.attempt import Attempt, notice_for, require_lease
from receiver.ports import BurstNotifier, Delivered, GroupedDelivery
from receiver.store import groups, messages, outbox, payloads
from receiver.store import items as items_store
from receiver.store.groups import GroupRow
from receiver.store.messages import PostedMessage
from receiver.store.outbox import Delivery


async def update_bursts(adapters: Adapters) -> int:
    """Queue an update for every burst whose message is out of date; return how many."""
    count = await adapters.database.write(groups.enqueue_updates, adapters.now())
    if count:
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return count


async def deliver_burst(attempt: Attempt) -> None:
    """Post or update the burst's message; the alerts that waited for it are then due in its thread."""
    adapters, delivery = attempt.adapters, attempt.delivery
    stored, items = await adapters.database.read(_group_and_items, delivery.payload_as(payloads.Burst).group_id)
    notifier = attempt.notifier
    if not items:  # deleted by retention meanwhile
        await attempt.finish()
        return
    if not isinstance(notifier, BurstNotifier):
        raise PermanentError(
            "unknown_channel", f"[{attempt.channel}] cannot show many alerts in one message", scope="internal"
        )
    if stored.reference is None and not delivery.maybe_delivered and all(one.state == "resolved" for one in items):
        # as a single alert would stay silent
        require_lease(await attempt.write_outcome(_skip, delivery, attempt.claim_id, adapters.now()))
        return
    maybe_duplicate = stored.maybe_delivered or (delivery.maybe_delivered and stored.reference is None)
    route, now = _route(adapters.rules, stored, delivery.destination, items), adapters.now()
    url, is_redelivery = f"{adapters.rules.public_url}/", delivery.maybe_delivered
    shown = Burst(tuple(items), route, stored.began_at, now, url, maybe_duplicate, is_redelivery)
    delivered = await notifier.deliver_burst(shown, attempt.address, stored.reference)
    is_anew = delivered.reference != stored.reference
    maybe_delivered = maybe_duplicate or (is_anew and delivery.maybe_delivered)
    is_ours = await attempt.write_outcome(
        _finish, delivery, attempt.claim_id, delivered, groups.content_key_of(items), maybe_delivered, adapters.now()
    )
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    require_lease(is_ours)


def _route(rules: Rules, stored: GroupRow, destination: str, items: Sequence[Item]) -> Route:
    """The burst's route. All debtors are masked when the destination must not see one of them."""
    own = rules.route_for(stored.route, destination, items[0].snapshot)
    is_masked = any(route_at(destination, item.snapshot, rules.routes).mask_debtor for item in items)
    return replace(own, mask_debtor=own.mask_debtor or is_masked)


def _skip(connection: Connection, delivery: Delivery, claim_id: str, now: datetime) -> bool:
    groups.close(connection, delivery.payload_as(payloads.Burst).group_id, now)
    return outbox.finish(connection, delivery.id, claim_id, now)


def _group_and_items(connection: Connection, group_id: int) -> tuple[GroupRow, list[Item]]:
    stored = groups.find(connection, group_id)
    assert stored is not None, f"an outbox row of the alert group {group_id}, which is not in the store"
    return stored, groups.list_items(connection, group_id)


def _finish(
    connection: Connection,
    delivery: Delivery,
    claim_id: str,
    delivered: Delivered,
    shows: str,
    maybe_delivered: bool,
    now: datetime,
) -> bool:
    """Also after a lost lease: the message exists, and the alerts that waited for it go on."""
    group_id = delivery.payload_as(payloads.Burst).group_id
    if delivered.reference is None:
        groups.close(connection, group_id, now)
    else:
        groups.record_message(connection, group_id, delivered.reference, shows, now, maybe_delivered=maybe_delivered)
    return outbox.finish(connection, delivery.id, claim_id, now)


async def deliver_grouped(attempt: Attempt) -> None:
    """Post one message for the alerts that quiet hours have deferred, without those that were decided meanwhile."""
    adapters, delivery = attempt.adapters, attempt.delivery
    name = delivery.payload_as(payloads.Grouped).route
    found = await adapters.database.read(_find_unposted, delivery)
    sent = GroupedDelivery()
    if len(found) > 1:
        routed = [(item, adapters.rules.route_for(name, delivery.destination, item.snapshot)) for item in found]
        notices = [
            await notice_for(adapters, *one, delivery, maybe_duplicate=delivery.maybe_delivered) for one in routed
        ]
        sent = await attempt.notifier.deliver_grouped(notices, attempt.address)
    is_ours = await attempt.write_outcome(
        _finish_grouped, delivery, attempt.claim_id, found, name, sent, adapters.now()
    )
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    require_lease(is_ours)


def _find_unposted(connection: Connection, delivery: Delivery) -> list[Item]:
    """Open items of the delivery without a message at its destination."""
    found = (items_store.find(connection, item_id) for item_id in delivery.payload_as(payloads.Grouped).items)
    return [
        item
        for item in found
        if item and item.state != "resolved" and not messages.list_of_item(connection, item.id, delivery.destination)
    ]


def _finish_grouped(
    connection: Connection,
    delivery: Delivery,
    claim_id: str,
    found: Sequence[Item],
    route: str,
    sent: GroupedDelivery,
    now: datetime,
) -> bool:
    """Store the items that the message shows, and queue the others for its thread."""
    for item in found:
        reference = sent.references.get(item.id)
        if reference is None:
            outbox.enqueue_show(connection, item.id, delivery.destination, route, now, below=sent.below)
        else:
            state = announcement_of(item)
            message = PostedMessage(
                delivery.destination, reference, route, item.version, state, delivery.maybe_delivered
            )
            messages.save(connection, item.id, message, now)
    return outbox.finish(connection, delivery.id, claim_id, now)
