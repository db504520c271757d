"""Reading the list of todos by type, for events that all have one type."""

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from casebell_sandbox.getbill import GetbillStand
from receiver.ports import ChangeHint
from tests.getbill_side import Watch, by_key, client_of, key, page, plain, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def stand(watch: Watch) -> GetbillStand:
    return GetbillStand(clock=watch)


async def test_many_events_about_one_type_make_us_read_the_list_of_that_type_only(
    stand: GetbillStand, watch: Watch
) -> None:
    getbill, todos = client_of(stand.app, watch), [stand.add("ai_dispute") for _ in range(7)]
    for _ in range(120):
        stand.add("portal_dispute")

    facts = await getbill.fetch([ChangeHint(what=todo["type"], id=todo["id"]) for todo in todos], [])

    lists = [call.query for call in stand.faults.calls if call.path.endswith("/todos")]
    assert {fact.key for fact in facts} == {*map(key, todos)}
    assert [query["type"] for query in lists] == ["ai_detection"]


@pytest.mark.parametrize("taken", ["ai_detection", "non_blocking_dispute", None])
async def test_a_getbill_that_knows_a_type_by_its_old_name_or_none_is_still_asked(
    stand: GetbillStand, watch: Watch, taken: str | None
) -> None:
    todos = [stand.add("ai_dispute") for _ in range(6)]
    names: list[str | None] = []

    async def choosy(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if scope["path"].endswith("/todos"):
            names.append(request.query_params.get("type"))
            if names[-1] != taken:
                await JSONResponse({"error": True, "message": "Invalid type"}, 400)(scope, receive, send)
                return
        await stand.app(scope, receive, send)

    getbill = client_of(choosy, watch)  # type: ignore[arg-type]  # any ASGI app
    found = by_key(await getbill.fetch([ChangeHint(what=todo["type"], id=todo["id"]) for todo in todos], []))

    assert found.keys() == {*map(key, todos)}
    assert names == ["ai_detection", "non_blocking_dispute", None][: len(names)]
    assert names[-1] == taken


async def test_an_empty_list_for_a_type_that_events_named_is_not_believed(watch: Watch) -> None:
    todos = [plain(f"t{n}", type="debtor_request", sub_type="hardship", status="suggested") for n in range(80)]

    def listed(request: Request) -> Response:
        found = todos if request.query_params.get("type") in {None, "blocking_dispute"} else []
        return page(found, page=1, limit=100, total=len(found), pages=1)

    hints = [ChangeHint("debtor_request", f"t{n}") for n in range(80)]
    getbill = client_of(serving(listed), watch)
    listing, pages = await getbill._listing.read_newest(
        "since_last_month", [key(todo) for todo in todos], (), hints[0].what
    )

    assert (len(listing), pages) == (80, 2)
