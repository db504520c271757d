"""Reading Getbill's todos from the sandbox's stand-in and from servers that behave differently."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from casebell_sandbox.getbill import GetbillStand
from receiver.domain.fact import SourceGone, SourceReported
from receiver.domain.money import Money
from receiver.errors import RetryLaterError
from receiver.ports import ChangeHint, Upstream
from receiver.upstream.getbill.client import Getbill
from receiver.upstream.getbill.inbound import make_verify
from tests.factories import NOW
from tests.getbill_side import (
    KINDS,
    Watch,
    by_key,
    client_of,
    failure,
    key,
    page,
    plain,
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


def test_it_is_an_upstream(getbill: Getbill) -> None:
    upstream: Upstream = getbill

    assert (upstream.source, upstream.account, upstream.poll_every_s) == ("getbill", "main", 300)


async def test_a_sweep_tells_of_every_kind_with_currency_and_debtor(getbill: Getbill, stand: GetbillStand) -> None:
    todos = [stand.add(kind, currency="DKK", amount=1200.0) for kind in KINDS]

    found = by_key(list((await getbill.reconcile([], is_full=False)).facts))

    assert sorted(found) == sorted(map(key, todos))
    assert sorted(one.kind for one in found.values()) == sorted(KINDS)
    assert {one.amount for one in found.values()} == {Money(Decimal(1200), "DKK")}
    assert all(one.debtor and one.is_open for one in found.values())


async def test_what_is_said_counts_from_when_the_pass_began(stand: GetbillStand, watch: Watch) -> None:
    def slow_clock(_operation: str, _status: str, _headers: Mapping[str, str]) -> None:
        watch.move(seconds=30)

    stand.add("portal_dispute")

    facts = list((await client_of(stand.app, watch, observe=slow_clock).reconcile([], is_full=False)).facts)

    assert [fact.said_at for fact in facts if isinstance(fact, SourceReported)] == [NOW]
    assert watch.at > NOW


async def test_many_pages_are_one_pass(getbill: Getbill, stand: GetbillStand) -> None:
    for _ in range(230):
        stand.add("agreement")

    assert len(list((await getbill.reconcile([], is_full=False)).facts)) == 230
    assert len(requested_paths(stand, "/todos")) == 3


async def test_older_todos_are_found_by_a_full_sweep_only(getbill: Getbill, stand: GetbillStand, watch: Watch) -> None:
    old = stand.add("portal_dispute")
    watch.move(days=90)

    assert list((await getbill.reconcile([], is_full=False)).facts) == []
    assert list(by_key(list((await getbill.reconcile([], is_full=True)).facts))) == [key(old)]


@pytest.mark.parametrize("is_sparse", [False, True], ids=["whole singles", "singles as sparse as documented"])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_item_reads_the_same_however_it_was_found(
    stand: GetbillStand, watch: Watch, kind: str, is_sparse: bool
) -> None:
    todo = stand.add(kind)
    stand.is_single_sparse = is_sparse
    hint = (
        ChangeHint(debt_id=todo["debt"]["id"]) if kind == "agreement" else ChangeHint(what=todo["type"], id=todo["id"])
    )
    ours = {key(todo)}

    swept = list((await client_of(stand.app, watch).reconcile(ours, is_full=False)).facts)
    getbill = client_of(stand.app, watch)
    looked = await getbill.fetch([hint], ours)
    by_debt = await getbill.fetch([ChangeHint(debt_id=todo["debt"]["id"])], ours)
    swept_again = list((await getbill.reconcile(ours, is_full=False)).facts)

    assert by_key(swept)[key(todo)].kind == kind
    assert by_key(looked) == by_key(by_debt) == by_key(swept_again) == by_key(swept)


@pytest.mark.parametrize("kind", ["portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection"])
async def test_a_decision_at_getbill_is_found_and_stays_found(
    getbill: Getbill, stand: GetbillStand, watch: Watch, kind: str
) -> None:
    """The list has no status for a hardship, a plan or an objection; only the single todo has one."""
    todo = stand.add(kind)
    list((await getbill.reconcile([], is_full=False)).facts)
    stand.set_status(todo["id"], "rejected")

    resolved = by_key(list((await getbill.reconcile([key(todo)], is_full=False)).facts))[key(todo)]
    watch.move(minutes=5)
    afterwards = list((await getbill.reconcile([], is_full=False)).facts)

    assert (resolved.is_open, resolved.outcome, resolved.verbs) == (False, "rejected", ("reopen",))
    assert resolved.debtor
    assert afterwards == []


async def test_a_decision_taken_back_at_getbill_opens_the_item_again(
    getbill: Getbill, stand: GetbillStand, watch: Watch
) -> None:
    todo = stand.add("hardship", status="validated")
    assert list((await getbill.reconcile([], is_full=False)).facts) == []
    stand.set_status(todo["id"], "suggested")

    by_webhook = by_key(await getbill.fetch([ChangeHint(debt_id=todo["debt"]["id"])], []))
    watch.move(hours=2)
    by_polling = by_key(list((await client_of(stand.app, watch).reconcile([], is_full=False)).facts))

    assert by_webhook[key(todo)].is_open
    assert by_polling[key(todo)].is_open


async def test_what_is_open_here_and_not_in_the_list_is_asked_for(
    getbill: Getbill, stand: GetbillStand, watch: Watch
) -> None:
    gone, old, paid = stand.add("portal_dispute"), stand.add("ai_dispute"), stand.add("agreement")
    for part in paid["installments"]:
        part["paid_at"] = "2026-03-01T00:00:00Z"
    stand.remove(gone["id"])
    watch.move(days=60)
    elsewhere = "getbill:other:ai_detection:enc_1"

    facts = {
        fact.key: fact
        for fact in list((await getbill.reconcile([*map(key, (gone, old, paid)), elsewhere], is_full=False)).facts)
    }

    assert facts.keys() == {key(gone), key(old), key(paid)}
    assert facts[key(gone)] == SourceGone(key(gone), watch.at, is_certain=True)
    assert by_key([facts[key(old)]])[key(old)].is_open
    assert by_key([facts[key(paid)]])[key(paid)].outcome == "completed"


async def test_a_pass_asks_for_fifty_at_most_and_the_others_next_time(getbill: Getbill, watch: Watch) -> None:
    keys = {f"getbill:main:ai_detection:enc_gone_{n}" for n in range(70)}

    first = {fact.key for fact in list((await getbill.reconcile(keys, is_full=False)).facts)}
    watch.move(minutes=5)
    second = {fact.key for fact in list((await getbill.reconcile(keys, is_full=False)).facts)}

    assert len(first) == 50
    assert first | second == keys


async def test_a_failed_page_concludes_nothing(watch: Watch) -> None:
    def second_page_fails(request: Request) -> Response:
        if request.query_params["page"] == "2":
            return HTMLResponse("<h1>502</h1>", 502)
        return page([plain(f"enc_{n}") for n in range(100)], page=1, limit=100, total=150, pages=2)

    error = await failure(
        client_of(serving(second_page_fails), watch).reconcile(["getbill:main:agreement:x"], is_full=False)
    )

    assert (type(error), error.code) == (RetryLaterError, "server_error")


async def test_a_list_that_never_holds_still_concludes_nothing(watch: Watch) -> None:
    served = 0

    def one_more_each_time(request: Request) -> Response:
        nonlocal served
        served += 1
        number = int(request.query_params["page"])
        todos = [plain(f"enc_{served}_{n}") for n in range(100)]
        return page(todos, page=number, limit=100, total=150 + served, pages=2)

    error = await failure(client_of(serving(one_more_each_time), watch).reconcile([], is_full=False))

    assert (type(error), error.code) == (RetryLaterError, "incomplete")


async def test_a_todo_pushed_onto_the_next_page_is_read_again_until_the_list_holds_still(watch: Watch) -> None:
    served = 0

    def new_one_between_the_pages(request: Request) -> Response:
        nonlocal served
        served += 1
        ids = [f"enc_{n}" for n in range(150)] if served == 1 else ["enc_new", *(f"enc_{n}" for n in range(150))]
        start = (int(request.query_params["page"]) - 1) * 100
        return page([plain(i) for i in ids[start : start + 100]], limit=100, total=len(ids), pages=2)

    found = by_key(
        list((await client_of(serving(new_one_between_the_pages), watch).reconcile([], is_full=False)).facts)
    )

    assert len(found) == 151


async def test_a_todo_that_stands_on_two_pages_hides_another_and_the_list_is_read_again(watch: Watch) -> None:
    served = 0

    def one_goes_and_one_comes(request: Request) -> Response:
        nonlocal served
        served += 1
        ids = [f"enc_{n}" for n in range(150)] if served == 1 else ["enc_new", *(f"enc_{n}" for n in range(149))]
        start = (int(request.query_params["page"]) - 1) * 100
        return page([plain(i) for i in ids[start : start + 100]], limit=100, total=150, pages=2)

    found = by_key(list((await client_of(serving(one_goes_and_one_comes), watch).reconcile([], is_full=False)).facts))

    assert "getbill:main:agreement:enc_new" in found
    assert len(found) == 150


@pytest.mark.parametrize(
    "pagination",
    [{}, {"total": 9}, {"total": "3", "pages": "x"}, {"page": 1, "pages": 40}],
    ids=["none", "a wrong total", "other types", "too many pages"],
)
async def test_a_list_with_odd_pagination_is_still_read(watch: Watch, pagination: dict[str, Any]) -> None:
    app = serving(lambda _request: page([plain("enc_1"), plain("enc_2"), plain("enc_1")], **pagination))

    found = by_key(list((await client_of(app, watch).reconcile([], is_full=False)).facts))

    assert sorted(found) == ["getbill:main:agreement:enc_1", "getbill:main:agreement:enc_2"]


async def test_todos_that_are_nothing_we_know_are_shown_or_left_out_but_never_raise(watch: Watch) -> None:
    todos: list[Any] = [None, 5, {}, {"id": None}, {"id": "enc_9", "type": "promise", "debt": 3}]

    found = by_key(
        list((await client_of(serving(lambda _request: page(todos)), watch).reconcile([], is_full=False)).facts)
    )

    assert [(one.key, one.kind) for one in found.values()] == [("getbill:main:promise:enc_9", "promise")]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (HTMLResponse("<h1>Welcome to the hotel's network</h1>"), "unexpected_answer"),
        (JSONResponse([]), "unexpected_answer"),
        (JSONResponse({"todos": None}), "unexpected_answer"),
        (JSONResponse({"error": True, "message": "Company not authorized"}), "refused"),
    ],
)
async def test_an_answer_without_a_list_is_not_an_empty_list(watch: Watch, answer: Response, code: str) -> None:
    error = await failure(
        client_of(serving(lambda _request: answer), watch).reconcile(["getbill:main:x:y"], is_full=False)
    )

    assert error.code == code


async def test_a_webhook_s_way_from_bytes_to_the_todo(getbill: Getbill, stand: GetbillStand, watch: Watch) -> None:
    todo = stand.add("portal_dispute")
    body = stand.event(todo)
    headers = {name.lower(): value for name, value in stand.sign(body).items()}

    make_verify([stand.secret])(body, headers, watch())
    hint = getbill.read(body)

    assert hint is not None
    assert list(by_key(await getbill.fetch([hint], []))) == [key(todo)]


async def test_a_debt_s_todos_are_looked_at_together(getbill: Getbill, stand: GetbillStand) -> None:
    first = stand.add("portal_dispute")
    second = stand.add("hardship", debt=stand.debts[first["debt"]["id"]])
    stand.add("ai_dispute")

    assert set(by_key(await getbill.fetch([ChangeHint(debt_id=first["debt"]["id"])], []))) == {
        key(first),
        key(second),
    }


async def test_few_hints_are_looked_at_singly_and_many_cost_one_sweep(getbill: Getbill, stand: GetbillStand) -> None:
    todos = [stand.add("portal_dispute") for _ in range(6)]
    hints = [ChangeHint(what=todo["type"], id=todo["id"]) for todo in todos]

    few = await getbill.fetch([*hints[:5], *hints[:5]], [])
    lists_for_few = requested_paths(stand, "/todos").count("/external-api/v1/todos")
    many = await getbill.fetch(hints, [])
    lists = requested_paths(stand, "/todos").count("/external-api/v1/todos")

    assert (len(few), lists_for_few) == (5, 0)
    assert (len(many), lists) == (6, 1)


async def test_an_event_about_nothing_in_particular_is_a_sweep(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("ai_dispute")

    assert list(by_key(await getbill.fetch([ChangeHint()], []))) == [key(todo)]


async def test_what_changed_is_read_anew_also_when_many_changed(getbill: Getbill, stand: GetbillStand) -> None:
    todos = [stand.add("hardship", status="validated") for _ in range(6)]
    assert list((await getbill.reconcile([], is_full=False)).facts) == []
    for todo in todos:
        stand.set_status(todo["id"], "suggested")

    found = by_key(await getbill.fetch([ChangeHint(what=todo["type"], id=todo["id"]) for todo in todos], []))

    assert set(found) == set(map(key, todos))


async def test_many_hints_reach_further_back_than_the_sweep(
    getbill: Getbill, stand: GetbillStand, watch: Watch
) -> None:
    todos = [stand.add("ai_dispute") for _ in range(6)]
    watch.move(days=60)

    found = by_key(await getbill.fetch([ChangeHint(what=todo["type"], id=todo["id"]) for todo in todos], []))

    assert set(found) == set(map(key, todos))


async def test_a_note_written_at_getbill_shows_after_its_webhook(getbill: Getbill, stand: GetbillStand) -> None:
    todos = [stand.add("portal_dispute") for _ in range(6)]
    list((await getbill.reconcile([], is_full=False)).facts)
    for todo in todos:
        todo["admin_notes"] = "call him back"

    found = by_key(await getbill.fetch([ChangeHint(what=todo["type"], id=todo["id"]) for todo in todos], []))

    assert [one.details[-1].text for one in found.values()] == ["call him back"] * 6


async def test_a_todo_that_answers_with_another_id_makes_no_second_item(watch: Watch) -> None:
    async def todo(_request: Request) -> Response:
        return JSONResponse({"todo": {"id": "enc_other", "type": "non_blocking_dispute", "status": "suggested"}})

    app = Starlette(routes=[Route("/external-api/v1/todos/ai_detection/enc_1", todo)])

    facts = await client_of(app, watch).fetch([ChangeHint(what="ai_detection", id="enc_1")], [])

    assert list(by_key(facts)) == ["getbill:main:ai_detection:enc_1"]


async def test_a_hinted_todo_that_is_gone_is_gone_for_certain(getbill: Getbill) -> None:
    facts = await getbill.fetch([ChangeHint(what="ai_detection", id="enc_1")], ["getbill:main:ai_detection:enc_1"])

    assert facts == [SourceGone("getbill:main:ai_detection:enc_1", NOW, is_certain=True)]


async def test_an_id_that_getbill_cannot_read_makes_an_event_a_sweep(watch: Watch) -> None:
    def refuses_debts(request: Request) -> Response:
        if "debt_id" in request.query_params:
            return JSONResponse({"error": True, "message": "Invalid debt_id", "code": 400}, 400)
        return page([plain("enc_1")])

    facts = await client_of(serving(refuses_debts), watch).fetch([ChangeHint(debt_id="17")], [])

    assert list(by_key(facts)) == ["getbill:main:agreement:enc_1"]
