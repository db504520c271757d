"""One pass over an account's open tasks, trusted only when it is complete (debitura.md, Consequences 2).

Serves step 4. Reads and concludes nothing: what a missing task means is said elsewhere.
"""

import marshal
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from receiver.errors import DeliveryError, RetryLaterError
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api
from receiver.upstream.debitura.translate import is_open, kind_of


class Listed(NamedTuple):
    """An open task of the list, read no further than it must be: a pass may hold a hundred thousand of them."""

    id: str
    kind: str
    case_id: str | None
    raw: bytes  # what of its JSON is ever read: the values of _NAMES and its action; never leaves this process

    @property
    def mark(self) -> int:
        """Another one when anything in it is another, as long as this process lives."""
        return hash(self.raw)

    def task(self) -> wire.Task:
        """What it says."""
        *words, method, path = marshal.loads(self.raw)  # noqa: S302 - ours
        action = {"method": method, "path": path}
        return wire.Task.model_validate(dict(zip(_NAMES, words, strict=True)) | {"action": action})


_NAMES = tuple(field.alias or name for name, field in wire.Task.model_fields.items() if name != "action")
_ID, _TYPE, _CASE = map(_NAMES.index, ("id", "type", "caseId"))
_PATH = ("method", "path")
_NO_PATH = (None, None)
_SAME_BYTES = 2  # a later form of marshal writes the same values now so, now so


async def open_tasks(api: Api) -> dict[str, Listed]:
    """Every open task by id. Raises RetryLaterError("incomplete_pass") when the pages do not add up."""
    found: dict[str, Listed] = {}
    kinds: dict[str | None, str] = {}  # what repeats is read once
    cases: dict[str | None, str | None] = {}
    totals: set[int | None] = set()
    async for listing in api.tasks("Open"):
        totals.add(listing.page.total_results)
        found.update((task.id, task) for row in listing.rows if (task := _listed(row, kinds, cases)))
    if totals != {len(found)}:
        raise RetryLaterError("incomplete_pass", "the list of tasks changed while it was read, or is not a whole list")
    return found


def _listed(row: dict[Any, Any], kinds: dict[str | None, str], cases: dict[str | None, str | None]) -> Listed | None:
    words, action = _texts(row, _NAMES), row.get("action")
    type_, case = words[_TYPE], words[_CASE]
    if type_ not in kinds:
        kinds[type_] = kind_of(type_)
    if case not in cases:
        cases[case] = wire.uuid(case)
    path = _texts(action, _PATH) if isinstance(action, dict) else _NO_PATH
    task_id = wire.identifier(words[_ID])
    raw = marshal.dumps((*words, *path), _SAME_BYTES)  # four times as quick as JSON
    return None if task_id is None else Listed(task_id, kinds[type_], cases[case], raw)


def _texts(row: dict[Any, Any], names: Sequence[str]) -> list[str | None]:
    """What is text of these fields; nothing else is read of a task."""
    return [value if isinstance(value, str) else None for value in map(row.get, names)]


async def solved_among(api: Api, wanted: AbstractSet[str]) -> set[str]:
    """Those of ``wanted`` that the newest solved tasks name.

    Neither end of the list is known to be the newest (section 3), so both are read; what is in neither stays unsaid.
    """
    solved: set[str] = set()
    try:
        first = await api.tasks_page("Solved", 1)
        solved |= _solved_in(first) & wanted
        last = first.page.total_pages or 1
        if solved < wanted and last > 1:
            solved |= _solved_in(await api.tasks_page("Solved", last)) & wanted
    except DeliveryError:
        return solved  # the pass itself was complete; a second one will decide
    return solved


def _solved_in(listing: wire.Listing) -> set[str]:
    return {task.id for task in map(wire.Task.model_validate, listing.rows) if task.id and not is_open(task)}
