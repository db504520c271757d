"""Builds a provisional fact from the todo inside an event, for the time when Getbill does not answer. Pure.

The next fetch confirms or corrects it. An event may be late or a duplicate, so it counts only while it is recent, and
as older than any fetch. docs/vendors/getbill.md#webhooks
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from receiver.domain.fact import SourceReported
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.translate import id_of, snapshot, type_of
from receiver.upstream.strict_json import read_json

FRESH_FOR = timedelta(minutes=15)
CLOCK_MARGIN = timedelta(seconds=1)  # Getbill's times are whole seconds, and its clock may be ahead of ours


def fact_from_event(body: bytes, now: datetime, account: str, todo_url: str | None) -> SourceReported | None:
    """Return what the event says of its todo; None when the todo is incomplete or may be out of date."""
    try:
        envelope = read_json(body)
    except ValueError:
        return None
    data = _object_at(envelope, "data")
    for raw in (_object_at(data, "todo"), data):
        todo = wire.EventTodo.model_validate(raw)
        if _is_complete(todo):
            changed_at = todo.updated_at or todo.created_at
            if changed_at is None or abs(now - changed_at) > FRESH_FOR:
                return None
            partial = replace(snapshot(todo, None, account, todo_url=todo_url), is_partial=True)
            return SourceReported(partial, min(changed_at, now) - CLOCK_MARGIN, is_unconfirmed=True)
    return None


def _is_complete(todo: wire.Todo) -> bool:
    """Whether the todo has its type, its debt and its status."""
    if todo.type not in wire.TYPES or id_of(todo) is None or todo.debt is None or todo.debt.id is None:
        return False
    return type_of(todo) == "agreement" or bool(todo.sub_type and todo.status)


def _object_at(data: Any, name: str) -> Mapping[str, Any]:
    value = data.get(name) if isinstance(data, Mapping) else None
    return value if isinstance(value, Mapping) else {}
