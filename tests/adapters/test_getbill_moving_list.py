"""Getbill's list while todos are added and removed between its pages, and the cost of a restart."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from casebell_sandbox.getbill import GetbillStand
from receiver.domain.fact import SourceReported
from receiver.errors import RetryLaterError
from receiver.ports import ChangeHint
from receiver.upstream.getbill.client import Getbill
from tests.getbill_side import Watch, by_key, client_of, failure, key, page, plain, requested_paths, serving

pytestmark = pytest.mark.anyio


def moving(stand: GetbillStand, move: Callable[[], Any]) -> Any:
    """The stand-in; ``move`` changes its list after each page."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await stand.app(scope, receive, send)
        if scope["path"].endswith("/todos"):
            move()

    return app


async def reconcile_all(getbill: Getbill, *open_keys: str) -> list[Any]:
    return list((await getbill.reconcile(open_keys, is_full=False)).facts)


@pytest.mark.parametrize(("each_time", "most"), [(1, 7), (7, 7), (130, 18)])
async def test_a_list_that_grows_while_it_is_read_is_whole_after_one_reading(each_time: int, most: int) -> None:
    watch, stand = Watch(), GetbillStand(clock=Watch())
    todos = [stand.add("agreement") for _ in range(450)]
    pages = iter(range(5))

    def grow() -> None:
        count = each_time if next(pages, None) is not None else 0
        todos.extend(stand.add("agreement") for _ in range(count))

    found = {fact.key for fact in await reconcile_all(client_of(moving(stand, grow), watch))}

    assert {key(todo) for todo in todos} <= found
    assert len(requested_paths(stand, "/todos")) <= most


async def test_a_list_that_grows_at_its_end_is_whole_after_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, stand = Watch(), GetbillStand(clock=Watch())
    newest_first = stand._todos_of_period
    monkeypatch.setattr(stand, "_todos_of_period", lambda request: newest_first(request)[::-1])
    todos = [stand.add("agreement") for _ in range(450)]

    found = {fact.key for fact in await reconcile_all(client_of(moving(stand, lambda: stand.add("agreement")), watch))}

    assert {key(todo) for todo in todos} <= found
    assert len([path for path in requested_paths(stand) if path.endswith("/todos")]) <= 6


async def test_what_came_while_a_list_was_read_is_left_to_the_next_when_the_allowance_ends() -> None:
    watch, stand = Watch(), GetbillStand(clock=Watch())
    todos = [stand.add("agreement") for _ in range(450)]
    stand.access.reads.limit = 5

    def grow() -> None:
        stand.add("agreement")

    found = {fact.key for fact in await reconcile_all(client_of(moving(stand, grow), watch, reads_per_hour=5))}

    assert {key(todo) for todo in todos} <= found


@pytest.mark.parametrize("says_pages", [True, False])
@pytest.mark.parametrize("most", [1, 3], ids=["knows no pages", "shows its last page again"])
async def test_the_search_for_todos_ends_though_no_page_is_short(most: int, says_pages: bool) -> None:
    todos, pages = [plain(f"enc_{n}") for n in range(300)], list[int]()

    def answer(request: Request) -> Response:
        asked_for = int(request.query_params["page"])
        if "debt_id" not in request.query_params:
            pages.append(asked_for)
        number = min(asked_for, most)
        said = {"total": 300, "pages": 3} if says_pages else {}
        return page(todos[(number - 1) * 100 : number * 100], page=number, limit=100, **said)

    hints = [ChangeHint(what="agreement", id=f"enc_gone_{n}") for n in range(8)]

    await client_of(serving(answer), Watch()).fetch(hints, [])

    assert len(pages) <= 12, "three searches, by either name of the type and by none"


@pytest.mark.parametrize("gone", [0, 1, 3, 120])
async def test_a_list_that_shrinks_while_it_is_read_loses_none_of_those_that_stay(gone: int) -> None:
    watch, stand = Watch(), GetbillStand(clock=Watch())
    todos = [stand.add("agreement") for _ in range(450)]
    newest_first = [todo["id"] for todo in reversed(todos)]
    pages = iter(range(3))

    def shrink() -> None:
        if next(pages, None) == 1:  # after the second page, the todos of the first two
            for todo_id in newest_first[20 : 20 + gone]:
                stand.remove(todo_id)

    found = {fact.key for fact in await reconcile_all(client_of(moving(stand, shrink), watch))}

    stay = {key(todo) for todo in todos if todo["id"] in stand.todos}
    assert stay <= found
    assert len(requested_paths(stand, "/todos")) <= 8


async def test_a_few_events_about_old_todos_cost_no_walk_through_the_whole_list() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    old = [stand.add("portal_dispute") for _ in range(900)]
    watch.move(minutes=1)
    new = [stand.add("portal_dispute") for _ in range(5)]
    getbill = client_of(stand.app, watch)
    open_keys = [key(todo) for todo in old]
    getbill.restore_details(open_keys, None)
    hints = [ChangeHint(what=todo["type"], id=todo["id"]) for todo in [*new, old[3]]]

    found = by_key(await getbill.fetch(hints, open_keys))

    assert {key(todo) for todo in [*new, old[3]]} <= found.keys()
    assert len([path for path in requested_paths(stand) if path.endswith("/todos")]) <= 2


async def test_a_restart_reads_nothing_but_pages_of_todos_that_are_known_and_unchanged() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    kinds = ["portal_dispute", "hardship", "ai_dispute"]
    todos = [stand.add(kinds[n % 3]) for n in range(600)]
    decided = [stand.add("hardship", status="validated") for _ in range(20)]
    getbill = client_of(stand.app, watch)
    open_keys = [key(todo) for todo in todos]

    getbill.restore_details([*open_keys, *map(key, decided)], None)
    facts = await reconcile_all(getbill, *open_keys)

    assert set(requested_paths(stand)) == {"/external-api/v1/todos"}
    assert len(requested_paths(stand)) == 7
    assert {fact.key for fact in facts} == set(open_keys)
    assert all(
        isinstance(fact, SourceReported) and fact.snapshot.is_partial and fact.snapshot.is_open for fact in facts
    )


async def test_currencies_are_read_before_everything_else_that_is_missing() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    for _ in range(300):
        stand.add("portal_dispute")
    stand.access.reads.limit = 200

    found = by_key(await reconcile_all(client_of(stand.app, watch, reads_per_hour=200)))

    n_debts, n_singles = len(requested_paths(stand, "/debts/")), len(requested_paths(stand, "/debtor_request/"))
    assert n_debts > 50
    assert n_singles == 0
    assert sum(one.amount is not None and one.amount.currency is not None for one in found.values()) == n_debts


async def test_a_list_that_cannot_be_read_to_its_end_is_not_begun() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    todos = [stand.add("agreement") for _ in range(900)]
    open_keys = [key(todo) for todo in todos]
    stand.access.reads.limit = 20
    getbill = client_of(stand.app, watch, reads_per_hour=20)
    for _ in range(2):
        list((await getbill.reconcile(open_keys, is_full=True)).facts)

    error = await failure(getbill.reconcile(open_keys, is_full=True))

    assert (error.code, len(requested_paths(stand))) == ("budget", 18)


async def test_many_todos_of_which_only_the_single_one_says_enough_leave_the_list_its_reads() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    for _ in range(1_200):
        stand.add("hardship")
    getbill = client_of(stand.app, watch)
    known = set(by_key(await reconcile_all(getbill)))
    new = stand.add("portal_dispute")

    for _ in range(3):
        watch.move(minutes=5)
        with suppress(RetryLaterError):  # raised when a long list is read less often
            known |= {fact.key for fact in await reconcile_all(getbill, *known)}

    assert len(known) > 300
    assert key(new) in known
