"""Fault injection for the stand-ins, switched by a test or from the sandbox's page, and a log of the calls.

Each stand-in has one ``Faults`` as middleware. Without an active fault it only logs the calls.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Json = dict[str, Any]
Clock = Callable[[], datetime]

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
LARGEST_BODY = 2 * 1024 * 1024
PROXY_PAGE = "<html><head><title>503 Service Temporarily Unavailable</title></head><body><h1>503</h1></body></html>"


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived; ``path`` without the prefix the stand-in is mounted under."""

    method: str
    path: str
    query: QueryParams
    body: bytes
    at: datetime


class Faults:
    """The attributes are read at each request.

    down: answer 503 with HTML, like a proxy whose service is down.
    hang_s: seconds before a request is handled; it is dropped if the client disconnects by then.
    hang_after_effect_s: seconds between the effect of a matching write and its answer.
    refuse: status and JSON for every matching write, until it is None again.
    rate_limit_next: the number of requests to answer with the vendor's 429, which asks for ``retry_after_s``.
    matching: a write matches if its path contains this.
    """

    def __init__(self, matching: str = "", too_many: Callable[[], Response] | None = None, keep: int = 1000) -> None:
        self.down = False
        self.hang_s = 0.0
        self.hang_after_effect_s = 0.0
        self.refuse: tuple[int, Json] | None = None
        self.rate_limit_next = 0
        self.retry_after_s = 2.0
        self.matching = matching
        self.calls: deque[Call] = deque(maxlen=keep)
        self.too_many = too_many or self._plain_429

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The app behind these faults; pure ASGI, so that it also serves as a Starlette middleware."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            body = await _whole_body(receive)
            self._note(scope, body)
            if self.hang_s and not await _client_waits(receive, self.hang_s):
                return
            if (answer := self._fault_response(scope, body)) is not None:
                await answer(scope, receive, send)
            elif self.hang_after_effect_s and self._matches(scope):
                await _handle_then_hang(app, scope, body, receive, send, self.hang_after_effect_s)
            else:
                await app(scope, _replay_body(body, receive), send)

        return guarded

    def _note(self, scope: Scope, body: bytes) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        self.calls.append(Call(scope["method"], path, QueryParams(scope["query_string"]), body, utc_now()))

    def _matches(self, scope: Scope) -> bool:
        return scope["method"] in WRITES and self.matching in scope["path"]

    def _fault_response(self, scope: Scope, body: bytes) -> Response | None:
        if self.down:
            return HTMLResponse(PROXY_PAGE, 503)
        if len(body) > LARGEST_BODY:
            return HTMLResponse("<h1>413 Request Entity Too Large</h1>", 413)
        if self.rate_limit_next > 0:
            self.rate_limit_next -= 1
            return self.too_many()
        if self.refuse is not None and self._matches(scope):
            status, answer = self.refuse
            return JSONResponse(answer, status)
        return None

    def _plain_429(self) -> Response:
        return JSONResponse({"error": "rate_limited"}, 429, headers={"Retry-After": str(round(self.retry_after_s))})


async def _whole_body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > LARGEST_BODY:
            return body


def _replay_body(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


async def _client_waits(receive: Receive, seconds: float) -> bool:
    """Wait for ``seconds``; False as soon as the client disconnects."""
    with anyio.move_on_after(seconds):
        while (await receive())["type"] != "http.disconnect":
            pass
        return False
    return True


async def _handle_then_hang(
    app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send, seconds: float
) -> None:
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await app(scope, _replay_body(body, receive), collect)
    if await _client_waits(receive, seconds):
        for message in messages:
            await send(message)
