"""How Getbill's hourly allowance is spent, and how tokens are fetched."""

import asyncio
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from casebell_sandbox.getbill import GetbillStand
from receiver.domain.action import Plan
from receiver.domain.fact import SourceCompleted, SourceReported
from receiver.domain.money import Money
from receiver.errors import PermanentError, RetryLaterError
from receiver.ports import ChangeHint
from receiver.upstream.getbill.budget import Budget
from receiver.upstream.getbill.client import Getbill
from tests.getbill_side import (
    PAYLOADS,
    Watch,
    by_key,
    client_of,
    command_for,
    failure,
    key,
    requested_paths,
    serving,
)

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


async def test_a_debt_is_read_once_an_hour_and_at_once_when_it_changed(
    getbill: Getbill, stand: GetbillStand, watch: Watch
) -> None:
    todo = stand.add("portal_dispute")
    debt = stand.debts[todo["debt"]["id"]]
    for _ in range(3):
        list((await getbill.reconcile([], is_full=False)).facts)
    assert len(requested_paths(stand, "/debts/")) == 1

    debt["debtor_company"] = "Renamed Ltd"
    told = by_key(await getbill.fetch([ChangeHint(debt_id=debt["id"])], []))
    watch.move(minutes=61)
    list((await getbill.reconcile([], is_full=False)).facts)

    assert told[key(todo)].debtor == "Renamed Ltd"
    assert len(requested_paths(stand, "/debts/")) == 3


async def test_a_debt_that_cannot_be_read_leaves_the_amount_without_a_currency(
    getbill: Getbill, stand: GetbillStand
) -> None:
    todo = stand.add("portal_dispute", amount=1500.0)
    stand.debts.clear()

    found = by_key(list((await getbill.reconcile([], is_full=False)).facts))[key(todo)]

    assert (found.amount, found.debtor) == (Money(Decimal(1500), None), None)


async def test_polling_keeps_reads_for_people(stand: GetbillStand, watch: Watch) -> None:
    stand.access.reads.limit = 40
    for _ in range(60):
        stand.add("portal_dispute")
    getbill = client_of(stand.app, watch, reads_per_hour=40)

    found = by_key(list((await getbill.reconcile([], is_full=False)).facts))

    assert len(found) == 60
    assert getbill.budget.remaining("read") >= 4
    assert any(one.debtor for one in found.values())


async def test_when_the_allowance_is_nearly_used_up_polling_waits_and_a_person_does_not(
    stand: GetbillStand, watch: Watch
) -> None:
    todo = stand.add("portal_dispute")
    stand.access.reads.limit = 40
    getbill = client_of(stand.app, watch)
    for _ in range(36):
        list((await getbill.reconcile([], is_full=False)).facts)

    error = await failure(getbill.reconcile([], is_full=False))
    done = await getbill.execute(command_for(todo))

    assert (type(error), error.code) == (RetryLaterError, "budget")
    assert isinstance(error, RetryLaterError)
    assert error.after_s == 3600
    assert by_key(done)[key(todo)].outcome == "validated"


async def test_a_plan_can_be_changed_with_the_last_reads(stand: GetbillStand, watch: Watch) -> None:
    todo = stand.add("agreement")
    stand.access.reads.limit = 100
    getbill = client_of(stand.app, watch, reads_per_hour=100)
    for _ in range(95):
        getbill.budget.spend("read")
    plan = Plan(3, date(2026, 4, 1), Decimal(50))

    done = await getbill.execute(command_for(todo, "update_plan", plan=plan))

    assert by_key([fact for fact in done if isinstance(fact, SourceReported)])[key(todo)].installments
    assert SourceCompleted(key(todo), 7) in done


async def test_a_new_hardship_waits_for_allowance_rather_than_ring_for_one_already_decided(
    stand: GetbillStand, watch: Watch
) -> None:
    for _ in range(30):
        stand.add("hardship", status="validated")
    stand.access.reads.limit = 20

    assert list((await client_of(stand.app, watch, reads_per_hour=20).reconcile([], is_full=False)).facts) == []


async def test_after_a_429_nothing_is_asked_until_the_time_named_has_passed(
    getbill: Getbill, stand: GetbillStand, watch: Watch
) -> None:
    stand.faults.rate_limit_next, stand.faults.retry_after_s = 1, 600

    first = await failure(getbill.reconcile([], is_full=False))
    second = await failure(getbill.reconcile([], is_full=False))
    calls = len(stand.faults.calls)
    watch.move(seconds=601)
    list((await getbill.reconcile([], is_full=False)).facts)

    assert isinstance(first, RetryLaterError)
    assert (first.code, first.after_s) == ("rate_limited", 600)
    assert (second.code, calls) == ("budget", 1)


async def test_a_429_that_says_so_in_its_body_only_is_heeded_too(watch: Watch) -> None:
    calls = 0

    def too_many(_request: Request) -> Response:
        nonlocal calls
        calls += 1
        return JSONResponse(json.loads((PAYLOADS / "error_429.json").read_bytes()), 429)

    getbill = client_of(serving(too_many), watch)
    codes = [(await failure(getbill.reconcile([], is_full=False))).code for _ in range(3)]

    assert (codes, calls) == (["rate_limited", "budget", "budget"], 1)


def test_what_the_headers_say_beats_our_own_count(watch: Watch) -> None:
    budget = Budget({"read": 1000, "write": 500}, now_s=lambda: watch().timestamp())
    resets = str(int(watch().timestamp()) + 600)

    budget.update_from_headers(
        "read", {"x-ratelimit-remaining": "30", "x-ratelimit-limit": "200", "x-ratelimit-reset": resets}
    )
    budget.spend("read")

    assert (budget.remaining("read"), budget.remaining("write")) == (29, 500)
    watch.move(seconds=601)
    assert budget.remaining("read") == 199


@pytest.mark.parametrize("value", ["", "nan", "-1", "1e9", "٣", "9" * 400, "0x10"])
def test_headers_that_make_no_sense_change_nothing(watch: Watch, value: str) -> None:
    budget = Budget({"read": 1000}, now_s=lambda: watch().timestamp())

    budget.update_from_headers(
        "read", {f"x-ratelimit-{name}": value for name in ("limit", "remaining", "reset", "window")}
    )

    assert budget.remaining("read") == 1000


def test_the_window_slides(watch: Watch) -> None:
    budget = Budget({"read": 100}, window_s=3600, now_s=lambda: watch().timestamp())
    for _ in range(95):
        budget.spend("read")

    with pytest.raises(RetryLaterError) as kept_back:
        budget.spend("read")
    budget.spend("read", is_interactive=True)
    watch.move(seconds=3601)
    budget.spend("read")

    assert kept_back.value.after_s == 3600
    assert budget.remaining("read") == 99


def with_oauth(stand: GetbillStand, watch: Watch, **changes: Any) -> Getbill:
    credentials = {"client_id": stand.access.client_id, "client_secret": stand.access.client_secret} | changes
    return client_of(stand.app, watch, token_url="http://localhost/token", **credentials)


async def test_a_token_is_fetched_once_for_all_who_wait_for_it(stand: GetbillStand, watch: Watch) -> None:
    todos = [stand.add("ai_dispute") for _ in range(5)]
    getbill = with_oauth(stand, watch)
    stand.faults.hang_s = 0.01

    await asyncio.gather(*(getbill.fetch([ChangeHint(what=todo["type"], id=todo["id"])], []) for todo in todos))

    assert requested_paths(stand, "/token", "POST") == ["/token"]


async def test_a_new_token_is_fetched_before_the_old_one_ends(stand: GetbillStand, watch: Watch) -> None:
    statuses: list[str] = []
    getbill = with_oauth(stand, watch, observe=lambda _operation, status, _headers: statuses.append(status))
    list((await getbill.reconcile([], is_full=False)).facts)
    watch.move(minutes=59)
    list((await getbill.reconcile([], is_full=False)).facts)

    assert requested_paths(stand, "/token", "POST") == ["/token", "/token"]
    assert set(statuses) == {"200"}


async def test_a_revoked_token_is_replaced_once(stand: GetbillStand, watch: Watch) -> None:
    todo = stand.add("portal_dispute")
    getbill = with_oauth(stand, watch)
    list((await getbill.reconcile([], is_full=False)).facts)
    stand.access.revoke_tokens()
    stand.faults.hang_s = 0.01

    await asyncio.gather(*(getbill.fetch([ChangeHint(what=todo["type"], id=todo["id"])], []) for _ in range(4)))
    await getbill._api._tokens.replace_rejected("one that was refused long ago")

    assert requested_paths(stand, "/token", "POST") == ["/token", "/token"]


async def test_a_ready_token_that_is_refused_is_permanent(stand: GetbillStand, watch: Watch) -> None:
    stand.access.token = "another"

    error = await failure(client_of(stand.app, watch).reconcile([], is_full=False))

    assert (type(error), error.code, len(stand.faults.calls)) == (PermanentError, "unauthorized", 1)


async def test_wrong_client_credentials_say_so_and_show_no_secret(stand: GetbillStand, watch: Watch) -> None:
    error = await failure(with_oauth(stand, watch, client_secret="wrong-secret").reconcile([], is_full=False))

    assert (type(error), error.code) == (PermanentError, "unauthorized")
    assert "Client authentication failed" in error.message
    assert "wrong-secret" not in error.message


@pytest.mark.parametrize(
    "answer",
    [HTMLResponse("", 502), HTMLResponse("<p>hello</p>"), JSONResponse({"access_token": "a\r\nb"}), JSONResponse([])],
    ids=["down", "HTML", "a token no header may hold", "no object"],
)
async def test_without_a_token_nothing_was_done_also_for_a_decision(watch: Watch, answer: Response) -> None:
    async def token(_request: Request) -> Response:
        return answer

    app = Starlette(routes=[Route("/token", token, methods=["POST"])])
    getbill = client_of(app, watch, token_url="http://localhost/token", client_id="c", client_secret="s")

    error = await failure(getbill.execute(command_for({"type": "ai_detection", "id": "enc_1"})))

    assert isinstance(error, RetryLaterError)
