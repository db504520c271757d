"""Misbehaving servers on real sockets: gzip bombs, endless answers, wrong certificates, redirects, slow DNS."""

import asyncio
import gzip
import socket
import ssl
import subprocess
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from notifiers.email.client import SmtpClient
from notifiers.slack.client import SlackClient
from receiver.errors import DeliveryError, PermanentError, RetryLaterError, UncertainError
from receiver.upstream.http import MIB, Http
from tests.faults.rude import drips, floods, hangs, hangs_up

pytestmark = pytest.mark.anyio

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Ask = Callable[[str], Awaitable[object]]

BOMB = gzip.compress(bytes(200 * MIB), 9)  # 200 kB
MUCH = 32 * MIB


async def from_a_source(url: str) -> object:
    client = Http(url, {"X-Key": "credential"}, total_s=2.0)
    try:
        return (await client.call("GET", "/x")).data
    finally:
        await client.close()


async def from_slack(url: str) -> object:
    client = SlackClient(url, "xoxb-credential", total_s=2.0)
    try:
        return await client.auth_test()
    finally:
        await client.close()


async def post_to_slack(url: str) -> object:
    client = SlackClient(url, "xoxb-credential", total_s=2.0)
    try:
        return await client.post_message("C1", "text", [])
    finally:
        await client.close()


HTTP_CLIENTS = [from_a_source, from_slack]


@asynccontextmanager
async def server(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls)
    host, port = listening.sockets[0].getsockname()
    yield f"{'https' if tls else 'http'}://{host}:{port}"
    listening.close()


def answering(body: bytes, *headers: str, status: str = "200 OK") -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        await reader.read()  # until the client closes

    return serve


async def failure(ask: Ask, url: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        async with asyncio.timeout(20):
            await ask(url)
    return raised.value


@pytest.mark.parametrize("ask", HTTP_CLIENTS)
async def test_a_bomb_is_not_unpacked(ask: Ask) -> None:
    async with server(answering(BOMB, "Content-Encoding: gzip")) as url:
        tracemalloc.start()
        error = await failure(ask, url)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert error.code in {"too_large", "slack_unreadable"}
    assert most < MUCH


@pytest.mark.parametrize("ask", HTTP_CLIENTS)
async def test_a_gigabyte_is_not_read(ask: Ask) -> None:
    async with server(floods) as url:
        tracemalloc.start()
        error = await failure(ask, url)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert error.code in {"too_large", "slack_unreadable"}
    assert most < MUCH


async def test_an_answer_that_is_packed_is_read_from_a_source() -> None:
    async with server(answering(gzip.compress(b'{"todos": []}'), "Content-Encoding: gzip")) as url:
        assert await from_a_source(url) == {"todos": []}


@pytest.mark.parametrize(
    "packed",
    [answering(gzip.compress(b'{"todos": []}')[:-9], "Content-Encoding: gzip"),
     answering(b'{"todos": []}', "Content-Encoding: gzip"),
     answering(b"\x0b\x06\x80{}\x03", "Content-Encoding: br")],
    ids=["broken off", "not packed at all", "in a way nobody asked for"],
)  # fmt: skip
async def test_an_answer_that_cannot_be_unpacked_is_no_answer(packed: Serve) -> None:
    async with server(packed) as url:
        error = await failure(from_a_source, url)

    assert (type(error), error.code) == (RetryLaterError, "broken_off")


@pytest.mark.parametrize("ask", HTTP_CLIENTS)
@pytest.mark.parametrize("rude", [hangs, drips, hangs_up])
async def test_nothing_lasts_longer_than_the_whole_deadline(ask: Ask, rude: Serve) -> None:
    async with server(rude) as url:
        assert isinstance(await failure(ask, url), RetryLaterError)


@pytest.mark.parametrize("rude", [hangs, drips, hangs_up])
async def test_a_post_that_nobody_answered_has_perhaps_arrived(rude: Serve) -> None:
    async with server(rude) as url:
        assert isinstance(await failure(post_to_slack, url), UncertainError)


@pytest.mark.parametrize("ask", HTTP_CLIENTS)
async def test_credentials_do_not_follow_a_redirect(ask: Ask) -> None:
    asked: list[bytes] = []

    async def thief(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(4096))

    async with server(thief) as elsewhere:
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            async with server(answering(b"{}", f"Location: {elsewhere}/x", status=status)) as url:
                assert isinstance(await failure(ask, url), PermanentError | RetryLaterError)

    assert asked == []


@pytest.mark.parametrize("ask", HTTP_CLIENTS)
async def test_credentials_without_tls_go_through_no_proxy(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(4096))

    async with server(proxy) as url, server(answering(b'{"ok": true}')) as target:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, url)
        assert await ask(target) == {"ok": True}

    assert asked == []


@pytest.mark.parametrize("ask", HTTP_CLIENTS)
async def test_a_certificate_nobody_vouches_for_gets_nothing(ask: Ask, tmp_path: Path) -> None:
    received: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(4096))

    async with server(listen, self_signed(tmp_path)) as url:
        error = await failure(ask, url)

    assert isinstance(error, RetryLaterError)
    assert [part for part in received if part] == []
    assert ask is from_slack or "self-signed certificate" in error.message


def self_signed(folder: Path) -> ssl.SSLContext:
    key, cert = folder / "key.pem", folder / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The system's resolver; a slow name is answered only when this event is set."""
    enough = threading.Event()
    known = socket.getaddrinfo

    def resolve(host: object, *args: Any, **named: Any) -> Any:
        if str(host).endswith("hanging.example"):
            enough.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return known(host, *args, **named)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return enough


async def send_a_mail(url: str) -> object:
    return await SmtpClient(url, None, total_s=2.0).check()


@pytest.mark.parametrize(
    ("ask", "url"),
    [(from_a_source, "https://api.hanging.example"), (from_slack, "https://slack.hanging.example/api/"),
     (send_a_mail, "smtps://mail.hanging.example"), (send_a_mail, "smtp+starttls://mail.hanging.example")],
    ids=["a source", "Slack", "mail", "mail with STARTTLS"],
)  # fmt: skip
async def test_a_name_that_cannot_be_looked_up_has_a_deadline_too(
    ask: Ask, url: str, resolver: threading.Event
) -> None:
    try:
        assert isinstance(await failure(ask, url), RetryLaterError)
    finally:
        assert not resolver.is_set(), "it was the deadline that ended it"
        resolver.set()


async def flood_of_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    while True:
        writer.write(b"220-" + b"x" * 500 + b"\r\n")
        await writer.drain()


async def flood_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    writer.write(b"220 ")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("rude", [flood_of_lines, flood_without_end, silence, hangs_up])
async def test_a_mail_server_that_never_gets_to_the_point_is_left(rude: Serve) -> None:
    async with server(rude) as url:
        tracemalloc.start()
        error = await failure(send_a_mail, url.replace("http:", "smtp:"))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert isinstance(error, RetryLaterError)
    assert most < MUCH
