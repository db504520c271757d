"""Alarms that stand, and what each account last failed with."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, select

from receiver.domain.admin_alert import AdminAlert
from receiver.store import upsert
from receiver.store.schema import admin_alert, failing

_COLUMNS = ("name", "code", "since", "reason")


def standing(connection: Connection) -> dict[str, AdminAlert]:
    """By name."""
    rows = connection.execute(select(*(admin_alert.c[name] for name in _COLUMNS)))
    return {row.name: AdminAlert(*row) for row in rows}


def begin(connection: Connection, new: AdminAlert) -> None:
    connection.execute(admin_alert.insert().values(**asdict(new)))


def end(connection: Connection, name: str) -> None:
    connection.execute(delete(admin_alert).where(admin_alert.c.name == name))


def remember_failure(connection: Connection, source: str, account: str, reason: str, now: datetime) -> None:
    """A pass over the account failed; ``since`` stays what it was while it goes on failing."""
    statement = upsert.insert(connection, failing).values(source=source, account=account, reason=reason, since=now)
    connection.execute(statement.on_conflict_do_update(index_elements=["source", "account"], set_={"reason": reason}))


def forget_failure(connection: Connection, source: str, account: str) -> None:
    connection.execute(delete(failing).where(failing.c.source == source, failing.c.account == account))


def failures(connection: Connection) -> dict[tuple[str, str], tuple[str, datetime]]:
    """Why and since when, by (source, account)."""
    return {(row.source, row.account): (row.reason, row.since) for row in connection.execute(select(failing))}
