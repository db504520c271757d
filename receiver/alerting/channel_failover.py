"""A Slack channel that refuses everything: what it would have shown goes by mail, until the channel works again.

Beside the walk: it looks at the store and puts rows into the outbox. Each look finds the same, so a kill between two
looks loses nothing.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.context import Rules
from receiver.domain.admin_alert import PLACE_REFUSALS
from receiver.domain.item import Item
from receiver.domain.routing import Route
from receiver.store import groups, items, messages, outbox, undeliverable
from receiver.store.outbox import Delivery

PROBE_EVERY = timedelta(minutes=5)


def places(rules: Rules) -> set[str]:
    """The Slack channels that the routes name."""
    named = (destination for route in rules.routes for destination in (*route.destinations(), *route.escalated_to()))
    return {destination for destination in named if destination.startswith("slack:")}


def tell_by_mail(connection: Connection, rules: Rules, place: str, now: datetime) -> int:
    """Mail every open item that ``place`` should show and does not, once; how many mails."""
    if "mail" not in rules.channels:
        return 0
    return sum(
        _mail(connection, item, address, route, now)
        for delivery, item in _stuck(connection, place)
        if not messages.of_item(connection, item.id, place)
        for route in (rules.route_for(delivery.value("route") or "", place, item.snapshot),)
        for address in _addresses(rules, route)
    )


def probe(connection: Connection, place: str, now: datetime) -> int:
    """Let one dead alert find out whether ``place`` works again, when nothing else is about to; how many."""
    found = list(_stuck(connection, place))
    ended = [delivery.done_at for delivery, _ in found if delivery.done_at is not None]
    if not found or len(ended) < len(found) or now - max(ended) < PROBE_EVERY:
        return 0
    return int(outbox.retry(connection, found[-1][0].id, now))


def revive(connection: Connection, place: str, now: datetime) -> int:
    """``place`` works again: it shows what it did not take, if it is still open; how many."""
    groups.again(connection, place, now)
    return retry_open(connection, place, PLACE_REFUSALS, now)


def retry_open(connection: Connection, place: str, codes: Collection[str], now: datetime) -> int:
    """Another chance for what died at ``place`` for one of these reasons, if its item is still open; how many."""
    ids = [delivery.id for delivery, _ in _stuck(connection, place, codes)]
    return sum(outbox.retry(connection, id_, now) for id_ in (*ids, *undeliverable.gathered(connection, place, codes)))


def _stuck(
    connection: Connection, place: str, codes: Collection[str] = PLACE_REFUSALS
) -> Iterator[tuple[Delivery, Item]]:
    """Deliveries about open items that ``place`` has refused, or that wait behind those, oldest first."""
    for delivery in undeliverable.at(connection, place, codes):
        item = items.find(connection, delivery.item_id)
        if item is not None and item.state != "resolved":
            yield delivery, item


def _addresses(rules: Rules, route: Route) -> tuple[str, ...]:
    """Of the route; without any the admins, for an alert must reach somebody."""
    named = (entry for entry in sorted(rules.people.admins) if "@" in entry and not entry.startswith("@"))
    return route.stand_ins() or tuple(named)


def _mail(connection: Connection, item: Item, address: str, route: Route, now: datetime) -> int:
    destination = f"mail:{address}"
    if undeliverable.was_ever_shown(connection, item.id, destination):
        return 0
    outbox.put_show(connection, item.id, destination, route.name, now)
    return 1
