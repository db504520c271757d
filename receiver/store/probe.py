"""Whether an event can be stored now: checked by inserting one of realistic size, and deleting it."""

import secrets
from datetime import datetime

from sqlalchemy import Connection, delete, insert

from receiver.store.schema import event

SIZE = 16 * 1024  # some pages, so that a database that cannot grow is noticed


def check_writable(connection: Connection, now: datetime) -> None:
    """Insert an event and delete it. A full or read-only disk fails here as it would for a webhook."""
    values = {"source": "probe", "account": "", "event_id": secrets.token_hex(8), "headers": "{}", "state": "done"}
    row = connection.execute(
        insert(event).values(received_at=now, due_at=now, body=bytes(SIZE), **values).returning(event.c.id)
    )
    connection.execute(delete(event).where(event.c.id == row.scalar_one()))
