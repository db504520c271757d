"""Step 7 for what stands beside an item's message: a word below it, a way back for one person, one message for many.

And what every delivery of an item needs: the item with its messages, its notice, its channel.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.admin_alert import SENTENCES
from receiver.domain.item import Item
from receiver.domain.notice import Notice, announcement_of
from receiver.domain.routing import DEFAULT_ROUTE, Route
from receiver.errors import PermanentError
from receiver.pipeline.deliver.attempt import Attempt, require_lease
from receiver.pipeline.notices import notice_for_mail, notice_of
from receiver.ports import GroupedDelivery, Notifier
from receiver.store import items, messages, outbox
from receiver.store.messages import PostedMessage
from receiver.store.outbox import Delivery
from receiver.store.payloads import REPLY, SHOW, UNDO_OFFER, AdminAlert, Grouped, Reminder, Show


async def deliver_reminder(attempt: Attempt) -> None:
    """A word below what the destination shows; none if somebody has decided meanwhile."""
    adapters, delivery = attempt.adapters, attempt.delivery
    channel, address = attempt.channel, attempt.address
    item, shown = await adapters.database.read(item_and_messages, delivery.item_id, delivery.destination)
    if shown and item.state == "open" and item.snoozed_until is None:
        route = adapters.rules.route_for(shown[-1].route, delivery.destination, item.snapshot)
        notice = await notice_for(adapters, item, route, delivery, maybe_duplicate=False)
        notice = replace(notice, occasion=f"nudge.{delivery.id}")
        await notifier_of(adapters, channel).remind(
            notice, address, shown[-1].reference, delivery.payload_as(Reminder).reminder
        )
    await attempt.finish()


async def deliver_undo_offer(attempt: Attempt) -> None:
    """The way back, to whoever decided; nothing once it is too late for that."""
    adapters, delivery = attempt.adapters, attempt.delivery
    channel, address = attempt.channel, attempt.address
    item, shown = await adapters.database.read(item_and_messages, delivery.item_id, place_of(delivery))
    notice = notice_of(adapters, item, route_of(adapters.rules, item, place_of(delivery), shown))
    if "undo" in notice.verbs:
        await notifier_of(adapters, channel).offer_undo(notice, address)
    await attempt.finish()


async def deliver_admin_alert(attempt: Attempt) -> None:
    """A word to an admin about Casebell itself."""
    adapters, delivery = attempt.adapters, attempt.delivery
    channel, address = attempt.channel, attempt.address
    alert = delivery.payload_as(AdminAlert)
    text = adapters.translator.say(DEFAULT_ROUTE.locale, SENTENCES[alert.code], **alert.values)
    await notifier_of(adapters, channel).send_admin_alert(address, text.strip(), alert.mark, adapters.now())
    await attempt.finish()


async def deliver_grouped(attempt: Attempt) -> None:
    """One message for all that quiet hours held back; what was decided meanwhile is not told."""
    adapters, delivery = attempt.adapters, attempt.delivery
    channel, address = attempt.channel, attempt.address
    name = delivery.payload_as(Grouped).route
    found = await adapters.database.read(_still_new, delivery)
    gathered = GroupedDelivery()
    if len(found) > 1:
        routed = [(item, adapters.rules.route_for(name, delivery.destination, item.snapshot)) for item in found]
        notices = [
            await notice_for(adapters, *one, delivery, maybe_duplicate=delivery.maybe_delivered) for one in routed
        ]
        gathered = await notifier_of(adapters, channel).deliver_grouped(notices, address)
    is_ours = await attempt.write_outcome(_gathered, delivery, attempt.claim_id, found, name, gathered, adapters.now())
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    require_lease(is_ours)


def _still_new(connection: Connection, delivery: Delivery) -> list[Item]:
    """Open items of the delivery that its destination does not show yet."""
    found = (items.find(connection, item_id) for item_id in delivery.payload_as(Grouped).items)
    return [
        item
        for item in found
        if item and item.state != "resolved" and not messages.of_item(connection, item.id, delivery.destination)
    ]


def _gathered(
    connection: Connection,
    delivery: Delivery,
    claim_id: str,
    found: Sequence[Item],
    route: str,
    gathered: GroupedDelivery,
    now: datetime,
) -> bool:
    """Each item now has its place in the message, or gets one in the thread below it."""
    for item in found:
        reference = gathered.references.get(item.id)
        if reference is None:
            outbox.enqueue_show(connection, item.id, delivery.destination, route, now, below=gathered.below)
        else:
            shown = PostedMessage(
                delivery.destination, reference, route, item.version, announcement_of(item), delivery.maybe_delivered
            )
            messages.save(connection, item.id, shown, now)
    return outbox.finish(connection, delivery.id, claim_id, now)


async def notice_for(
    adapters: Adapters, item: Item, route: Route, delivery: Delivery, *, maybe_duplicate: bool
) -> Notice:
    """The item as its destination is to show it."""
    channel, _, address = delivery.destination.partition(":")
    if channel == "mail":
        return replace(await notice_for_mail(adapters, item, route, address), maybe_duplicate=delivery.maybe_delivered)
    notice = notice_of(adapters, item, route, maybe_duplicate=maybe_duplicate)
    below = delivery.payload_as(Show).below if delivery.what == SHOW else None
    return replace(notice, below=below, is_redelivery=delivery.maybe_delivered)


def place_of(delivery: Delivery) -> str:
    """The channel of a word to one person, "slack:C1/U1"; else the destination itself."""
    return delivery.destination.partition("/")[0] if delivery.what in {UNDO_OFFER, REPLY} else delivery.destination


def route_of(rules: Rules, item: Item, place: str, shown: Sequence[PostedMessage]) -> Route:
    """How the place is told of the item: as its message there is, if one stands."""
    return rules.route_for(shown[0].route if shown else "", place, item.snapshot)


def item_and_messages(connection: Connection, item_id: str, destination: str) -> tuple[Item, list[PostedMessage]]:
    item = items.find(connection, item_id)
    assert item is not None, f"outbox row for item {item_id}, which is not in the ledger"
    return item, messages.of_item(connection, item_id, destination)


def notifier_of(adapters: Adapters, channel: str) -> Notifier:
    """The channel. Raises PermanentError when it is not configured any more."""
    notifier = adapters.notifiers.get(channel)
    if notifier is None:
        what = f"[{channel}] is not in the configuration any more"
        raise PermanentError("unknown_channel", what, reach="ours")
    return notifier
