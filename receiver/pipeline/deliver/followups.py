"""Delivers what accompanies messages: reminders, undo offers and admin alerts."""

from dataclasses import replace

from receiver.domain.admin_alert import SENTENCES
from receiver.domain.routing import DEFAULT_ROUTE
from receiver.pipeline.deliver.attempt import (
    Attempt,
    channel_destination,
    item_and_messages,
    notice_for,
    route_of,
)
from receiver.pipeline.notices import notice_of
from receiver.store.payloads import AdminAlert, Reminder


async def deliver_reminder(attempt: Attempt) -> None:
    """Post a reminder below the item's message; nothing if somebody has decided meanwhile."""
    adapters, delivery = attempt.adapters, attempt.delivery
    item, posted = await adapters.database.read(item_and_messages, delivery.item_id, delivery.destination)
    if posted and item.state == "open" and item.snoozed_until is None:
        route = adapters.rules.route_for(posted[-1].route, delivery.destination, item.snapshot)
        notice = await notice_for(adapters, item, route, delivery, maybe_duplicate=False)
        notice = replace(notice, occasion=f"reminder.{delivery.id}")
        await attempt.notifier.remind(
            notice, attempt.address, posted[-1].reference, delivery.payload_as(Reminder).reminder
        )
    await attempt.finish()


async def deliver_undo_offer(attempt: Attempt) -> None:
    """Offer an undo to the person who decided; nothing once it is too late."""
    adapters, delivery = attempt.adapters, attempt.delivery
    destination = channel_destination(delivery)
    item, posted = await adapters.database.read(item_and_messages, delivery.item_id, destination)
    notice = notice_of(adapters, item, route_of(adapters.rules, item, destination, posted))
    if "undo" in notice.verbs:
        await attempt.notifier.offer_undo(notice, attempt.address)
    await attempt.finish()


async def deliver_admin_alert(attempt: Attempt) -> None:
    """Send an admin alert to one admin."""
    adapters, delivery = attempt.adapters, attempt.delivery
    alert = delivery.payload_as(AdminAlert)
    text = adapters.translator.say(DEFAULT_ROUTE.locale, SENTENCES[alert.code], **alert.values)
    await attempt.notifier.send_admin_alert(attempt.address, text.strip(), alert.mark, adapters.now())
    await attempt.finish()
