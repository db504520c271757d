"""When the open items of an account were last heard of, all at once: a pass that finds nothing new writes one row."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select

from receiver.domain.ledger import CLOCKS_DIFFER_BY
from receiver.store import upsert
from receiver.store.schema import heard_out

MOST_UNHEARD = 1_000


@dataclass(frozen=True, slots=True)
class Heard:
    """A pass over an account that began at ``said_at``; of the keys ``but_not`` it heard nothing."""

    said_at: datetime
    but_not: frozenset[str]


def begin(
    connection: Connection,
    source: str,
    account: str,
    said_at: datetime,
    unheard: Collection[str],
    now: datetime,
) -> None:
    """Whatever is open in the account, but for ``unheard``, is about to be told as it was at ``said_at``.

    From here on older words about these items are refused, so the facts of the pass itself come next. It never goes
    back, but where a clock did. A pass that heard nothing of very many is not kept: then each item keeps its own time.
    """
    if len(unheard) > MOST_UNHEARD:
        connection.execute(delete(heard_out).where(heard_out.c.source == source, heard_out.c.account == account))
        return
    values = {"said_at": said_at, "but_not": json.dumps(sorted(unheard))}
    statement = upsert.insert(connection, heard_out).values(source=source, account=account, **values)
    is_next = or_(heard_out.c.said_at <= said_at, heard_out.c.said_at > now + CLOCKS_DIFFER_BY)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["source", "account"], set_=values, where=is_next)
    )


def last(connection: Connection) -> dict[tuple[str, str], Heard]:
    """By (source, account)."""
    rows = connection.execute(_ALL)
    return {(row.source, row.account): Heard(row.said_at, frozenset(json.loads(row.but_not))) for row in rows}


_ALL = select(heard_out)
