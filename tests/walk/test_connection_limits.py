"""The connection limits on real sockets, with short timeouts: what exceeds them is refused, all else is served."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from receiver.web.connection_limits import UVICORN_METHODS, ConnectionLimits
from receiver.web.request_body import read_body
from receiver.web.server import Server, listen

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BIG = b"x" * 16_000_000  # more than the kernel buffers for a client that does not read
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class LimitedApp:
    """An application that answers with the length of the body; ``/big`` is a large page, ``/late`` waits."""

    refused: list[str]
    port: int = 0
    methods: list[str] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.methods.append(request.method)
        if request.url.path == "/big":
            answer: Response = PlainTextResponse(BIG)
        elif request.url.path == "/late":
            await self.may_answer.wait()
            answer = PlainTextResponse("late")
        else:
            body = await read_body(request) if request.method == "POST" else b""
            answer = PlainTextResponse(str(len(body)))
        await answer(scope, receive, send)

    async def connect(self) -> Connection:
        connection = await asyncio.open_connection("127.0.0.1", self.port, limit=64)
        self.connections.append(connection)
        return connection

    async def send(self, *parts: bytes) -> bytes:
        """Send the parts; everything that the server sends until it closes the connection."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.02)
        return await read_all(reader, writer)


async def read_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    response = b""
    try:
        async with asyncio.timeout(60):
            while part := await reader.read(65536):
                response += part
    except ConnectionError:
        response += b"<reset>"
    finally:
        writer.close()
    return response


@asynccontextmanager
async def running_server(**limits: float) -> AsyncIterator[LimitedApp]:
    refused: list[str] = []
    settings = {"idle_timeout_s": 1, "head_timeout_s": 0.4, "stall_timeout_s": 0.4, **limits}
    connection_limits = ConnectionLimits(refused.append, **settings)  # type: ignore[arg-type]  # int and float limits
    limited = LimitedApp(refused)
    listener = listen("127.0.0.1", 0)
    limited.port = listener.getsockname()[1]
    uvicorn_server = Server(limited.app, connection_limits)
    serving = asyncio.create_task(uvicorn_server.serve([listener]))
    while not uvicorn_server.started:  # noqa: ASYNC110 - uvicorn has a flag, no event
        await asyncio.sleep(0.01)
    try:
        yield limited
    finally:
        for _, writer in limited.connections:
            writer.transport.abort()
        uvicorn_server.should_exit = True
        await serving


def test_uvicorn_has_the_methods_that_the_limits_override() -> None:
    assert [name for name in UVICORN_METHODS if not callable(getattr(HttpToolsProtocol, name, None))] == []
    assert {"keep_alive", "more_body", "response_started", "response_complete"} <= set(
        RequestResponseCycle.__init__.__code__.co_names
    )


@pytest.mark.parametrize(
    "parts", [(b"GET / HT",), (b"GET / HTTP/1.1\r\nHost: x\r\n",), (GET, b"GET / HTTP/1.1\r\nA")], ids=["a", "b", "c"]
)
async def test_a_head_that_never_ends_is_408(parts: tuple[bytes, ...]) -> None:
    async with running_server() as server:
        response = await server.send(*parts)

    assert b"HTTP/1.1 408" in response
    assert server.refused == ["slow"]


async def test_a_drip_of_single_bytes_does_not_lengthen_the_time_for_a_head() -> None:
    async with running_server() as server:
        reader, writer = await server.connect()

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        response = await read_all(reader, writer)
        dripping.cancel()

    assert response.startswith(b"HTTP/1.1 408")
    assert server.methods == []


async def test_a_silent_connection_is_closed_without_a_response() -> None:
    async with running_server() as server:
        assert await server.send() == b""
        assert (await server.send(GET)).endswith(b"\r\n\r\n0")


async def test_an_unread_body_does_not_keep_a_connection() -> None:
    async with running_server() as server:
        response = await server.send(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", b"d", b"e")

    assert response.endswith(b"\r\n\r\n0")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000, b"431"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(200)) + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"a" * 100_000, b"400|431"),
        (b"\r\n" * 50_000, b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100, b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"CONNECT mail.example:25 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na", b"400"),
    ],
    ids=[
        "long line", "long header", "many headers", "long name", "blank lines", "TLS", "HTTP/2", "bytes in the path",
        "CONNECT", "two lengths", "length and chunks", "bad chunk", "upgrade with a body",
    ],
)  # fmt: skip
async def test_too_large_or_invalid_requests_get_one_clear_response(head: bytes, status: bytes) -> None:
    async with running_server() as server:
        response = await server.send(head)
        after = await server.send(GET)

    assert response.count(b"HTTP/1.1 ") == 1
    assert response[9:12] in status.split(b"|")
    assert len(server.refused) == 1
    assert after.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"3"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"3"),
        (b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", b"3"),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", b"0"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, b"300000"),
        (b"GET / HTTP/1.1\r\nCookie: " + b"a" * 20_000 + b"\r\n\r\n", b"0"),
    ],
    ids=["plain", "chunked", "HTTP/1.0", "upgrade", "large", "large but legal head"],
)
async def test_what_is_unusual_but_right_is_served(request_: bytes, answer: bytes) -> None:
    async with running_server() as server:
        response = await server.send(request_)

    assert response.startswith(b"HTTP/1.1 200")
    assert response.endswith(b"\r\n\r\n" + answer)
    assert server.refused == []


async def test_expect_continue_is_answered_and_ends_the_connection() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    async with running_server() as server:
        reader, writer = await server.connect()
        writer.write(head % 3)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        response = await read_all(reader, writer)

    assert response.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in response


async def test_requests_sent_at_once_are_answered_in_order_and_rubbish_behind_them_takes_no_answer_away() -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
    async with running_server() as server:
        response = await server.send(post % (1, b"a") + post % (2, b"ab") + b"RUBBISH\r\n\r\n")

    assert response.count(b"HTTP/1.1 200") == 2
    assert response.index(b"\r\n\r\n1") < response.index(b"\r\n\r\n2")


async def test_at_the_connection_limit_the_oldest_incomplete_request_is_ended() -> None:
    async with running_server(max_connections=20, head_timeout_s=30) as server:
        drippers = [await server.connect() for _ in range(60)]
        for _, writer in drippers:
            writer.write(b"G")

        answers = [await server.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) for _ in range(30)]

    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert set(server.refused) == {"full"}


async def test_at_the_limit_of_complete_requests_the_answer_is_503_with_retry_after() -> None:
    async with running_server(max_connections=16) as server:
        connections = [await server.connect() for _ in range(16)]
        for _, writer in connections:
            writer.write(GET.replace(b"/ ", b"/late ", 1))
        await wait_for(lambda: len(server.methods) == 16)

        turned_away = await server.send()
        server.may_answer.set()
        served = [await read_all(*connection) for connection in connections]

    assert turned_away.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 5" in turned_away
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in served)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_client_that_does_not_read_the_response_is_disconnected(version: bytes) -> None:
    async with running_server() as server:
        _, writer = await server.connect()
        writer.write((b"GET /big HTTP/%s\r\nHost: x\r\n\r\n" % version) * (1 if version == b"1.0" else 2))
        await wait_for(lambda: "slow_reader" in server.refused)

    assert server.refused == ["slow_reader"]


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the other side sets no event
            await asyncio.sleep(0.02)
