"""Reads an account's open tasks; the result counts only when the list is complete.

Derives no facts. docs/vendors/debitura.md#pagination
"""

import marshal
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from receiver.errors import DeliveryError, RetryLaterError
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api
from receiver.upstream.debitura.translate import is_open, kind_of


class ListedTask(NamedTuple):
    """An open task in compact form: a sync may read a hundred thousand of them."""

    id: str
    kind: str
    case_id: str | None
    raw: bytes  # the values of _NAMES and the action, marshalled; never leaves this process

    @property
    def mark(self) -> int:
        """A hash that changes with any field of the task; valid within this process."""
        return hash(self.raw)

    def task(self) -> wire.Task:
        """Return the task with all its fields."""
        *values, method, path = marshal.loads(self.raw)  # noqa: S302 - written by this process
        action = {"method": method, "path": path}
        return wire.Task.model_validate(dict(zip(_NAMES, values, strict=True)) | {"action": action})


_NAMES = tuple(field.alias or name for name, field in wire.Task.model_fields.items() if name != "action")
_ID, _TYPE, _CASE = map(_NAMES.index, ("id", "type", "caseId"))
_PATH = ("method", "path")
_NO_PATH = (None, None)
_MARSHAL_VERSION = 2  # later versions may write equal values as different bytes


async def list_open_tasks(api: Api) -> dict[str, ListedTask]:
    """Return every open task by id. Raises RetryLaterError("incomplete_pass") when the pages are inconsistent."""
    tasks: dict[str, ListedTask] = {}
    kinds: dict[str | None, str] = {}  # by raw type, so that each is parsed once
    cases: dict[str | None, str | None] = {}
    totals: set[int | None] = set()
    async for listing in api.tasks("Open"):
        totals.add(listing.page.total_results)
        tasks.update((task.id, task) for row in listing.rows if (task := _parse_row(row, kinds, cases)))
    if totals != {len(tasks)}:
        raise RetryLaterError("incomplete_pass", "the list of tasks changed while it was read, or is not a whole list")
    return tasks


def _parse_row(
    row: dict[Any, Any], kinds: dict[str | None, str], cases: dict[str | None, str | None]
) -> ListedTask | None:
    values, action = _text_values(row, _NAMES), row.get("action")
    type_, case = values[_TYPE], values[_CASE]
    if type_ not in kinds:
        kinds[type_] = kind_of(type_)
    if case not in cases:
        cases[case] = wire.uuid(case)
    path = _text_values(action, _PATH) if isinstance(action, dict) else _NO_PATH
    task_id = wire.identifier(values[_ID])
    raw = marshal.dumps((*values, *path), _MARSHAL_VERSION)  # four times as fast as JSON
    return None if task_id is None else ListedTask(task_id, kinds[type_], cases[case], raw)


def _text_values(row: dict[Any, Any], names: Sequence[str]) -> list[str | None]:
    """Return the values of these fields, None for each that is not a string."""
    return [value if isinstance(value, str) else None for value in map(row.get, names)]


async def find_solved(api: Api, wanted: AbstractSet[str]) -> set[str]:
    """Return those of ``wanted`` that the first or the last page of solved tasks lists.

    The sort order is not documented, so either end may be the newest: docs/vendors/debitura.md#pagination
    """
    solved: set[str] = set()
    try:
        first = await api.tasks_page("Solved", 1)
        solved |= _solved_ids(first) & wanted
        last = first.page.total_pages or 1
        if solved < wanted and last > 1:
            solved |= _solved_ids(await api.tasks_page("Solved", last)) & wanted
    except DeliveryError:
        return solved  # the sync itself is complete; the next one decides
    return solved


def _solved_ids(listing: wire.Listing) -> set[str]:
    return {task.id for task in map(wire.Task.model_validate, listing.rows) if task.id and not is_open(task)}
