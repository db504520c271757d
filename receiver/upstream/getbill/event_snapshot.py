"""Step 4 for Getbill when it cannot be asked now: what an event carries of a todo is told at once. Pure.

An event is a hint, and the next look confirms or corrects what was believed here. It may come late or twice, so it
counts only while it is fresh, and as older than any look (getbill.md, Consequences 3).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from receiver.domain.fact import SourceSaid
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.translate import id_of, snapshot, type_of
from receiver.upstream.strict_json import read_json

FRESH_FOR = timedelta(minutes=15)
AT_LEAST_OLDER = timedelta(seconds=1)  # Getbill's times are whole seconds, and its clock may be ahead of ours


def carried(body: bytes, now: datetime, account: str, todo_url: str | None) -> SourceSaid | None:
    """What the event says of its todo; None when it carries no whole one, or one that may be out of date."""
    try:
        envelope = read_json(body)
    except ValueError:
        return None
    data = _part(envelope, "data")
    for raw in (_part(data, "todo"), data):
        todo = wire.CarriedTodo.model_validate(raw)
        if _is_whole(todo):
            at = todo.updated_at or todo.created_at
            if at is None or abs(now - at) > FRESH_FOR:
                return None
            said = replace(snapshot(todo, None, account, todo_url=todo_url), is_partial=True)
            return SourceSaid(said, min(at, now) - AT_LEAST_OLDER, is_unconfirmed=True)
    return None


def _is_whole(todo: wire.Todo) -> bool:
    """Whether it says what it is, about which debt, and how it stands."""
    if todo.type not in wire.TYPES or id_of(todo) is None or todo.debt is None or todo.debt.id is None:
        return False
    return type_of(todo) == "agreement" or bool(todo.sub_type and todo.status)


def _part(data: Any, name: str) -> Mapping[str, Any]:
    found = data.get(name) if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}
