"""A todo that Getbill cannot show keeps no other from being read, and none of its words go further than our log."""

from collections.abc import Collection
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from receiver.errors import RetryLaterError
from receiver.sandbox.getbill import GetbillStand
from tests.getbill_side import Watch, client_of, failure, key

pytestmark = pytest.mark.anyio


def ailing(stand: GetbillStand, ids: Collection[str]) -> Any:
    """The stand-in, but the pages of these todos are 500 and an odd page of a proxy."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rpartition("/")[2] in ids:
            await PlainTextResponse("Jane Doe owes 1,500", 500)(scope, receive, send)
        else:
            await stand.app(scope, receive, send)

    return app


async def test_a_todo_off_the_list_whose_page_ails_keeps_no_other_from_being_read() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    old = [stand.add("ai_dispute") for _ in range(3)]
    watch.move(days=60)
    new = stand.add("portal_dispute")
    getbill = client_of(ailing(stand, {old[0]["id"]}), watch)

    facts = list((await getbill.sweep([key(todo) for todo in old], is_full=False)).facts)

    assert {fact.key for fact in facts} == {key(old[1]), key(old[2]), key(new)}


async def test_when_more_than_a_few_ail_getbill_is_ill_and_the_pass_counts_for_nothing() -> None:
    watch = Watch()
    stand = GetbillStand(clock=watch)
    old = [stand.add("ai_dispute") for _ in range(12)]
    watch.move(days=60)

    error = await failure(
        client_of(ailing(stand, [todo["id"] for todo in old]), watch).sweep([key(todo) for todo in old], is_full=False)
    )

    assert (type(error), error.code) == (RetryLaterError, "server_error")


async def test_what_a_proxy_answers_instead_of_getbill_is_repeated_nowhere() -> None:
    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("Jane Doe owes 1,500")(scope, receive, send)

    error = await failure(client_of(proxy, Watch()).sweep([], is_full=False))  # type: ignore[arg-type]  # any ASGI app

    assert error.code == "unexpected_answer"
    assert error.message == "Getbill's answer is no JSON object but text/plain; charset=utf-8"
