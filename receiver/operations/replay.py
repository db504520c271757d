"""Retry of dead deliveries and replay of stored events, for the commands. Both keep their ids.

It only makes rows due again; the loops then process them. A replayed event is interpreted by what the source says now,
so it never causes a second alert.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from receiver.context import CLICKS_WAKEUP, OUTBOX_WAKEUP, Adapters, events_wakeup
from receiver.domain.breaker import breakers_for
from receiver.store import actions, breakers, events, outbox
from receiver.store.outbox import Delivery
from receiver.store.payloads import COMMAND, Command

EVENTS_IN_ONE_COMMIT = 500


@dataclass(frozen=True, slots=True)
class Retried:
    """Ids that are due again, and why the others are not."""

    due: tuple[int, ...]
    refused: dict[int, str]


async def retry(adapters: Adapters, ids: Sequence[int] | None) -> Retried:
    """Retry these dead deliveries, or all of them when ``ids`` is None."""
    retried = await adapters.database.write(_retry, ids, adapters.now())
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    return retried


async def replay(
    adapters: Adapters, *, event_id: str | None = None, since: datetime | None = None, is_quarantined: bool = False
) -> int:
    """Interpret stored events again, in small transactions so that ingest never waits; return how many."""
    count, after = 0, 0
    while True:
        ids = await adapters.database.read(
            lambda connection, after=after: events.list_replayable(
                connection,
                event_id=event_id,
                since=since,
                is_quarantined=is_quarantined,
                after=after,
                most=EVENTS_IN_ONE_COMMIT,
            )
        )
        if not ids:
            return count
        after = ids[-1]
        accounts = await adapters.database.write(events.requeue, ids, adapters.now())
        count += len(accounts)
        for source, account in set(accounts):
            is_click = source in events.CLICK_SOURCES
            adapters.wakeups.notify(CLICKS_WAKEUP if is_click else events_wakeup(source, account))


def _retry(connection: Connection, ids: Sequence[int] | None, now: datetime) -> Retried:
    found = {delivery.id: delivery for delivery in outbox.list_dead(connection, ids)}
    refused = {id_: "is not a dead delivery" for id_ in ids or () if id_ not in found}
    refused |= {id_: why for id_, delivery in found.items() if (why := _find_obstacle(connection, delivery))}
    due = tuple(id_ for id_ in found if id_ not in refused and outbox.retry(connection, id_, now))
    names = {
        name for id_ in due for name in breakers_for(found[id_].destination, is_interactive=found[id_].is_interactive)
    }
    breakers.allow_probe(connection, names, now)  # the operator says that the cause is fixed
    return Retried(due, refused)


def _find_obstacle(connection: Connection, delivery: Delivery) -> str | None:
    """Why a delivery must not be retried. A failed command was reported to people, who may have decided since."""
    if delivery.what != COMMAND:
        return None
    action = actions.find(connection, delivery.payload_as(Command).action_id)
    if action is not None and action.state == "asked":
        return None
    who = action.person.label if action else "the person"
    return f"{who} was told that this failed and has the buttons again: click again, or use `casebell act`"
