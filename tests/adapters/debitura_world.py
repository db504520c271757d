"""The Debitura client against the stand-in or a scripted server, over a real socket and with a manual clock."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from casebell_sandbox.debitura import DebituraStand
from receiver.domain.action import SourceCommand
from receiver.domain.people import People, Person
from receiver.upstream.debitura.client import Debitura
from receiver.upstream.debitura.translate import key_of

PAYLOADS = Path(__file__).parents[1] / "payloads" / "debitura"
NOW = datetime(2026, 3, 6, 9, 0, tzinfo=UTC)
ANNA = Person(email="anna@creditor.example", name="Anna")
KEY = "debitura-key"


class Clock:
    """A clock that only moves on ``move``."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


class CuttingTransport(httpx.AsyncHTTPTransport):
    """A network that can deliver a POST and lose its response."""

    def __init__(self) -> None:
        super().__init__()
        self.loses_answers = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if self.loses_answers and request.method == "POST":
            await response.aread()
            await response.aclose()
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return response


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve ``app`` on a real socket and yield its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms for the client's ACK
    server = _Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, no event
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await running
        listener.close()


class World:
    """A server and its clients."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.clock = clock
        self.url = url
        self.network = CuttingTransport()
        self.observed: list[tuple[str, str]] = []
        self._clients: list[Debitura] = []

    def client(self, **options: Any) -> Debitura:
        """A new client; ``options`` in addition to or instead of the defaults."""
        defaults: dict[str, Any] = {
            "poll_every_s": 60.0,
            "people": People(),
            "reply_as": "ar@creditor.example",
            "now": self.clock,
            "transport": self.network,
            "observe": lambda operation, status, _headers: self.observed.append((operation, status)),
            "settle_s": 0.0,
        }
        client = Debitura("main", self.url, options.pop("api_key", KEY), **(defaults | options))
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@asynccontextmanager
async def world(app: ASGIApp, clock: Clock | None = None) -> AsyncIterator[World]:
    async with serving(app) as url:
        made = World(url, clock or Clock())
        try:
            yield made
        finally:
            await made.close()


def scripted(answers: dict[str, Callable[[Request], Response]]) -> Starlette:
    """A server with one answer a path; everything else is 404 without a body."""
    return Starlette(
        routes=[Route(path, _endpoint(answer), methods=["GET", "POST"]) for path, answer in answers.items()]
    )


def _endpoint(answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return answer(request)

    return endpoint


def in_turn(bodies: Iterable[Any]) -> Callable[[Request], Response]:
    """Answer with one body after the other, and repeat the last one."""
    remaining = list(bodies)

    def answer(_request: Request) -> Response:
        body = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return body if isinstance(body, Response) else JSONResponse(body)

    return answer


def page(tasks: Any, **page: Any) -> dict[str, Any]:
    """A page of tasks in Debitura's format; ``page`` overrides its counts."""
    count = len(tasks or [])
    defaults = {"totalResults": count, "pageSize": 100, "currentPage": 1, "responseCount": count, "totalPages": 1}
    return {"page": defaults | page, "tasks": tasks}


def tasks(*numbers: int) -> list[dict[str, Any]]:
    """Account-level tasks by number."""
    return [{"id": uuid(n), "type": "Generic", "title": f"Task {n}", "status": "Open"} for n in numbers]


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def key(task: dict[str, Any]) -> str:
    return key_of("main", task["id"])


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def command_for(task: dict[str, Any], text: str | None = "It was not credited.", **changes: Any) -> SourceCommand:
    """Anna's reply to a task, requested at NOW."""
    fields: dict[str, Any] = {
        "action_id": 1,
        "key": key(task),
        "verb": "reply",
        "person": ANNA,
        "note": None,
        "text": text,
        "asked_at_us": round(NOW.timestamp() * 1_000_000),
        "case_id": task["caseId"],
    }
    return SourceCommand(**(fields | changes))


def calls(stand: DebituraStand, ending: str, method: str = "GET") -> int:
    """The number of requests to paths with this ending."""
    return sum(call.method == method and call.path.endswith(ending) for call in stand.faults.calls)
