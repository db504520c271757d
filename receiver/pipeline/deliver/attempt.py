"""One try at one delivery: runs it within its deadline, then stores how it ended.

The network is used outside any transaction. The outcome is stored only while the lease is held.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain import backoff, breaker
from receiver.domain.fact import SourceRefused
from receiver.domain.item import Item
from receiver.domain.notice import Notice
from receiver.domain.routing import Route
from receiver.errors import DeliveryError, PermanentError, UncertainError
from receiver.observability import log
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.notices import notice_for_mail, notice_of
from receiver.ports import Notifier, Upstream
from receiver.store import items, messages, outbox, suppression
from receiver.store.messages import PostedMessage
from receiver.store.outbox import Delivery
from receiver.store.payloads import COMMAND, REPLY, SHOW, UNDO_OFFER, Command, Show

T = TypeVar("T")
MOST_OVERDUE = 50
MOST_COPIES = 3  # of one mail that the mail server never confirmed
DEFAULT_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """``claim_id`` owns the row. ``deadline`` limits the network part, and ends with the first stored outcome."""

    adapters: Adapters
    delivery: Delivery
    claim_id: str
    deadline: asyncio.Timeout

    @property
    def channel(self) -> str:
        return self.delivery.destination.partition(":")[0]

    @property
    def address(self) -> str:
        return self.delivery.destination.partition(":")[2]

    @property
    def notifier(self) -> Notifier:
        """The channel's notifier. Raises PermanentError when the configuration no longer has it."""
        if self.channel not in self.adapters.notifiers:
            what = f"[{self.channel}] is not in the configuration any more"
            raise PermanentError("unknown_channel", what, scope="internal")
        return self.adapters.notifiers[self.channel]

    async def write_outcome(self, work: Callable[..., T], *args: Any) -> T:
        """Store what has happened outside, however long the store is unavailable (``Adapters.write_outcome``)."""
        if not self.deadline.expired():
            self.deadline.reschedule(None)
        return await self.adapters.write_outcome(work, *args)

    async def finish(self) -> None:
        """Mark the delivery as done. Raises LostLeaseError when another process has the row now."""
        require_lease(await self.write_outcome(outbox.finish, self.delivery.id, self.claim_id, self.adapters.now()))


Run = Callable[[Attempt], Awaitable[bool | None]]  # False: there was nothing to send


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a delivery ended. ``result``: done, retry, uncertain, dead or lost. ``error``: why it failed.

    ``was_silent``: there was nothing to send, so nothing is known about the destination.
    """

    result: str
    error: DeliveryError | None = None
    was_silent: bool = False


async def attempt_delivery(adapters: Adapters, delivery: Delivery, claim_id: str, run: Run) -> Outcome:
    """Run one delivery within its deadline, and store the outcome."""
    try:
        await _check(adapters, delivery)
        async with asyncio.timeout(max_duration_s(adapters, delivery)) as deadline:
            has_sent = await run(Attempt(adapters, delivery, claim_id, deadline))
    except outbox.LostLeaseError:
        return _report_lost_lease(delivery)
    except PermanentError as error:
        return await _give_up(adapters, delivery, claim_id, error)
    except DeliveryError as error:
        if _is_last_copy(delivery, error):
            what = f"perhaps sent {MOST_COPIES} times, never confirmed: {error.message}"
            return await _give_up(adapters, delivery, claim_id, PermanentError(error.code, what, scope=error.scope))
        if error.code == "store_unavailable":  # the outcome could not be stored: the delivery may have happened
            error = UncertainError(error.code, error.message, scope="internal")
        return await _retry_later(adapters, delivery, claim_id, error)
    except TimeoutError:
        return await _retry_later(adapters, delivery, claim_id, UncertainError("timeout", "took too long altogether"))
    except Exception as error:  # noqa: BLE001 - logged, and retried before the lease expires
        log.error("outbox.delivery.failed", id=delivery.id, what=delivery.what, error=repr(error), exc_info=error)
        unknown = UncertainError("internal", type(error).__name__, scope="internal")
        return await _retry_later(adapters, delivery, claim_id, unknown)
    return Outcome("done", was_silent=has_sent is False)


def max_duration_s(adapters: Adapters, delivery: Delivery) -> float:
    """The deadline of one try, in seconds."""
    channel, _, account = delivery.destination.partition(":")
    adapter: Notifier | Upstream | None = adapters.notifiers.get(channel)
    if delivery.what == COMMAND:
        adapter = adapters.upstreams.get((channel, account))
    return adapter.max_duration_s if adapter else DEFAULT_LIMIT_S


def _is_last_copy(delivery: Delivery, error: DeliveryError) -> bool:
    """A mail that may have arrived is sent again, with a note, but only a few times (docs/decisions/0015)."""
    is_mail = delivery.destination.startswith("mail:")
    return is_mail and _is_unconfirmed(error) and delivery.unconfirmed_sends + 1 >= MOST_COPIES


def _is_unconfirmed(error: DeliveryError) -> bool:
    """Whether the destination may have accepted it. Uncertainty about our own store or shutdown does not count."""
    return isinstance(error, UncertainError) and error.scope != "internal"


def _report_lost_lease(delivery: Delivery) -> Outcome:
    log.warning("outbox.lease.lost", id=delivery.id, what=delivery.what, destination=delivery.destination)
    return Outcome("lost")


async def _check(adapters: Adapters, delivery: Delivery) -> None:
    """Raises PermanentError after too many lost leases, and for an address on the suppression list."""
    if delivery.lost_leases >= outbox.MAX_LOST_LEASES:
        raise PermanentError("given_up", f"{delivery.lost_leases} tries ended without a result", scope="internal")
    channel, _, address = delivery.destination.partition(":")
    if channel != "mail":
        return
    why = await adapters.database.read(suppression.find, address, suppression.ALL, adapters.now())
    if why is not None:
        until = f"; no mail to it until {why.until:%F}" if why.until else ""
        raise PermanentError("suppressed", f"{why.reason}{until}")


async def _retry_later(adapters: Adapters, delivery: Delivery, claim_id: str, error: DeliveryError) -> Outcome:
    """Make the delivery due again later, or dead when it was tried for too long."""
    now = adapters.now()
    if now - delivery.since > backoff.retry_period(is_command=delivery.what == COMMAND):
        return await _give_up(adapters, delivery, claim_id, error)
    maybe_delivered, is_uncounted = isinstance(error, UncertainError), breaker.is_uncounted(error)
    chance = random.random()  # noqa: S311 - spreads load, guards nothing
    wait_s = backoff.retry_delay_s(delivery.attempts, error, chance, is_command=delivery.what == COMMAND)
    due_at = now + timedelta(seconds=wait_s)
    release = partial(
        outbox.release, maybe_delivered=maybe_delivered, is_uncounted=is_uncounted, is_copy=_is_unconfirmed(error)
    )
    if not await adapters.write_outcome(release, delivery.id, claim_id, due_at, f"{error.code}: {error.message}"):
        return replace(_report_lost_lease(delivery), error=error)
    log.warning("outbox.delivery.put_back", id=delivery.id, what=delivery.what, reason=error.code)
    return Outcome("uncertain" if maybe_delivered else "retry", error)


async def _give_up(adapters: Adapters, delivery: Delivery, claim_id: str, error: DeliveryError) -> Outcome:
    """Mark the delivery dead. When a source refused a command, the item's buttons return with the reason."""
    if not await adapters.write_outcome(_mark_dead, adapters.rules, delivery, claim_id, error, adapters.now()):
        return replace(_report_lost_lease(delivery), error=error)
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    log.error("outbox.delivery.dead", id=delivery.id, what=delivery.what, reason=error.code)
    return Outcome("dead", error)


def _mark_dead(
    connection: Connection, rules: Rules, delivery: Delivery, claim_id: str | None, error: DeliveryError, now: datetime
) -> bool:
    if not outbox.mark_dead(connection, delivery.id, claim_id, f"{error.code}: {error.message}", now):
        return False
    if error.code == "recipient_refused":
        address = delivery.destination.partition(":")[2]
        suppression.add(connection, address, suppression.ALL, error.message, now, now + suppression.BOUNCED_FOR)
    if delivery.what == COMMAND and (item := items.find(connection, delivery.item_id)):
        refused = SourceRefused(item.key, delivery.payload_as(Command).action_id, error.message)
        apply_fact(connection, refused, now, rules.routes)
    return True


def mark_overdue_dead(connection: Connection, rules: Rules, now: datetime) -> list[Delivery]:
    """Mark dead what has waited too long without a try, such as behind a breaker that does not close."""
    overdue = outbox.find_overdue(
        connection, now, now - backoff.GIVE_UP_COMMAND_AFTER, now - backoff.GIVE_UP_AFTER, MOST_OVERDUE
    )
    for delivery in overdue:
        waited = "four hours" if delivery.what == COMMAND else "three days"
        error = PermanentError("given_up", f"not done within {waited}", scope="internal")
        _mark_dead(connection, rules, delivery, None, error, now)
    return overdue


def require_lease(is_ours: bool) -> None:
    """Raises LostLeaseError when another process has claimed the row meanwhile."""
    if not is_ours:
        raise outbox.LostLeaseError


async def notice_for(
    adapters: Adapters, item: Item, route: Route, delivery: Delivery, *, maybe_duplicate: bool
) -> Notice:
    """The notice of the item for the delivery's destination."""
    channel, _, address = delivery.destination.partition(":")
    if channel == "mail":
        return replace(await notice_for_mail(adapters, item, route, address), maybe_duplicate=delivery.maybe_delivered)
    notice = notice_of(adapters, item, route, maybe_duplicate=maybe_duplicate)
    below = delivery.payload_as(Show).below if delivery.what == SHOW else None
    return replace(notice, below=below, is_redelivery=delivery.maybe_delivered)


def channel_destination(delivery: Delivery) -> str:
    """The destination without the person: "slack:C1" of "slack:C1/U1". Only replies and undo offers have one."""
    return delivery.destination.partition("/")[0] if delivery.what in {UNDO_OFFER, REPLY} else delivery.destination


def route_of(rules: Rules, item: Item, destination: str, posted: Sequence[PostedMessage]) -> Route:
    """The route of the item's message at the destination; without one, the route that matches now."""
    return rules.route_for(posted[0].route if posted else "", destination, item.snapshot)


def item_and_messages(connection: Connection, item_id: str, destination: str) -> tuple[Item, list[PostedMessage]]:
    item = items.find(connection, item_id)
    assert item is not None, f"an outbox row for item {item_id}, which does not exist"
    return item, messages.list_of_item(connection, item_id, destination)
