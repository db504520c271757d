"""Alerts for overdue instalments and check-ins: found by polling, opened once, ended when Getbill says so."""

from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from casebell_sandbox.getbill import GetbillStand
from receiver.domain.fact import Fact, SourceGone, SourceReported
from receiver.ports import ChangeHint
from receiver.upstream.getbill.client import Getbill
from tests.factories import NOW
from tests.getbill_side import Watch, client_of, key, page, requested_paths, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def stand(watch: Watch) -> GetbillStand:
    return GetbillStand(clock=watch)


@pytest.fixture
def getbill(stand: GetbillStand, watch: Watch) -> Getbill:
    return client_of(stand.app, watch)


def late_plan(stand: GetbillStand) -> tuple[dict[str, Any], str]:
    """An agreement whose first instalment was due yesterday, and the key of its alert."""
    plan = stand.add("agreement")
    day = (NOW - timedelta(days=1)).date()
    plan["installments"][0]["payment_date"] = f"{day}T00:00:00+00:00"
    return plan, f"getbill:main:overdue_installment:{plan['id']}:{day}"


def due_hardship(stand: GetbillStand) -> tuple[dict[str, Any], str]:
    """A hardship that was accepted long ago and has a due check-in, and the key of its alert."""
    todo = stand.add("hardship", check_in_due=True)
    stand.set_status(todo["id"], "validated")
    return todo, f"getbill:main:check_in:{todo['id']}:{todo['check_in_date']}"


def kinds(facts: list[Fact]) -> dict[str, str]:
    return {fact.key: fact.snapshot.kind for fact in facts if isinstance(fact, SourceReported)}


def outcomes_of(facts: list[Fact]) -> dict[str, str]:
    return {fact.key: fact.outcome for fact in facts if isinstance(fact, SourceGone)}


async def test_a_late_instalment_is_an_alert_beside_its_plan_and_over_when_paid(
    getbill: Getbill, stand: GetbillStand
) -> None:
    plan, alert = late_plan(stand)

    first = kinds(list((await getbill.reconcile([], is_full=False)).facts))
    plan["installments"][0].update(paid_at="2026-03-02T08:00:00+00:00", status="paid")
    paid = outcomes_of(list((await getbill.reconcile([key(plan), alert], is_full=False)).facts))

    assert first == {key(plan): "agreement", alert: "overdue_installment"}
    assert paid == {alert: "paid"}


async def test_an_old_plan_that_no_list_shows_any_more_is_read_for_its_alert_too(
    getbill: Getbill, stand: GetbillStand, watch: Watch
) -> None:
    plan, alert = late_plan(stand)
    watch.move(days=90)

    still = kinds(list((await getbill.reconcile([key(plan), alert], is_full=False)).facts))
    stand.remove(plan["id"])

    assert alert in still
    assert outcomes_of(list((await getbill.reconcile([key(plan), alert], is_full=False)).facts)) == {
        key(plan): "gone",
        alert: "gone",
    }


async def test_a_plan_that_is_paid_in_full_leaves_no_alert(getbill: Getbill, stand: GetbillStand) -> None:
    plan, alert = late_plan(stand)
    for part in plan["installments"]:
        part.update(paid_at="2026-03-02T08:00:00+00:00", status="paid")

    facts = list((await getbill.reconcile([alert], is_full=False)).facts)

    assert outcomes_of(facts) == {alert: "paid"}


async def test_a_check_in_rings_although_the_hardship_was_decided_long_ago(
    getbill: Getbill, stand: GetbillStand
) -> None:
    todo, alert = due_hardship(stand)

    due = kinds(list((await getbill.reconcile([], is_full=False)).facts))
    todo["check_in_due"] = False
    answered = outcomes_of(list((await getbill.reconcile([alert], is_full=False)).facts))

    assert due == {alert: "check_in"}
    assert answered == {alert: "completed"}


class Listing:
    """A Getbill that serves only the list, which shows the decision of a hardship."""

    def __init__(self, period: str, **fields: Any) -> None:
        self.period = period
        self.todo = {"id": "enc_7", "type": "debtor_request", "sub_type": "hardship", "debt": {"id": "enc_9"}} | fields
        self.reads: list[str] = []

    def client(self, watch: Watch) -> Getbill:
        return client_of(serving(self._answer), watch, observe=lambda operation, *_: self.reads.append(operation))

    def _answer(self, request: Request) -> Response:
        is_shown = request.query_params["period"] in {self.period, "since_beginning"}
        return page([self.todo] if is_shown else [], total=int(is_shown), pages=1, limit=100)


@pytest.mark.parametrize("status", ["validated", " Validated\u200b"])
@pytest.mark.parametrize(
    "due", [{"check_in_due": True}, {"check_in_date": str(NOW.date())}, {"check_in_due": "1"}], ids=["said", "day", "1"]
)
async def test_a_check_in_rings_though_the_list_says_that_the_hardship_was_accepted(
    watch: Watch, status: str, due: dict[str, Any]
) -> None:
    listing = Listing("since_last_month", status=status, **due)
    alert = f"getbill:main:check_in:enc_7:{due.get('check_in_date', '-')}"

    for _ in range(2):  # the second process has just started
        getbill = listing.client(watch)
        assert kinds(list((await getbill.reconcile([], is_full=False)).facts)) == {alert: "check_in"}
        list((await getbill.reconcile([], is_full=False)).facts)
    assert sorted(listing.reads) == ["debts.get"] * 2 + ["todos.list"] * 4


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "rejected ", "check_in_due": True},
        {"status": "validated", "check_in_due": False},
        {"status": "validated", "check_in_date": "1970-01-01"},
        {"status": "validated", "check_in_date": str(NOW.date() + timedelta(days=1))},
    ],
    ids=["rejected", "answered", "no date", "to come"],
)
async def test_no_other_decided_hardship_rings_or_is_read(watch: Watch, fields: dict[str, Any]) -> None:
    listing = Listing("since_last_month", **fields)

    assert list((await listing.client(watch).reconcile([], is_full=False)).facts) == []
    assert listing.reads == ["todos.list"]


async def test_a_check_in_of_a_hardship_of_long_ago_rings_at_the_daily_pass(watch: Watch) -> None:
    getbill = Listing("since_beginning", status="validated", check_in_due=True).client(watch)

    assert list((await getbill.reconcile([], is_full=False)).facts) == []
    assert list(kinds(list((await getbill.reconcile([], is_full=True)).facts)).values()) == ["check_in"]


async def test_an_alert_whose_todo_left_the_recent_list_is_followed_all_the_same(
    getbill: Getbill, stand: GetbillStand, watch: Watch
) -> None:
    todo, alert = due_hardship(stand)
    watch.move(days=45)
    unlisted = kinds(list((await getbill.reconcile([alert], is_full=False)).facts))
    todo["check_in_due"] = False

    facts = list((await getbill.reconcile([alert], is_full=False)).facts)

    assert alert in unlisted
    assert outcomes_of(facts) == {alert: "completed"}
    assert len([path for path in requested_paths(stand) if todo["id"] in path]) <= 4


async def test_an_event_about_the_plan_tells_of_its_alert(getbill: Getbill, stand: GetbillStand) -> None:
    plan, alert = late_plan(stand)

    found = kinds(await getbill.fetch([ChangeHint(debt_id=plan["debt"]["id"])], []))

    assert found == {key(plan): "agreement", alert: "overdue_installment"}


async def test_how_debts_stand_comes_with_every_list_and_costs_no_read(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")
    list((await getbill.reconcile([], is_full=True)).facts)
    reads = len(requested_paths(stand))

    books = await getbill.list_receivables()

    (one,) = [one for book in books for one in book.receivables]
    assert (one.reference, one.standing, one.stage) == (todo["debt"]["reference"], ("disputed", "owed"), "on_hold")
    assert one.debtor == stand.debts[todo["debt"]["id"]]["debtor_company"]
    assert [book.listed for book in books if book.is_complete] == [frozenset({key(todo)})]
    assert len(requested_paths(stand)) == reads


async def test_a_decided_dispute_still_says_how_its_debt_stands(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")
    stand.set_status(todo["id"], "rejected")
    todo["debt"]["status"] = "status.default.settled"

    assert list((await getbill.reconcile([], is_full=False)).facts) == []

    assert [one.standing for book in await getbill.list_receivables() for one in book.receivables] == [("paid",)]
