"""A small HTTP/1.1 load client on uvloop: a fixed number of connections, each with one request under way."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast


@dataclass(frozen=True, slots=True)
class Measured:
    """``latencies_s`` sorted; ``per_s`` requests a second; ``bad``: answers that were not 2xx."""

    per_s: float
    latencies_s: Sequence[float]
    bad: int

    def quantile_ms(self, share: float) -> float:
        return 1000 * self.latencies_s[min(int(len(self.latencies_s) * share), len(self.latencies_s) - 1)]


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last was answered whole."""

    def __init__(self, next_request: Callable[[], bytes | None], done: asyncio.Future[None]) -> None:
        self._next = next_request
        self._done = done
        self._buffer = b""
        self._sent_at = 0.0
        self.latencies: list[float] = []
        self.bad = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        self._buffer = self._buffer[head_end + 4 + length :]
        self.latencies.append(time.perf_counter() - self._sent_at)
        self.bad += head[9:10] != b"2"
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        request = self._next()
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def measure(host: str, port: int, connections: int, requests: Sequence[bytes]) -> Measured:
    """Send all ``requests`` over ``connections``; what came of it."""
    waiting = iter(requests)
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    started = time.perf_counter()
    opened = [
        await loop.create_connection(partial(_Connection, lambda: next(waiting, None), future), host, port)
        for future in futures
    ]
    await asyncio.gather(*futures)
    took = time.perf_counter() - started
    latencies = sorted(latency for _, connection in opened for latency in connection.latencies)
    return Measured(len(latencies) / took, latencies, sum(connection.bad for _, connection in opened))


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One POST as bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: casebell\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return head.encode() + body
