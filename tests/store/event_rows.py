"""Inserts and lists events by id."""

from sqlalchemy import Connection, insert, text

from receiver.store.schema import event
from tests.factories import NOW


def add(connection: Connection, event_id: str) -> str:
    values = {"source": "s", "account": "a", "event_id": event_id, "headers": "{}", "body": b"", "state": "new"}
    connection.execute(insert(event).values(received_at=NOW, due_at=NOW, **values))
    return event_id


def ids(connection: Connection) -> set[str]:
    return set(connection.execute(text("SELECT event_id FROM event")).scalars())
