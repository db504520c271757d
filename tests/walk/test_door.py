"""The door on real sockets, with limits short enough for a test: what is slow or too much ends, what is good passes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from receiver.web.connection_limits import RELIES_ON, ConnectionLimits
from receiver.web.request_body import raw_body
from receiver.web.server import Server, listen

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BIG = b"x" * 16_000_000  # more than the kernel holds for a reader that does not read
Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class House:
    """A server whose application says how long a body was; ``/big`` is a large page, ``/late`` waits."""

    doorway: ConnectionLimits
    refused: list[str]
    port: int = 0
    asked: list[str] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.asked.append(request.method)
        if request.url.path == "/big":
            answer: Response = PlainTextResponse(BIG)
        elif request.url.path == "/late":
            await self.may_answer.wait()
            answer = PlainTextResponse("late")
        else:
            body = await raw_body(request) if request.method == "POST" else b""
            answer = PlainTextResponse(str(len(body)))
        await answer(scope, receive, send)

    async def connect(self) -> Way:
        way = await asyncio.open_connection("127.0.0.1", self.port, limit=64)
        self.ways.append(way)
        return way

    async def say(self, *words: bytes) -> bytes:
        """Everything the server answers until it hangs up."""
        reader, writer = await self.connect()
        for word in words:
            writer.write(word)
            await asyncio.sleep(0.02)
        return await all_of(reader, writer)


async def all_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    said = b""
    try:
        async with asyncio.timeout(60):
            while part := await reader.read(65536):
                said += part
    except ConnectionError:
        said += b"<reset>"
    finally:
        writer.close()
    return said


@asynccontextmanager
async def house(**limits: float) -> AsyncIterator[House]:
    refused: list[str] = []
    doorway = ConnectionLimits(refused.append, **{"idle_s": 1, "head_s": 0.4, "reads_within_s": 0.4, **limits})  # type: ignore[arg-type]  # limits of both types
    built = House(doorway, refused)
    listening = listen("127.0.0.1", 0)
    built.port = listening.getsockname()[1]
    server = Server(built.app, doorway)
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, no event
        await asyncio.sleep(0.01)
    try:
        yield built
    finally:
        for _, writer in built.ways:
            writer.transport.abort()
        server.should_exit = True
        await serving


def test_uvicorn_still_has_what_the_door_holds_on_to() -> None:
    assert [name for name in RELIES_ON if not callable(getattr(HttpToolsProtocol, name, None))] == []
    assert {"keep_alive", "more_body", "response_started", "response_complete"} <= set(
        RequestResponseCycle.__init__.__code__.co_names
    )


@pytest.mark.parametrize(
    "words", [(b"GET / HT",), (b"GET / HTTP/1.1\r\nHost: x\r\n",), (GET, b"GET / HTTP/1.1\r\nA")], ids=["a", "b", "c"]
)
async def test_a_head_that_never_ends_is_408(words: tuple[bytes, ...]) -> None:
    async with house() as here:
        said = await here.say(*words)

    assert b"HTTP/1.1 408" in said
    assert here.refused == ["slow"]


async def test_a_drip_of_single_bytes_does_not_lengthen_the_time_for_a_head() -> None:
    async with house() as here:
        reader, writer = await here.connect()

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        said = await all_of(reader, writer)
        dripping.cancel()

    assert said.startswith(b"HTTP/1.1 408")
    assert here.asked == []


async def test_who_says_nothing_is_hung_up_on_without_a_word() -> None:
    async with house() as here:
        assert await here.say() == b""
        assert (await here.say(GET)).endswith(b"\r\n\r\n0")


async def test_a_body_nobody_waits_for_does_not_keep_a_connection() -> None:
    async with house() as here:
        said = await here.say(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", b"d", b"e")

    assert said.endswith(b"\r\n\r\n0")


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
async def test_what_is_too_much_or_no_http_gets_one_clear_answer(head: bytes, status: bytes) -> None:
    async with house() as here:
        said = await here.say(head)
        after = await here.say(GET)

    assert said.count(b"HTTP/1.1 ") == 1
    assert said[9:12] in status.split(b"|")
    assert len(here.refused) == 1
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
    async with house() as here:
        said = await here.say(request_)

    assert said.startswith(b"HTTP/1.1 200")
    assert said.endswith(b"\r\n\r\n" + answer)
    assert here.refused == []


async def test_expect_continue_is_answered_and_ends_the_connection() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    async with house() as here:
        reader, writer = await here.connect()
        writer.write(head % 3)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        said = await all_of(reader, writer)

    assert said.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in said


async def test_requests_sent_at_once_are_answered_in_order_and_rubbish_behind_them_takes_no_answer_away() -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
    async with house() as here:
        said = await here.say(post % (1, b"a") + post % (2, b"ab") + b"RUBBISH\r\n\r\n")

    assert said.count(b"HTTP/1.1 200") == 2
    assert said.index(b"\r\n\r\n1") < said.index(b"\r\n\r\n2")


async def test_when_the_house_is_full_the_slowest_goes_and_the_good_one_is_served() -> None:
    async with house(most_connections=20, head_s=30) as here:
        drippers = [await here.connect() for _ in range(60)]
        for _, writer in drippers:
            writer.write(b"G")

        answers = [await here.say(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) for _ in range(30)]

    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert set(here.refused) == {"full"}


async def test_a_house_full_of_requests_under_way_says_503_and_when_to_come_again() -> None:
    async with house(most_connections=16) as here:
        ways = [await here.connect() for _ in range(16)]
        for _, writer in ways:
            writer.write(GET.replace(b"/ ", b"/late ", 1))
        await until(lambda: len(here.asked) == 16)

        turned_away = await here.say()
        here.may_answer.set()
        served = [await all_of(*way) for way in ways]

    assert turned_away.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 5" in turned_away
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in served)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_who_does_not_read_the_answer_is_hung_up_on(version: bytes) -> None:
    async with house() as here:
        _, writer = await here.connect()
        writer.write((b"GET /big HTTP/%s\r\nHost: x\r\n\r\n" % version) * (1 if version == b"1.0" else 2))
        await until(lambda: "slow_reader" in here.refused)

    assert here.refused == ["slow_reader"]


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not look():  # noqa: ASYNC110 - what another side sees has no event here
            await asyncio.sleep(0.02)
