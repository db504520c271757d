"""Limits on the time and the size of requests, below HTTP: they apply before a request is complete.

uvicorn has no such limits (docs/vendors/webhooks.md#ingest); this is its protocol with them. ``request_body.py`` limits
bodies. ``UVICORN_METHODS`` names what this module needs of uvicorn, and a test checks that they exist.
"""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

UVICORN_METHODS: Final = (
    *("connection_made", "connection_lost", "data_received", "pause_writing", "resume_writing", "send_400_response"),
    *("on_message_begin", "on_url", "on_header", "on_body", "on_message_complete", "on_response_complete"),
    "timeout_keep_alive_handler",
)
HEAD_SLICE: Final = 8 * 1024  # parsed at a time, so that an endless head is refused before it is in memory
RESERVED_FILES: Final = 128  # for the database, outgoing connections, the log

_STATUS_LINES: Final = {
    "slow": b"408 Request Timeout",
    "long_line": b"414 URI Too Long",
    "long_head": b"431 Request Header Fields Too Large",
    "not_http": b"400 Bad Request",
    "full": b"503 Service Unavailable",
}


class _RefusedError(Exception):
    """Ends the parsing of a request; the reason is in ``LimitedProtocol._reason``."""


@dataclass(slots=True)
class ConnectionLimits:
    """The limits, shared by all connections.

    ``on_refusal`` gets the reason of each refusal. ``idle_timeout_s``: between two requests. ``head_timeout_s``: from
    the connection, or the last response, to the end of the next head. ``stall_timeout_s``: in which a client must read
    from a response. ``max_discarded_body``: bytes of a body that are still read after the response, because a
    connection closed earlier would lose the response. ``incomplete``: connections without a complete request, the
    oldest first.
    """

    on_refusal: Callable[[str], None]
    max_connections: int = 2048
    idle_timeout_s: int = 5
    head_timeout_s: float = 10.0
    stall_timeout_s: float = 30.0
    max_request_line: int = 8 * 1024
    max_head: int = 32 * 1024
    max_headers: int = 100
    max_discarded_body: int = 4 * 1024 * 1024
    incomplete: dict["LimitedProtocol", None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.max_connections = _raise_connection_limit(self.max_connections)


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._reason = ""  # why the request was refused
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._has_begun = False
        self._head_bytes = 0
        self._discarded_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        if len(self.connections) >= self._limits.max_connections and not self._abort_oldest_incomplete():
            self.transport = transport
            self._refuse("full")
            return
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_await_request()
        self._cancel_stall_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a head in slices. After a refusal all data is ignored."""
        while data and not self._reason and not self.transport.is_closing():
            part, data = (data[:HEAD_SLICE], data[HEAD_SLICE:]) if self._is_before_body else (data, b"")
            self._head_bytes += len(part) if self._is_before_body else 0
            super().data_received(part)
            if self._is_before_body and self._head_bytes > self._limits.max_head and not self._reason:
                self._reason = "long_head"
                self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Refuse the request. uvicorn calls this for invalid HTTP, this class for a limit that was exceeded.

        Responses to earlier requests of the connection are sent first.
        """
        del msg
        self._reason = self._reason or "not_http"
        cycle: RequestResponseCycle | None = self.cycle
        if cycle and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False  # an earlier request is complete: answer it, then close
            self._limits.on_refusal(self._reason)
        elif cycle and cycle.response_started and not cycle.response_complete:
            self._limits.on_refusal(self._reason)
            self.transport.abort()
        else:
            self._refuse(self._reason)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = self._has_begun = True

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.max_request_line:
            self._reason = "long_line"
            raise _RefusedError

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > self._limits.max_headers:
            self._reason = "long_head"
            raise _RefusedError

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._head_bytes = 0
        self._cancel_head_timer()  # request_body.py limits the time of the body
        if self.parser.should_upgrade() and self.parser.get_method() not in {b"GET", b"HEAD"}:
            raise _RefusedError  # the parser would drop the body, and its signature would then be wrong
        super().on_headers_complete()
        if self.expect_100_continue:  # if the response comes first, a body cannot be told from the next request
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > self._limits.max_discarded_body:
                self._close()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._has_begun = False
        if not self.cycle.response_complete:
            self._end_await_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._discarded_bytes = 0
        if self.transport.get_write_buffer_size():
            self._start_stall_timer()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._await_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_stall_timer()

    def resume_writing(self) -> None:
        self._cancel_stall_timer()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def abort(self) -> None:
        """End this connection at once."""
        self._end_await_request()
        self.connections.discard(self)
        self.transport.abort()

    @property
    def _is_before_body(self) -> bool:
        return self._is_in_head or not self._has_begun

    def _await_request(self) -> None:
        """Start the time for the next head. Until the request is complete, ``full`` may end this connection."""
        self._end_await_request()
        self._limits.incomplete[self] = None
        self._head_timer = self.loop.call_later(self._limits.head_timeout_s, self._on_head_timeout)

    def _end_await_request(self) -> None:
        self._limits.incomplete.pop(self, None)
        self._cancel_head_timer()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _start_stall_timer(self) -> None:
        self._cancel_stall_timer()
        self._stall_timer = self.loop.call_later(self._limits.stall_timeout_s, self._on_stall_timeout)

    def _cancel_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _on_head_timeout(self) -> None:
        if not self._is_in_head:  # no request, or the rest of a body after its response
            self._close()
            return
        self._reason = "slow"
        self.send_400_response("")

    def _on_stall_timeout(self) -> None:
        if self.transport.get_write_buffer_size():
            self._limits.on_refusal("slow_reader")
            self.transport.abort()

    def _abort_oldest_incomplete(self) -> bool:
        """Free a connection: a legitimate sender completes a request within milliseconds. False if all are complete."""
        oldest = next(iter(self._limits.incomplete), None)
        if oldest is None:
            return False
        self._limits.on_refusal("full")
        oldest.abort()
        return True

    def _refuse(self, reason: str) -> None:
        self._reason = reason
        self._limits.on_refusal(reason)
        head = b"HTTP/1.1 " + _STATUS_LINES[reason] + b"\r\nContent-Length: 0\r\nConnection: close\r\n"
        self.transport.write(head + (b"Retry-After: 5\r\n\r\n" if reason == "full" else b"\r\n"))
        self.transport.close()
        self._start_stall_timer()

    def _close(self) -> None:
        """Close the connection, without waiting for a client that has not read the last response."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


def _raise_connection_limit(connections: int) -> int:
    """Raise the process's limit of open files for so many connections. Returns how many it allows, at least 16."""
    files = connections + RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = files if soft == resource.RLIM_INFINITY else min(soft, files)
    return min(connections, max(allowed - RESERVED_FILES, 16))
