"""The admin alerts that are active."""

from dataclasses import asdict

from sqlalchemy import Connection, delete, select

from receiver.domain.admin_alert import AdminAlert
from receiver.store.schema import admin_alert

_COLUMNS = ("name", "code", "since", "reason")


def list_active(connection: Connection) -> dict[str, AdminAlert]:
    """Admin alerts that have begun and not ended, by name."""
    rows = connection.execute(select(*(admin_alert.c[name] for name in _COLUMNS)))
    return {row.name: AdminAlert(*row) for row in rows}


def begin(connection: Connection, new: AdminAlert) -> None:
    """Store an alert that has begun."""
    connection.execute(admin_alert.insert().values(**asdict(new)))


def end(connection: Connection, name: str) -> None:
    """Delete an alert that has ended."""
    connection.execute(delete(admin_alert).where(admin_alert.c.name == name))
