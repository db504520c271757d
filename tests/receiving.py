"""Somebody who receives what the sandbox sends: a server on a real socket that keeps requests and answers by script."""

import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """``answers`` in turn, then an empty 200; None keeps silent for ever."""

    url: str = ""
    answers: deque[Response | None] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)

    def answer_json(self, answer: dict[str, object]) -> None:
        self.answers.append(JSONResponse(answer))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.received.append(Received(request.url.path, dict(request.headers), body))
        answer = self.answers.popleft() if self.answers else Response()
        if answer is None:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await answer(scope, receive, send)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    listening = socket.create_server(("127.0.0.1", 0))
    receiver.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(receiver, log_level="error", lifespan="off", ws="none"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listening])
        try:
            yield receiver
        finally:
            server.should_exit = True
