"""A way to a destination that can turn rude: in good moods it passes bytes on, else it does what broken servers do."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Self

LATE_S = 3600
READ = 65_536
GIGABYTE = 2**30
Mood = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RudeWay:
    """Listens on ``url`` in a thread; ``mood`` None leads to ``target`` ("host:port"), another is how it answers."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.partition(":")
        self._port = int(port)
        self.mood: Mood | None = None
        self.calls = 0
        self._ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._until_stopped()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.url, self._loop, self._stop = self._ready.result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _until_stopped(self) -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        self._ready.set_result((url, asyncio.get_running_loop(), stop))
        await stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                if self.mood is not None:
                    await self.mood(reader, writer)
                else:
                    await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a connection and its answer; asks for the connection's end, so that a mood is felt at once."""
        there, back = await asyncio.open_connection(self._host, self._port)
        copying = None
        try:
            back.write(_closing(await reader.readuntil(b"\r\n\r\n")))
            copying = asyncio.create_task(_copy(reader, back))
            await _copy(there, writer)
        finally:
            back.close()
            if copying is not None:
                copying.cancel()


def _closing(head: bytes) -> bytes:
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])


def answers(status: str, headers: str = "", body: bytes = b"") -> Mood:
    """Reads the head of a request and answers it, whatever it was."""

    async def mood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return mood


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and keeps silent."""
    del writer
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(LATE_S)


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a byte at a time, so that no single wait is ever long."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.5)


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with a gigabyte."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {GIGABYTE}\r\n\r\n".encode())
    for _ in range(GIGABYTE // READ):
        writer.write(b" " * READ)
        await writer.drain()


async def breaks_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers plain HTTP with the first bytes of a TLS alert."""
    await reader.read(1)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x28")
    await writer.drain()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and is gone in the middle of its answer."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(READ):
        writer.write(part)
        await writer.drain()
