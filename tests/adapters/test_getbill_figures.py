"""Getbill's own counts for a digest, which never use up the allowance that clicks need."""

import pytest

from casebell_sandbox.getbill import GetbillStand
from receiver.domain.digest import SourceFigures
from receiver.ports import HasStatistics
from receiver.upstream.getbill.budget import READ
from tests.getbill_side import Watch, client_of, failure, requested_paths

pytestmark = pytest.mark.anyio


async def test_its_own_count_is_told_as_it_is() -> None:
    stand = GetbillStand()
    stand.add("portal_dispute")
    stand.add("ai_dispute")
    getbill = client_of(stand.app, Watch())

    told = await getbill.figures()

    assert isinstance(getbill, HasStatistics)
    assert told == SourceFigures(
        "getbill", "main", (("debtor_requests", 1), ("ai_detections", 1), ("agreements", 0), ("agreements_overdue", 0))
    )


async def test_it_is_not_asked_with_what_is_kept_back_for_people() -> None:
    stand = GetbillStand()
    getbill = client_of(stand.app, Watch(), reads_per_hour=100)
    for _ in range(95):
        getbill.budget.spend(READ)

    error = await failure(getbill.figures())

    assert error.code == "budget"
    assert requested_paths(stand, "/stats") == []
