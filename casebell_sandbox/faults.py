"""What can go wrong with a stand-in, switched on by a test or from the sandbox's page, and a log of the calls it got.

One ``Faults`` stands in front of each stand-in; with nothing switched on it only writes the log.
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
    """Set an attribute and the next requests feel it; set it back and they do not.

    down: answer 503 with HTML, like a proxy whose service is gone.
    hang_s: accept the request, do nothing for so long, then handle it, unless the caller has left by then.
    hang_after_effect_s: do what a matching write asks, then keep silent for so long before answering.
    refuse: status and JSON for every matching write until set back to None.
    rate_limit_next: so many requests get the vendor's 429; ``retry_after_s`` is what it tells them to wait.
    matching: a write matches when its path contains this.
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
            if self.hang_s and not await _is_still_there(receive, self.hang_s):
                return
            if (answer := self._instead(scope, body)) is not None:
                await answer(scope, receive, send)
            elif self.hang_after_effect_s and self._matches(scope):
                await _effect_then_hang(app, scope, body, receive, send, self.hang_after_effect_s)
            else:
                await app(scope, _again(body, receive), send)

        return guarded

    def _note(self, scope: Scope, body: bytes) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        self.calls.append(Call(scope["method"], path, QueryParams(scope["query_string"]), body, utc_now()))

    def _matches(self, scope: Scope) -> bool:
        return scope["method"] in WRITES and self.matching in scope["path"]

    def _instead(self, scope: Scope, body: bytes) -> Response | None:
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


def _again(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def once_more() -> Message:
        return pending.pop() if pending else await receive()

    return once_more


async def _is_still_there(receive: Receive, seconds: float) -> bool:
    """Keep silent for ``seconds``; False as soon as the caller hangs up."""
    with anyio.move_on_after(seconds):
        while (await receive())["type"] != "http.disconnect":
            pass
        return False
    return True


async def _effect_then_hang(
    app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send, seconds: float
) -> None:
    held: list[Message] = []

    async def hold(message: Message) -> None:
        held.append(message)

    await app(scope, _again(body, receive), hold)
    if await _is_still_there(receive, seconds):
        for message in held:
            await send(message)
