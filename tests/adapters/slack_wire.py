"""A Slack at the wire that answers by script, over a real socket."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

from notifiers.slack.client import SlackClient

HANG, HANG_UP = b"hang", b"hang up"
OK: dict[str, Any] = {"ok": True, "channel": "C1", "ts": "171.2", "view": {"id": "V1"}}


@dataclass
class Wire:
    """A Slack that answers by script: ``answers`` in turn, then ``OK``; ``calls`` is what it was asked."""

    answers: list[bytes] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    url: str = ""
    form_opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = (await reader.readexactly(int(length[1]) if length else 0)).decode()
                self.heads.append(head)
                self.calls.append((head.split(" ")[1].rpartition("/")[2], _told(body)))
                answer = self.answers.pop(0) if self.answers else http(OK)
                if answer == HANG:
                    await asyncio.Event().wait()
                if answer == HANG_UP:
                    return
                if self.methods[-1] == "views.open":
                    self.form_opened.set()
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]


def _told(body: str) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(body) if body.startswith("{") else dict(parse_qsl(body)))


def http(answer: object, status: int = 200, **headers: str) -> bytes:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def no(code: str) -> bytes:
    return http({"ok": False, "error": code})


@asynccontextmanager
async def slack(*answers: bytes) -> AsyncIterator[Wire]:
    wire = Wire(list(answers))
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    try:
        yield wire
    finally:
        server.close()


@asynccontextmanager
async def client_of(wire: Wire, total_s: float = 5) -> AsyncIterator[SlackClient]:
    client = SlackClient(wire.url, "xoxb-1", total_s=total_s)
    try:
        yield client
    finally:
        await client.close()
