"""A pass over tasks with undocumented values in their fields: each of them is reported."""

import json
from typing import Any

import pytest
from starlette.responses import Response

from receiver.domain.fact import SourceReported
from tests.adapters.debitura_world import in_turn, page, scripted, tasks, world

pytestmark = pytest.mark.anyio

FIELDS = [*tasks(1)[0], "deadline", "dateSolved", "title", "action", "somethingNew"]


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "odd",
    [0.5, 1e300, 10**30, True, [], {"method": 0.5, "path": deep(900)}, deep(900), "\x00\ud800", ""],
    ids=["a fraction", "a large one", "a long one", "yes", "a list", "an object", "very deep", "half a sign", "empty"],
)
async def test_a_task_is_told_of_whatever_its_fields_hold(odd: Any) -> None:
    rows = [tasks(n)[0] | ({} if name == "id" else {name: odd}) for n, name in enumerate(FIELDS, 1)]
    answer = Response(json.dumps(page(rows)), media_type="application/json")
    async with world(scripted({"/tasks": in_turn([answer])})) as made:
        facts = list((await made.client().reconcile((), is_full=False)).facts)

    assert len(facts) == len(FIELDS)
    assert all(isinstance(fact, SourceReported) for fact in facts)
