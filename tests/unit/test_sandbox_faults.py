"""Fault injection of the stand-ins, and how they send webhooks."""

import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from anyio import Event, create_task_group
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from casebell_sandbox.getbill import GetbillStand
from casebell_sandbox.sending import send

pytestmark = pytest.mark.anyio


@pytest.fixture
def stand() -> GetbillStand:
    return GetbillStand()


@pytest.fixture
async def api(stand: GetbillStand) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=stand.app),
        base_url="http://getbill.test/external-api/v1",
        headers={"Authorization": "Bearer getbill-token"},
    ) as client:
        yield client


async def test_faults_are_felt_while_switched_on_and_every_call_is_logged(
    stand: GetbillStand, api: httpx.AsyncClient
) -> None:
    path = f"/todos/debtor_request/{stand.add('portal_dispute')['id']}/status"
    stand.faults.down = True
    down = await api.get("/todos", params={"page": "1"})
    stand.faults.down = False
    stand.faults.rate_limit_next = 1
    limited = await api.get("/todos")
    stand.faults.refuse = (422, {"error": True, "message": "locked", "code": 422})
    read = await api.get("/todos")
    refused = await api.put(path, json={"status": "validated"})
    stand.faults.refuse = None
    done = await api.put(path, json={"status": "validated"})

    assert (down.status_code, down.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert (limited.status_code, limited.json()["details"]["retry_after"]) == (429, 2)
    assert limited.headers["x-ratelimit-remaining"] == "0"
    assert [read.status_code, refused.status_code, done.status_code] == [200, 422, 200]
    assert [call.method for call in stand.faults.calls] == ["GET", "GET", "GET", "PUT", "PUT"]
    assert stand.faults.calls[0].query["page"] == "1"
    assert json.loads(stand.faults.calls[-1].body) == {"status": "validated"}


@pytest.mark.parametrize(("fault", "status"), [("hang_s", "suggested"), ("hang_after_effect_s", "validated")])
async def test_a_caller_who_hangs_up_finds_the_write_done_only_when_the_silence_came_after_it(
    stand: GetbillStand, fault: str, status: str
) -> None:
    dispute = stand.add("portal_dispute")
    setattr(stand.faults, fault, 60)
    server = uvicorn.Server(uvicorn.Config(stand.app, log_level="error", lifespan="off", ws="none"))
    listening = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listening.getsockname()[1]}/external-api/v1"

    async with create_task_group() as tasks:
        tasks.start_soon(server.serve, [listening])
        async with httpx.AsyncClient(timeout=0.5, headers={"Authorization": "Bearer getbill-token"}) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.put(f"{base}/todos/debtor_request/{dispute['id']}/status", json={"status": "validated"})
        server.should_exit = True

    assert dispute["status"] == status


async def test_a_refused_webhook_is_sent_again_signed_afresh_until_it_is_taken() -> None:
    answers, seen, is_taken = iter([503, 500, 202]), list[str](), Event()

    async def take(request: Request) -> Response:
        seen.append(request.headers["x-try"])
        status = next(answers)
        if status == 202:
            is_taken.set()
        return Response(status_code=status)

    tries = iter("123456")
    transport = httpx.ASGITransport(app=Starlette(routes=[Route("/hook", take, methods=["POST"])]))
    status = await send(
        "http://r/hook", b"{}", lambda: {"X-Try": next(tries)}, retries_s=(0, 0, 0), transport=transport
    )
    await is_taken.wait()

    assert (status, seen) == (503, ["1", "2", "3"])


async def test_a_webhook_nobody_answers_has_no_status() -> None:
    async def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    assert await send("http://r/hook", b"{}", {}, transport=httpx.MockTransport(refuse)) == 0
