"""What was read in part: what is known of it stays, and a route that needs the rest waits for it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from receiver.domain.fact import SourceReported
from receiver.domain.item import Detail, Snapshot
from receiver.domain.ledger import Applied, decide
from receiver.domain.money import Money
from receiver.domain.routing import Match, Route, possible_routes, routes_for
from tests.factories import NOW, make_snapshot
from tests.office import office

WHOLE = make_snapshot(amount=Money(Decimal(1500), "EUR"), debtor="Ada", details=(Detail("admin_notes", text="call"),))
PART = replace(WHOLE, amount=Money(Decimal(1500), None), debtor=None, details=(), is_partial=True)
ROUTES = """
[[routes]]
name  = "euros"
match = { currency = ["EUR"] }
slack = ["C0DISPUTES"]

[[routes]]
name  = "francs"
match = { currency = ["CHF"] }
slack = ["C0TASKS"]
"""


def told(first: Snapshot, then: Snapshot) -> Applied:
    opened = decide(None, SourceReported(first, NOW), NOW, "i")
    assert isinstance(opened, Applied)
    decision = decide(opened.item, SourceReported(then, NOW), NOW, "i")
    assert isinstance(decision, Applied)
    return decision


def test_what_was_read_in_part_changes_nothing_that_is_known() -> None:
    assert told(WHOLE, PART).transition is None
    assert told(WHOLE, PART).item.snapshot == WHOLE


def test_what_was_read_in_part_says_what_it_shows_otherwise() -> None:
    said = told(WHOLE, replace(PART, title="Another", amount=Money(Decimal(999), None)))

    assert said.transition == "changed"
    assert said.item.snapshot == replace(WHOLE, title="Another", amount=Money(Decimal(999), "EUR"))


def test_details_that_come_later_are_a_change() -> None:
    assert told(PART, WHOLE).transition == "changed"
    assert told(PART, WHOLE).item.snapshot == WHOLE


def test_a_route_that_asks_for_an_unknown_currency_is_possible_and_does_not_match() -> None:
    euros, francs, all_ = (
        Route("euros", Match(currency=("EUR",))),
        Route("francs", Match(currency=("CHF",))),
        Route("a"),
    )

    assert [*routes_for(PART, [euros, francs, all_])] == [all_]
    assert [*possible_routes(PART, [euros, francs, all_])] == [euros, francs, all_]
    assert [*possible_routes(WHOLE, [francs, euros, all_])] == [euros]


@pytest.mark.anyio
async def test_an_item_rings_where_it_belongs_once_its_currency_is_known(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTES) as here:
        await here.show(PART)
        before = len(here.posts())
        await here.show(WHOLE)
        await here.show(replace(WHOLE, title="Another"))

        assert (before, len(here.posts()), len(here.posts("C0TASKS"))) == (0, 1, 0)


@pytest.mark.anyio
async def test_an_item_whose_currency_stays_unknown_for_an_hour_rings_wherever_it_may_belong(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTES) as here:
        await here.show(PART)
        await here.wait(minutes=59)
        before = len(here.posts())
        here.at += timedelta(minutes=2)
        await here.settle()
        await here.show(WHOLE)
        await here.wait(hours=2)

        assert (before, len(here.posts()), len(here.posts("C0TASKS"))) == (0, 1, 1)
