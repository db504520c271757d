"""Step 7 for storms: one message tells of many alerts, and is redrawn as they come and are decided.

It is drawn from the store, whatever happened in between, so any number of changes need one edit. Its edits take no
token of the channel and are few, so that they never come before what a person's press has changed.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.context import OUTBOX_BELL, Desk
from receiver.domain.burst import Storm
from receiver.domain.item import Item
from receiver.domain.routing import Route, route_at
from receiver.errors import PermanentError
from receiver.pipeline.deliver.followups import held, notifier_of
from receiver.ports import Delivered, StormNotifier
from receiver.store import groups, outbox
from receiver.store.groups import Stored
from receiver.store.outbox import Delivery


async def follow(desk: Desk) -> int:
    """Have redrawn what does not show its storm as it is; how many."""
    late = await desk.database.write(groups.follow, desk.now())
    if late:
        desk.bells.ring(OUTBOX_BELL)
    return late


async def draw(desk: Desk, delivery: Delivery, claim_id: str) -> None:
    """Post or redraw the message; what waited for it is then due below it."""
    channel, _, address = delivery.destination.partition(":")
    stored, items = await desk.database.read(_whole, delivery.value("storm"))
    notifier = notifier_of(desk, channel)
    if not items:  # erased meanwhile
        held(await desk.write_down(outbox.finish, delivery.id, claim_id, desk.now()))
        return
    if not isinstance(notifier, StormNotifier):
        raise PermanentError("unknown_channel", f"[{channel}] cannot tell of many alerts at once", reach="ours")
    if stored.reference is None and not delivery.is_doubtful and all(one.state == "resolved" for one in items):
        held(await desk.write_down(_forgone, delivery, claim_id, desk.now()))  # as a single alert would stay silent
        return
    may_repeat = stored.is_doubtful or (delivery.is_doubtful and stored.reference is None)
    route, now = _route(desk, stored, delivery.destination, items), desk.now()
    shown = Storm(tuple(items), route, stored.began_at, now, f"{desk.public_url}/", may_repeat, delivery.is_doubtful)
    delivered = await notifier.storm(shown, address, stored.reference)
    is_anew = delivered.reference != stored.reference
    is_doubtful = may_repeat or (is_anew and delivery.is_doubtful)
    is_ours = await desk.write_down(_drawn, desk, delivery, claim_id, delivered, groups.sum_of(items), is_doubtful)
    desk.bells.ring(OUTBOX_BELL)
    held(is_ours)


def _route(desk: Desk, stored: Stored, place: str, items: Sequence[Item]) -> Route:
    """The storm's own; one message for many masks all debtors when any of them must be masked at this place."""
    own = desk.route(stored.route, place, items[0].snapshot)
    is_masked = any(route_at(place, item.snapshot, desk.routes).mask_debtor for item in items)
    return replace(own, mask_debtor=own.mask_debtor or is_masked)


def _forgone(connection: Connection, delivery: Delivery, claim_id: str, now: datetime) -> bool:
    groups.forgo(connection, delivery.value("storm"), now)
    return outbox.finish(connection, delivery.id, claim_id, now)


def _whole(connection: Connection, storm_id: int) -> tuple[Stored, list[Item]]:
    stored = groups.find(connection, storm_id)
    assert stored is not None, f"an outbox row for storm {storm_id}, which is not in the store"
    return stored, groups.items_of(connection, storm_id)


def _drawn(
    connection: Connection,
    desk: Desk,
    delivery: Delivery,
    claim_id: str,
    delivered: Delivered,
    shows: str,
    is_doubtful: bool,
) -> bool:
    """Also when the lease was lost: the message is there, and what waited for it goes on."""
    storm_id, now = delivery.value("storm"), desk.now()
    if delivered.reference is None:
        groups.forgo(connection, storm_id, now)
    else:
        groups.drawn(connection, storm_id, delivered.reference, shows, now, is_doubtful=is_doubtful)
    return outbox.finish(connection, delivery.id, claim_id, now)
