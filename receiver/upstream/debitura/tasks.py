"""One pass over an account's open tasks, trusted only when it is complete (debitura.md, Consequences 2).

Serves step 4. Reads and concludes nothing: what a missing task means is said elsewhere.
"""

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from receiver.errors import DeliveryError, RetryLaterError
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api
from receiver.upstream.debitura.translate import is_open, kind_of


@dataclass(frozen=True, slots=True)
class Listed:
    """An open task of the list, read no further than it must be: a pass may hold a hundred thousand of them."""

    id: str
    kind: str
    case_id: str | None
    raw: bytes  # its JSON

    @property
    def mark(self) -> int:
        """Another one when anything in it is another, as long as this process lives."""
        return hash(self.raw)

    def task(self) -> wire.Task:
        """What it says."""
        return wire.Task.model_validate_json(self.raw)


async def open_tasks(api: Api) -> dict[str, Listed]:
    """Every open task by id. Raises RetryLaterError("incomplete_pass") when the pages do not add up."""
    found: dict[str, Listed] = {}
    words: dict[str, str] = {}  # kinds and cases that repeat are kept once
    totals: set[int | None] = set()
    async for listing in api.tasks("Open"):
        totals.add(listing.page.total_results)
        found.update((task.id, task) for row in listing.rows if (task := _listed(row, words)))
    if totals != {len(found)}:
        raise RetryLaterError("incomplete_pass", "the list of tasks changed while it was read, or is not a whole list")
    return found


def _listed(row: dict[Any, Any], words: dict[str, str]) -> Listed | None:
    head = wire.TaskHead.model_validate(row)
    if head.id is None:
        return None
    kind, case_id = kind_of(head), head.case_id
    if case_id is not None:
        case_id = words.setdefault(case_id, case_id)
    return Listed(head.id, words.setdefault(kind, kind), case_id, json.dumps(row, separators=(",", ":")).encode())


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
