"""All cases of an account, including those without a task: how often they are read, and when a list counts."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from casebell_sandbox.debitura import DebituraStand
from receiver.domain.fact import SourceGone, SourceReported
from receiver.domain.twin import Receivable
from receiver.errors import DeliveryError
from receiver.ports import ChangeHint, ReceivableBatch
from tests.adapters.debitura_world import Clock, World, calls, in_turn, page, scripted, uuid, world

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stand(clock: Clock) -> DebituraStand:
    return DebituraStand(clock=clock)


@pytest.fixture
async def debitura(stand: DebituraStand, clock: Clock) -> AsyncIterator[World]:
    async with world(stand.app, clock) as made:
        yield made


def receivables_of(batches: Iterable[ReceivableBatch]) -> dict[str, Receivable]:
    return {one.reference: one for batch in batches for one in batch.receivables}


def listing(*numbers: int, **pages: Any) -> dict[str, Any]:
    cases = [{"id": uuid(n), "creditorReference": f"INV-{n}", "lifecycle": "Active"} for n in numbers]
    return {"page": page(cases, **pages)["page"], "cases": cases}


async def test_a_case_nobody_waits_for_is_known(debitura: World, stand: DebituraStand) -> None:
    case = stand.add_case()

    (batch,) = await debitura.client(case_url="https://d.example/{id}").list_receivables()

    one = receivables_of([batch])[case["creditorReference"]]
    assert batch.is_complete
    assert batch.listed == frozenset({one.key})
    assert (one.name, one.stage, one.partner) == (case["reference"], "Active", "Inkasso Nord AB")
    assert one.url == f"https://d.example/{case['id']}"


async def test_the_list_is_read_once_in_ten_polls_however_many_tasks_there_are(
    debitura: World, stand: DebituraStand, clock: Clock
) -> None:
    for _ in range(150):
        stand.add_task("Generic")
    client = debitura.client()
    for _ in range(21):
        list((await client.reconcile((), is_full=False)).facts)
        await client.list_receivables()
        clock.move(seconds=60)

    by_id = 3  # fifty in a call, for the first pass over the tasks
    assert calls(stand, "/cases") == by_id + 3 * 2  # two pages, three times in 21 minutes


async def test_a_longer_list_is_read_less_often(clock: Clock) -> None:
    asked: list[int] = []

    def endless(request: Request) -> Response:
        number = int(request.query_params["Page"])
        asked.append(number)
        return JSONResponse(listing(number, totalPages=200, totalResults=200, currentPage=number))

    async with world(scripted({"/cases": endless}), clock) as made:
        client = made.client()
        for _ in range(7):
            await client.list_receivables()
            clock.move(minutes=10)

    assert len(asked) == 2 * 200  # every 40 minutes, not every ten


async def test_an_event_about_a_case_has_it_read_at_once_and_the_list_at_the_next_poll(
    debitura: World, stand: DebituraStand, clock: Clock
) -> None:
    case = stand.add_case()
    client = debitura.client()
    await client.list_receivables()
    stand.move_case(case["id"], "Closed")

    await client.fetch([ChangeHint(what="case", id=case["id"])], ())
    told = receivables_of(await client.list_receivables())
    clock.move(seconds=60)
    (again,) = await client.list_receivables()

    assert told[case["creditorReference"]].standing == ("paid",)
    assert again.is_complete


async def test_what_has_not_changed_is_not_told_again_until_the_next_day(
    debitura: World, stand: DebituraStand, clock: Clock
) -> None:
    case = stand.add_case()
    client = debitura.client()
    first = receivables_of(await client.list_receivables())
    clock.move(minutes=11)
    (batch,) = await client.list_receivables()
    clock.move(days=1)
    tomorrow = receivables_of(await client.list_receivables())

    assert (len(first), batch.receivables, batch.is_complete) == (1, (), True)
    assert list(tomorrow) == [case["creditorReference"]]


async def test_a_list_that_does_not_add_up_is_no_pass_and_forgets_nobody() -> None:
    async with world(scripted({"/cases": in_turn([listing(1, 2, totalResults=3)])})) as made:
        (batch,) = await made.client().list_receivables()

    assert sorted(receivables_of([batch])) == ["INV-1", "INV-2"]
    assert (batch.is_complete, batch.listed) == (False, None)


async def test_an_account_that_lists_no_cases_has_no_twins_and_is_not_asked_again_and_again(clock: Clock) -> None:
    async with world(scripted({}), clock) as made:
        client = made.client()
        batches = [await client.list_receivables() for _ in range(3)]

        assert batches == [[], [], []]
        assert made.observed == [("cases.list", "404")]


async def test_while_debitura_is_down_nothing_is_heard(debitura: World, stand: DebituraStand) -> None:
    stand.add_case()
    stand.faults.down = True

    with pytest.raises(DeliveryError):
        await debitura.client().list_receivables()


async def test_a_case_that_an_event_named_and_that_is_not_there_is_gone(debitura: World) -> None:
    client = debitura.client()
    await client.fetch([ChangeHint(what="case", id=uuid(7))], ())

    batches = await client.list_receivables()

    assert [batch.gone for batch in batches if batch.gone] == [{f"debitura:main:case:{uuid(7)}"}]


HERE = "https://casebell.example.com/webhooks/debitura/main"


async def test_a_webhook_that_was_switched_off_is_told_until_it_is_on_again(
    debitura: World, stand: DebituraStand, clock: Clock
) -> None:
    stand.webhooks[0].update(isActive=False, disabledReason="Endpoint returned 410 Gone")
    key = f"debitura:main:webhook:{stand.webhooks[0]['id']}"
    client = debitura.client()

    (off,) = list((await client.reconcile((), is_full=True)).facts)
    stand.webhooks[0].update(isActive=True, disabledReason=None)
    unasked = list((await client.reconcile([key], is_full=False)).facts)
    clock.move(minutes=10)
    (on,) = list((await client.reconcile([key], is_full=False)).facts)

    assert isinstance(off, SourceReported)
    assert (off.key, off.snapshot.kind) == (key, "webhook_disabled")
    assert [detail.text for detail in off.snapshot.details] == [HERE, "Endpoint returned 410 Gone"]
    assert unasked == []
    assert on == SourceGone(key, clock(), outcome="completed")


@pytest.mark.parametrize(
    "url", ["https://other.example/hook", None, "https://[", "https://x.example/webhooks/debitura/other"]
)
async def test_a_webhook_that_leads_elsewhere_is_not_ours_to_tell(
    debitura: World, stand: DebituraStand, url: str | None
) -> None:
    stand.webhooks[0].update(isActive=False, url=url)

    assert list((await debitura.client().reconcile((), is_full=True)).facts) == []
