"""Redraws what shows an older version than its item has when nothing else is about to, such as after an edit that died.

Beside the walk: it only puts rows into the outbox. It never reads what stands in Slack, which is not allowed to be read
that often (slack-and-email.md, A5); what was deleted there is found out by the edit.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.observability import log
from receiver.store import messages, outbox
from receiver.store.messages import Behind

SHORTEST_WAIT = timedelta(minutes=10)
LONGEST_WAIT = timedelta(days=1)


async def repair(adapters: Adapters) -> int:
    """Give what is out of sync another try; how many."""
    now = adapters.now()
    late = await adapters.database.read(messages.behind, now, SHORTEST_WAIT, LONGEST_WAIT)
    if not late:
        return 0
    await adapters.database.write(_try_again, late, now)
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    log.info("messages.repairing", count=len(late))
    return len(late)


def _try_again(connection: Connection, late: list[Behind], now: datetime) -> None:
    for one in late:
        is_raised = one.row_state == "dead" and one.row_id is not None and outbox.retry(connection, one.row_id, now)
        if not is_raised:  # else the same row, so that one message leaves one dead delivery and not hundreds
            outbox.put_show(connection, one.item_id, one.destination, one.route, now)
