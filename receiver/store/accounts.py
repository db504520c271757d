"""What is known of each account of a source: its last complete sync, its failures, its watermarks.

One row of ``account_sync`` per account, which exists from the first sync or failure on.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from receiver.domain.ledger import MAX_CLOCK_SKEW
from receiver.store import upsert
from receiver.store.schema import account_sync

MAX_MISSING = 1_000
Account = tuple[str, str]
"""Source and account."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """A sync that began at ``as_of`` read every open item of the account except the keys in ``missing``."""

    as_of: datetime
    missing: frozenset[str]


def record_sync(connection: Connection, source: str, account: str, now: datetime) -> None:
    """Record a complete sync of the account, which also ends its failures."""
    _save(connection, source, account, synced_at=now, failure=None, failed_since=None)


def last_syncs(connection: Connection) -> dict[Account, datetime]:
    """When each account was last synced completely. Accounts without a complete sync are left out."""
    return {account: row.synced_at for account, row in _rows_with(connection, account_sync.c.synced_at)}


def record_failure(connection: Connection, source: str, account: str, reason: str, now: datetime) -> None:
    """Record a failed sync. ``failed_since`` keeps the time of the first failure in a row."""
    statement = upsert.insert(connection, account_sync).values(
        source=source, account=account, failure=reason, failed_since=now
    )
    since = func.coalesce(account_sync.c.failed_since, statement.excluded.failed_since)
    connection.execute(
        statement.on_conflict_do_update(index_elements=_KEY, set_={"failure": reason, "failed_since": since})
    )


def failures(connection: Connection) -> dict[Account, tuple[str, datetime]]:
    """Accounts whose last sync failed: the reason, and the time of the first failure in a row."""
    return {
        account: (row.failure, row.failed_since) for account, row in _rows_with(connection, account_sync.c.failed_since)
    }


def advance_watermark(
    connection: Connection, source: str, account: str, as_of: datetime, missing: Collection[str], now: datetime
) -> None:
    """Record that every open item of the account except ``missing`` is read as it was at ``as_of``.

    It replaces a write to each unchanged item: from here on older facts about these items are ignored, so the facts of
    the sync itself must be applied next. The watermark never goes back, unless a wrong clock set it into the future.
    With more than ``MAX_MISSING`` missing keys it is erased, and each item keeps its own time.
    """
    if len(missing) > MAX_MISSING:
        _save(connection, source, account, open_items_as_of=None, open_items_missing=None)
        return
    is_next = or_(
        account_sync.c.open_items_as_of.is_(None),
        account_sync.c.open_items_as_of <= as_of,
        account_sync.c.open_items_as_of > now + MAX_CLOCK_SKEW,
    )
    values = {"open_items_as_of": as_of, "open_items_missing": json.dumps(sorted(missing))}
    _save(connection, source, account, where=is_next, **values)


def watermarks(connection: Connection) -> dict[Account, Watermark]:
    """The watermark of each account that has one."""
    return {
        account: Watermark(row.open_items_as_of, frozenset(json.loads(row.open_items_missing)))
        for account, row in _rows_with(connection, account_sync.c.open_items_as_of)
    }


def record_receivables_sync(connection: Connection, source: str, account: str, as_of: datetime) -> None:
    """Record that all receivables of the account were read by a sync that began at ``as_of``."""
    _save(connection, source, account, receivables_as_of=as_of)


def receivables_syncs(connection: Connection) -> dict[Account, datetime]:
    """When the last complete sync of each account's receivables began."""
    return {account: row.receivables_as_of for account, row in _rows_with(connection, account_sync.c.receivables_as_of)}


def _rows_with(connection: Connection, present: ColumnElement[Any]) -> list[tuple[Account, Any]]:
    rows = connection.execute(select(account_sync).where(present.is_not(None)))
    return [((row.source, row.account), row) for row in rows]


def _save(
    connection: Connection, source: str, account: str, *, where: ColumnElement[bool] | None = None, **values: object
) -> None:
    statement = upsert.insert(connection, account_sync).values(source=source, account=account, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=values, where=where))


_KEY = ["source", "account"]
