"""Step 1, below HTTP: how long and how much a stranger may send before a request is whole (reliability.md, A.8).

uvicorn has no such limits of its own; this is its protocol with them. Bodies have theirs in ``intake.py``. What it
relies on in uvicorn is named in ``RELIES_ON``, and a test holds the two together.
"""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

RELIES_ON: Final = (
    *("connection_made", "connection_lost", "data_received", "pause_writing", "resume_writing", "send_400_response"),
    *("on_message_begin", "on_url", "on_header", "on_body", "on_message_complete", "on_response_complete"),
    "timeout_keep_alive_handler",
)
SLICE: Final = 8 * 1024  # of what arrived, so that an endless header is noticed before it is all in memory
FILES_FOR_THE_REST: Final = 128  # the database, what leaves, the log

_ANSWERS: Final = {
    "slow": b"408 Request Timeout",
    "long_line": b"414 URI Too Long",
    "long_head": b"431 Request Header Fields Too Large",
    "not_http": b"400 Bad Request",
    "full": b"503 Service Unavailable",
}


class _RefusedError(Exception):
    """Ends the parsing of a request; the reason is in ``LimitedProtocol._why``."""


@dataclass(slots=True)
class ConnectionLimits:
    """The limits, and who is waited for: connections whose next or present request is not whole, oldest first."""

    on_refusal: Callable[[str], None]
    most_connections: int = 2048
    idle_s: int = 5
    head_s: float = 10.0  # from the connection, or the last answer, to the end of the next head
    reads_within_s: float = 30.0  # that somebody takes not to read an answer
    most_line: int = 8 * 1024
    most_head: int = 32 * 1024
    most_headers: int = 100
    most_after_answer: int = 4 * 1024 * 1024  # of a body nobody wants any more: read and dropped, so the answer arrives
    waited_for: dict["LimitedProtocol", None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.most_connections = min(self.most_connections, _files_to_be_had(self.most_connections + FILES_FOR_THE_REST))


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, doorway: ConnectionLimits, **named: Any) -> None:
        super().__init__(*args, **named)
        self._doorway = doorway
        self._why = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._reader_deadline: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._has_begun = False
        self._head_bytes = 0
        self._after_answer = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        if len(self.connections) >= self._doorway.most_connections and not self._make_room():
            self.transport = transport
            self._refuse("full")
            return
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._cancel_reader_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Heads are taken a slice at a time; after a refusal nothing is looked at any more."""
        while data and not self._why and not self.transport.is_closing():
            part, data = (data[:SLICE], data[SLICE:]) if self._is_before_body else (data, b"")
            self._head_bytes += len(part) if self._is_before_body else 0
            super().data_received(part)
            if self._is_before_body and self._head_bytes > self._doorway.most_head and not self._why:
                self._why = "long_head"
                self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Where uvicorn refuses what is no HTTP, and we what is too much; after answers that are still to be given."""
        del msg
        self._why = self._why or "not_http"
        present: RequestResponseCycle | None = self.cycle
        if present and not present.response_complete and not present.more_body:
            present.keep_alive = False  # an earlier request of this connection is whole: it is answered, then over
            self._doorway.on_refusal(self._why)
        elif present and present.response_started and not present.response_complete:
            self._doorway.on_refusal(self._why)
            self.transport.abort()
        else:
            self._refuse(self._why)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = self._has_begun = True

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._doorway.most_line:
            self._why = "long_line"
            raise _RefusedError

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > self._doorway.most_headers:
            self._why = "long_head"
            raise _RefusedError

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._head_bytes = 0
        self._cancel_deadline()  # the body has one of its own, in intake.py
        if self.parser.should_upgrade() and self.parser.get_method() not in {b"GET", b"HEAD"}:
            raise _RefusedError  # the parser would leave the body out, and what it said would seem forged
        super().on_headers_complete()
        if self.expect_100_continue:  # answered without it, nobody could tell a body from the next request
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._after_answer += len(body)
            if self._after_answer > self._doorway.most_after_answer:
                self._hang_up()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._has_begun = False
        if not self.cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._after_answer = 0
        if self.transport.get_write_buffer_size():
            self._watch_reader()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._cancel_reader_deadline()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self._hang_up()

    @property
    def _is_before_body(self) -> bool:
        return self._is_in_head or not self._has_begun

    def _wait(self) -> None:
        """From here on the next head must be whole in time; until the request is, its connection may have to go."""
        self._stop_waiting()
        self._doorway.waited_for[self] = None
        self._deadline = self.loop.call_later(self._doorway.head_s, self._too_slow)

    def _stop_waiting(self) -> None:
        self._doorway.waited_for.pop(self, None)
        self._cancel_deadline()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_reader(self) -> None:
        self._cancel_reader_deadline()
        self._reader_deadline = self.loop.call_later(self._doorway.reads_within_s, self._look_at_reader)

    def _cancel_reader_deadline(self) -> None:
        if self._reader_deadline is not None:
            self._reader_deadline.cancel()
            self._reader_deadline = None

    def _too_slow(self) -> None:
        if not self._is_in_head:  # silent, or still sending a body that was refused
            self._hang_up()
            return
        self._why = "slow"
        self.send_400_response("")

    def _look_at_reader(self) -> None:
        if self.transport.get_write_buffer_size():
            self._doorway.on_refusal("slow_reader")
            self.transport.abort()

    def _make_room(self) -> bool:
        """Full: whoever has taken longest over a request goes. A good sender's is whole within milliseconds."""
        slowest = next(iter(self._doorway.waited_for), None)
        if slowest is None:
            return False
        self._doorway.on_refusal("full")
        slowest.give_way()
        return True

    def give_way(self) -> None:
        """End this connection, whatever it was about."""
        self._stop_waiting()
        self.connections.discard(self)
        self.transport.abort()

    def _refuse(self, why: str) -> None:
        self._why = why
        self._doorway.on_refusal(why)
        head = b"HTTP/1.1 " + _ANSWERS[why] + b"\r\nContent-Length: 0\r\nConnection: close\r\n"
        self.transport.write(head + (b"Retry-After: 5\r\n\r\n" if why == "full" else b"\r\n"))
        self.transport.close()
        self._watch_reader()

    def _hang_up(self) -> None:
        """Close; somebody who has not read the last answer by now is not waited for."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


def _files_to_be_had(wanted: int) -> int:
    """How many connections this process can hold; asks for as many files as ``wanted`` and is content with fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    return max(most - FILES_FOR_THE_REST, 16)
