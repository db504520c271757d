"""Failover for a Slack channel that rejects every message: its alerts go by mail until the channel works again.

Every run derives the same from the store, so a process that dies between two runs loses nothing.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.context import Rules
from receiver.domain.admin_alert import CHANNEL_REFUSALS
from receiver.domain.item import Item
from receiver.domain.routing import Route
from receiver.store import groups, items, messages, outbox, undeliverable
from receiver.store.outbox import Delivery
from receiver.store.payloads import Show

PROBE_EVERY = timedelta(minutes=5)


def slack_channels(rules: Rules) -> set[str]:
    """The Slack channels that the routes name."""
    named = (
        destination
        for route in rules.routes
        for destination in (*route.destinations(), *route.escalation_destinations())
    )
    return {destination for destination in named if destination.startswith("slack:")}


def mail_undelivered(connection: Connection, rules: Rules, channel: str, now: datetime) -> int:
    """Mail, once, every open item that ``channel`` should show and does not; return the number of mails."""
    if "mail" not in rules.channels:
        return 0
    return sum(
        _mail(connection, item, address, route, now)
        for delivery, item in _find_undelivered(connection, channel)
        if not messages.list_of_item(connection, item.id, channel)
        for route in (rules.route_for(delivery.payload_as(Show).route, channel, item.snapshot),)
        for address in _fallback_addresses(rules, route)
    )


def probe(connection: Connection, channel: str, now: datetime) -> int:
    """Retry one dead alert to learn whether ``channel`` works again, if nothing else is due there; return 1 or 0."""
    found = list(_find_undelivered(connection, channel))
    ended = [delivery.done_at for delivery, _ in found if delivery.done_at is not None]
    if not found or len(ended) < len(found) or now - max(ended) < PROBE_EVERY:
        return 0
    return int(outbox.retry(connection, found[-1][0].id, now))


def retry_undelivered(connection: Connection, channel: str, now: datetime) -> int:
    """``channel`` works again: retry what it rejected, if it is still open; return how many."""
    groups.retry_dead(connection, channel, now)
    return retry_open(connection, channel, CHANNEL_REFUSALS, now)


def retry_open(connection: Connection, destination: str, codes: Collection[str], now: datetime) -> int:
    """Retry dead deliveries of ``destination`` that failed with one of ``codes``, if still open; return how many."""
    ids = [delivery.id for delivery, _ in _find_undelivered(connection, destination, codes)]
    return sum(
        outbox.retry(connection, id_, now)
        for id_ in (*ids, *undeliverable.list_dead_grouped(connection, destination, codes))
    )


def _find_undelivered(
    connection: Connection, destination: str, codes: Collection[str] = CHANNEL_REFUSALS
) -> Iterator[tuple[Delivery, Item]]:
    """Deliveries about open items that ``destination`` has rejected, or that wait behind those, oldest first."""
    for delivery in undeliverable.list_undeliverable(connection, destination, codes):
        item = items.find(connection, delivery.item_id)
        if item is not None and item.state != "resolved":
            yield delivery, item


def _fallback_addresses(rules: Rules, route: Route) -> tuple[str, ...]:
    """The route's; if it has none, the admins': an alert must reach somebody."""
    admins = (entry for entry in sorted(rules.people.admins) if "@" in entry and not entry.startswith("@"))
    return route.fallback_addresses() or tuple(admins)


def _mail(connection: Connection, item: Item, address: str, route: Route, now: datetime) -> int:
    destination = f"mail:{address}"
    if undeliverable.was_ever_shown(connection, item.id, destination):
        return 0
    outbox.enqueue_show(connection, item.id, destination, route.name, now)
    return 1
