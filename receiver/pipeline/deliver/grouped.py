"""Step 7 for storms: one message tells of many alerts, and is redrawn as they come and are decided.

It is drawn from the store, whatever happened in between, so any number of changes need one edit. Its edits take no
token of the channel and are few, so that they never come before what a person's press has changed.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.burst import Burst
from receiver.domain.item import Item
from receiver.domain.routing import Route, route_at
from receiver.errors import PermanentError
from receiver.pipeline.deliver.attempt import Attempt, require_lease
from receiver.pipeline.deliver.followups import notifier_of
from receiver.ports import BurstNotifier, Delivered
from receiver.store import groups, outbox, payloads
from receiver.store.groups import GroupRow
from receiver.store.outbox import Delivery


async def follow(adapters: Adapters) -> int:
    """Have redrawn what does not show its storm as it is; how many."""
    late = await adapters.database.write(groups.follow, adapters.now())
    if late:
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return late


async def draw(attempt: Attempt) -> None:
    """Post or redraw the message; what waited for it is then due below it."""
    adapters, delivery = attempt.adapters, attempt.delivery
    channel, address = attempt.channel, attempt.address
    stored, items = await adapters.database.read(_whole, delivery.payload_as(payloads.Burst).group_id)
    notifier = notifier_of(adapters, channel)
    if not items:  # erased meanwhile
        await attempt.finish()
        return
    if not isinstance(notifier, BurstNotifier):
        raise PermanentError("unknown_channel", f"[{channel}] cannot tell of many alerts at once", reach="ours")
    if stored.reference is None and not delivery.maybe_delivered and all(one.state == "resolved" for one in items):
        require_lease(
            await attempt.write_outcome(_forgone, delivery, attempt.claim_id, adapters.now())
        )  # as a single alert would stay silent
        return
    maybe_duplicate = stored.maybe_delivered or (delivery.maybe_delivered and stored.reference is None)
    route, now = _route(adapters.rules, stored, delivery.destination, items), adapters.now()
    shown = Burst(
        tuple(items),
        route,
        stored.began_at,
        now,
        f"{adapters.rules.public_url}/",
        maybe_duplicate,
        delivery.maybe_delivered,
    )
    delivered = await notifier.deliver_burst(shown, address, stored.reference)
    is_anew = delivered.reference != stored.reference
    maybe_delivered = maybe_duplicate or (is_anew and delivery.maybe_delivered)
    is_ours = await attempt.write_outcome(
        _drawn, delivery, attempt.claim_id, delivered, groups.content_key_of(items), maybe_delivered, adapters.now()
    )
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    require_lease(is_ours)


def _route(rules: Rules, stored: GroupRow, place: str, items: Sequence[Item]) -> Route:
    """The storm's own; one message for many masks all debtors when any of them must be masked at this place."""
    own = rules.route_for(stored.route, place, items[0].snapshot)
    is_masked = any(route_at(place, item.snapshot, rules.routes).mask_debtor for item in items)
    return replace(own, mask_debtor=own.mask_debtor or is_masked)


def _forgone(connection: Connection, delivery: Delivery, claim_id: str, now: datetime) -> bool:
    groups.forgo(connection, delivery.payload_as(payloads.Burst).group_id, now)
    return outbox.finish(connection, delivery.id, claim_id, now)


def _whole(connection: Connection, group_id: int) -> tuple[GroupRow, list[Item]]:
    stored = groups.find(connection, group_id)
    assert stored is not None, f"an outbox row for storm {group_id}, which is not in the store"
    return stored, groups.items_of(connection, group_id)


def _drawn(
    connection: Connection,
    delivery: Delivery,
    claim_id: str,
    delivered: Delivered,
    shows: str,
    maybe_delivered: bool,
    now: datetime,
) -> bool:
    """Also when the lease was lost: the message is there, and what waited for it goes on."""
    group_id = delivery.payload_as(payloads.Burst).group_id
    if delivered.reference is None:
        groups.forgo(connection, group_id, now)
    else:
        groups.drawn(connection, group_id, delivered.reference, shows, now, maybe_delivered=maybe_delivered)
    return outbox.finish(connection, delivery.id, claim_id, now)
