"""All actions of people, refused ones included, oldest first, for ``casebell audit``. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from receiver.domain.people import Person
from receiver.store.schema import action, item

_person = TypeAdapter(Person)
_COLUMNS = ("id", "at", "verb", "via", "note", "text", "version", "state", "reason", "finished_at")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action. ``state``: proposed, asked, done, refused (here) or failed (at the source); ``reason``: why."""

    id: int
    at: datetime
    person: Person
    verb: str
    via: str
    note: str | None
    text: str | None
    version: int  # of the item, as the person saw it
    state: str
    reason: str | None
    finished_at: datetime | None
    key: str
    reference: str | None


def list_entries(connection: Connection, since: datetime | None, after_id: int, most: int) -> Sequence[AuditEntry]:
    """At most ``most`` entries after ``after_id``, none from before ``since``."""
    columns = [action.c[name] for name in _COLUMNS]
    chosen = (
        select(*columns, action.c.person, item.c.key, item.c.reference)
        .join(item, item.c.id == action.c.item_id)
        .where(action.c.id > after_id)
        .order_by(action.c.id)
        .limit(most)
    )
    if since is not None:
        chosen = chosen.where(action.c.at >= since)
    rows = connection.execute(chosen)
    return [AuditEntry(**{**row._asdict(), "person": _person.validate_json(row.person)}) for row in rows]
