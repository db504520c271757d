"""The end of a claimed delivery: done, dead or due again. All match the claim id: a lost lease changes nothing."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, update

from receiver.store.schema import outbox


def finish(connection: Connection, id_: int, claim_id: str, now: datetime) -> bool:
    """Mark the row as done. False: the lease was lost."""
    return _finish_claim(connection, id_, claim_id, state="done", done_at=now, reason=None)


def mark_dead(connection: Connection, id_: int, claim_id: str | None, reason: str, now: datetime) -> bool:
    """Mark the row as dead, with the reason. ``claim_id`` None: it is unclaimed. False: the lease was lost."""
    return _finish_claim(connection, id_, claim_id, state="dead", done_at=now, reason=reason[:500])


def release(
    connection: Connection,
    id_: int,
    claim_id: str,
    due_at: datetime,
    reason: str,
    *,
    maybe_delivered: bool,
    is_uncounted: bool = False,
    is_copy: bool = False,
) -> bool:
    """Make the row due again at ``due_at``. False: the lease was lost.

    ``maybe_delivered``: this attempt may have arrived. ``is_uncounted``: nothing was sent, so it was no attempt.
    ``is_copy``: the destination did not confirm whether it accepted the message.
    """
    values: dict[str, Any] = {"due_at": due_at, "reason": reason[:500]}
    if maybe_delivered:
        values["maybe_delivered"] = True
    if is_copy:
        values["unconfirmed_sends"] = outbox.c.unconfirmed_sends + 1
    if is_uncounted:
        values["attempts"] = outbox.c.attempts - 1
    return _finish_claim(connection, id_, claim_id, **values)


def _finish_claim(connection: Connection, id_: int, claim_id: str | None, **values: Any) -> bool:
    claimed = update(outbox).where(outbox.c.id == id_, outbox.c.claim_id == claim_id)
    return connection.execute(claimed.values(claim_id=None, lease_until=None, **values)).rowcount == 1


def retry(connection: Connection, id_: int, now: datetime) -> bool:
    """Make a dead row due, with all counts at zero, under the id it has. False: it is not dead."""
    values = {"state": "due", "due_at": now, "retried_at": now, "done_at": None}
    values |= {"attempts": 0, "lost_leases": 0, "unconfirmed_sends": 0}
    dead = (outbox.c.id == id_, outbox.c.state == "dead")
    return connection.execute(update(outbox).where(*dead).values(values)).rowcount == 1


def make_due_now(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    """Make unclaimed rows that wait for another attempt due now."""
    waiting = (outbox.c.state == "due", outbox.c.claim_id.is_(None), outbox.c.due_at > now)
    connection.execute(update(outbox).where(*waiting, outbox.c.attempts > 0, which).values(due_at=now))
