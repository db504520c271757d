"""Many cases at once, as after a start: few calls, and an incomplete list entry is read by itself."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from casebell_sandbox.debitura import DebituraStand
from casebell_sandbox.debitura_api import refusal
from receiver.domain.fact import Fact, SourceReported
from receiver.domain.item import Snapshot
from tests.adapters.debitura_world import Clock, World, calls, world

pytestmark = pytest.mark.anyio
MANY = 60


@pytest.fixture
def stand() -> DebituraStand:
    made = DebituraStand(clock=Clock())
    for _ in range(MANY):
        made.add_task("Generic")
    return made


@pytest.fixture
async def debitura(stand: DebituraStand) -> AsyncIterator[World]:
    async with world(stand.app) as made:
        yield made


def snapshots_of(facts: list[Fact]) -> list[Snapshot]:
    return [fact.snapshot for fact in facts if isinstance(fact, SourceReported)]


async def fetch_snapshots(debitura: World) -> list[Snapshot]:
    return snapshots_of(list((await debitura.client().reconcile((), is_full=False)).facts))


def count_single_reads(stand: DebituraStand) -> int:
    """The number of cases that were read by themselves."""
    return sum(calls(stand, f"/cases/{case_id}") for case_id in stand.cases)


async def test_many_cases_are_read_fifty_in_a_call(debitura: World, stand: DebituraStand) -> None:
    shown = await fetch_snapshots(debitura)

    assert (calls(stand, "/cases"), count_single_reads(stand)) == (2, 0)
    assert len(shown) == MANY
    assert all(one.debtor and one.amount and one.case_reference for one in shown)


@pytest.mark.parametrize("missing", ["debtor", "remainder", "lifecycle"])
async def test_what_a_list_leaves_out_is_read_from_the_case_itself(
    debitura: World, stand: DebituraStand, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stand.cases
    sparse = {case_id: case | {missing: None} for case_id, case in whole.items()}
    monkeypatch.setattr(stand, "cases", Lists(whole, sparse))

    shown = await fetch_snapshots(debitura)

    assert (calls(stand, "/cases"), count_single_reads(stand)) == (2, MANY)
    assert all(one.debtor and one.amount for one in shown)


async def test_what_a_list_does_not_show_is_read_from_the_case_itself(
    debitura: World, stand: DebituraStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand, "cases", Lists(stand.cases, {}))

    assert all(one.debtor for one in await fetch_snapshots(debitura))
    assert count_single_reads(stand) == MANY


async def test_a_list_that_is_refused_costs_no_context(
    debitura: World, stand: DebituraStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand, "cases", Lists(stand.cases, None))

    assert all(one.debtor for one in await fetch_snapshots(debitura))
    assert (calls(stand, "/cases"), count_single_reads(stand)) == (1, MANY)


class Lists(dict[str, Any]):
    """A list of cases that differs from the single cases, or (None) does not exist."""

    def __init__(self, whole: dict[str, Any], listed: dict[str, Any] | None) -> None:
        super().__init__(whole)
        self._listed = listed

    def values(self) -> Any:
        if self._listed is None:
            raise refusal(403, "Forbidden", "No lists for this key.")
        return self._listed.values()
