"""A todo that Getbill cannot show does not block the others, and its content appears only in the log."""

from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from casebell_sandbox.getbill import GetbillStand
from receiver.errors import RetryLaterError
from receiver.ports import ChangeHint
from tests.getbill_side import Watch, client_of, failure, key

pytestmark = pytest.mark.anyio


def with_failing_todos(stand: GetbillStand, ids: Collection[str], status: int = 500) -> Any:
    """The stand-in, except that these todos answer 500 with a proxy's page."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rpartition("/")[2] in ids:
            await PlainTextResponse("Jane Doe owes 1,500", status)(scope, receive, send)
        else:
            await stand.app(scope, receive, send)

    return app


async def test_a_todo_off_the_list_whose_page_ails_keeps_no_other_from_being_read() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    old = [stand.add("ai_dispute") for _ in range(3)]
    watch.move(days=60)
    new = stand.add("portal_dispute")
    getbill = client_of(with_failing_todos(stand, {old[0]["id"]}), watch)

    facts = list((await getbill.reconcile([key(todo) for todo in old], is_full=False)).facts)

    assert {fact.key for fact in facts} == {key(old[1]), key(old[2]), key(new)}


@pytest.mark.parametrize("known_for_days", [None, 0, 60])
async def test_what_a_list_said_counts_though_the_reads_end_before_its_details(known_for_days: int | None) -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    hardship = stand.add("hardship")
    refusing: list[str] = []
    getbill = client_of(with_failing_todos(stand, refusing, 429), watch)
    open_keys = [] if known_for_days is None else [key(hardship)]
    if known_for_days is not None:
        list((await getbill.reconcile(open_keys, is_full=False)).facts)
        watch.move(days=known_for_days, minutes=5)
    new = stand.add("portal_dispute")
    refusing.append(hardship["id"])

    facts = list((await getbill.reconcile(open_keys, is_full=False)).facts)

    assert {key(new)} <= {fact.key for fact in facts} <= {key(new), *open_keys}


async def test_a_429_that_says_no_time_ends_the_reads_for_a_minute() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    todos = [stand.add("hardship") for _ in range(30)]
    answers: Counter[str] = Counter()
    getbill = client_of(
        with_failing_todos(stand, [todo["id"] for todo in todos], 429),
        watch,
        observe=lambda _name, status, _: answers.update([status]),
    )

    assert list((await getbill.reconcile([], is_full=False)).facts) == []
    assert answers["429"] <= 4, "those that were under way side by side"
    watch.move(minutes=5)
    list((await getbill.reconcile([], is_full=False)).facts)
    assert answers["200"] == 2


async def test_events_do_not_keep_the_same_old_todos_from_being_read_in_turn() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    old = [stand.add("ai_dispute") for _ in range(60)]
    watch.move(days=60)
    new = [stand.add("ai_dispute") for _ in range(7)]
    getbill = client_of(stand.app, watch)
    open_keys = [key(todo) for todo in old]
    found: set[str] = set()

    for _ in range(2):
        found |= {fact.key for fact in (await getbill.reconcile(open_keys, is_full=False)).facts}
        watch.move(minutes=1)
        await getbill.fetch([ChangeHint(what=todo["type"], id=todo["id"]) for todo in new], open_keys)
        watch.move(minutes=4)

    assert set(open_keys) <= found


async def test_when_more_than_a_few_ail_getbill_is_ill_and_the_pass_counts_for_nothing() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    old = [stand.add("ai_dispute") for _ in range(12)]
    watch.move(days=60)

    error = await failure(
        client_of(with_failing_todos(stand, [todo["id"] for todo in old]), watch).reconcile(
            [key(todo) for todo in old], is_full=False
        )
    )

    assert (type(error), error.code) == (RetryLaterError, "server_error")


async def test_what_a_proxy_answers_instead_of_getbill_is_repeated_nowhere() -> None:
    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("Jane Doe owes 1,500")(scope, receive, send)

    error = await failure(client_of(proxy, Watch()).reconcile([], is_full=False))  # type: ignore[arg-type]  # any ASGI app

    assert error.code == "unexpected_answer"
    assert error.message == "Getbill's answer is not a JSON object: text/plain; charset=utf-8"
