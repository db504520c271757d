"""What Prometheus is told of the items is what people see."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from receiver.domain.money import Money
from receiver.jobs.gauges import measure_store
from receiver.store import listing
from receiver.store.listing import Filter
from tests.factories import NOW
from tests.office import office

pytestmark = pytest.mark.anyio


async def test_the_metrics_come_to_what_the_inbox_shows(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        opened_at = NOW - timedelta(days=3)
        await here.say("INV-1", debt_id="one", amount=Money(Decimal("1500.50"), "RSD"), created_at=opened_at)
        await here.say("INV-1b", debt_id="one", amount=Money(Decimal(900), "RSD"), kind="ai_dispute")
        await here.say("INV-2", debt_id="two", amount=Money(Decimal(50), "DKK"))
        await here.say("INV-3", debt_id="three", amount=Money(Decimal(70)))
        await measure_store(here.adapters)
        told = here.adapters.metrics.render().decode().splitlines()
        shown = await here.adapters.database.read(listing.totals, Filter(), here.at)

    assert {str(one.total.currency): one.total.amount for one in shown.at_risk} == {
        "RSD": Decimal("1500.50"),
        "DKK": Decimal(50),
    }
    for line in (
        'casebell_amount_at_risk{currency="RSD"} 1500.5',
        'casebell_amount_at_risk{currency="DKK"} 50.0',
        "casebell_items_without_amount 1.0",
        f"casebell_items_oldest_seconds {timedelta(days=3).total_seconds()}",
    ):
        assert line in told
