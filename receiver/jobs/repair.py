"""Queues another update for messages that show an old version of their item, such as after an update that failed.

It never reads messages from Slack, whose limits for that are low (docs/vendors/slack.md#rate-limits). A message that
was deleted there is noticed when its update fails.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.observability import log
from receiver.store import messages, outbox
from receiver.store.messages import OutdatedMessage

SHORTEST_WAIT = timedelta(minutes=10)
LONGEST_WAIT = timedelta(days=1)


async def repair(adapters: Adapters) -> int:
    """Queue an update for every message that is out of date; return how many."""
    now = adapters.now()
    outdated = await adapters.database.read(messages.list_outdated, now, SHORTEST_WAIT, LONGEST_WAIT)
    if not outdated:
        return 0
    await adapters.database.write(_queue_updates, outdated, now)
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    log.info("messages.repairing", count=len(outdated))
    return len(outdated)


def _queue_updates(connection: Connection, outdated: list[OutdatedMessage], now: datetime) -> None:
    for one in outdated:
        is_retried = one.row_state == "dead" and one.row_id is not None and outbox.retry(connection, one.row_id, now)
        if not is_retried:  # a dead delivery is retried in its row: one message does not leave hundreds of dead rows
            outbox.enqueue_show(connection, one.item_id, one.destination, one.route, now)
