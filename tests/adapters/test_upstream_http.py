"""Each way in which a call to a source can fail maps to one error; over ASGI and over real sockets."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from receiver.errors import DeliveryError, PermanentError, RetryLaterError, UncertainError
from receiver.upstream.http import Http, one_line, parse_wait_s, path_segment

pytestmark = pytest.mark.anyio
METHODS = ["GET", "POST", "PUT"]

Endpoint = Callable[[Request], Awaitable[Response]]


def http(answer: Response | Endpoint, base_url: str = "https://api.example/v1/", **options: Any) -> Http:
    """A client of an app that always answers with ``answer``."""

    async def endpoint(request: Request) -> Response:
        return answer if isinstance(answer, Response) else await answer(request)

    app = Starlette(routes=[Route("/{path:path}", endpoint, methods=METHODS)])
    return Http(base_url, {"X-Key": "k"}, transport=httpx.ASGITransport(app), **options)


async def failure(client: Http, method: str = "GET") -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await client.call(method, "/x")
    return raised.value


async def echo(request: Request) -> Response:
    body = (await request.body()).decode()
    raw_path = request.scope["raw_path"].decode()
    return JSONResponse({"url": str(request.url), "raw": raw_path, "headers": dict(request.headers), "body": body})


@pytest.mark.parametrize("base_url", ["https://api.example/v1", "https://api.example/v1/"])
@pytest.mark.parametrize("path", ["todos", "/todos"])
async def test_base_url_and_path_meet_in_one_slash(base_url: str, path: str) -> None:
    reply = await http(echo, base_url).call("GET", path, params={"page": 2})

    assert reply.data["url"] == "https://api.example/v1/todos?page=2"


async def test_an_id_is_one_piece_of_the_path_whatever_it_holds() -> None:
    reply = await http(echo).call("GET", f"/todos/{path_segment('a/b?c#d%2F é')}")

    assert reply.data["raw"] == "/v1/todos/a%2Fb%3Fc%23d%252F%20%C3%A9"


@pytest.mark.parametrize("value", ["", ".", ".."])
async def test_an_id_that_climbs_the_path_is_refused(value: str) -> None:
    with pytest.raises(PermanentError):
        path_segment(value)


async def test_a_call_s_own_headers_go_with_the_client_s() -> None:
    reply = await http(echo).call("POST", "/x", json={"note": "é 🙂 \ud83d"}, headers={"Authorization": "Bearer t"})

    sent = reply.data["headers"]
    assert (sent["x-key"], sent["authorization"], sent["content-type"]) == ("k", "Bearer t", "application/json")
    assert reply.data["body"] == '{"note": "\\u00e9 \\ud83d\\ude42 \\ud83d"}'


async def test_a_form_is_sent_as_a_form() -> None:
    reply = await http(echo, "https://api.example/token").call("POST", "", form={"a": "1 2"})

    assert (reply.data["raw"], reply.data["body"]) == ("/token", "a=1+2")


async def test_amounts_stay_exact() -> None:
    reply = await http(Response(b'{"amount": 1500.10, "count": 3}')).call("GET", "/x")

    assert reply.data == {"amount": Decimal("1500.10"), "count": 3}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"<h1>Hi\n\tthere</h1>", "<h1>Hi there</h1>"),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": 1e999999999999999999999}', '{"a": 1e999999999999999999999}'),
        (b"\xff\x00z", "\ufffd z"),
    ],
    ids=["empty", "HTML", "NaN", "a number beyond reason", "bytes"],
)
async def test_an_answer_that_is_no_json_is_no_error_and_can_be_read(body: bytes, text: str) -> None:
    reply = await http(Response(body)).call("GET", "/x")

    assert (reply.data, reply.text) == (None, text)


@pytest.mark.parametrize(
    ("status", "method", "kind", "code"),
    [
        (400, "GET", PermanentError, "refused"),
        (401, "PUT", PermanentError, "unauthorized"),
        (403, "PUT", PermanentError, "forbidden"),
        (404, "GET", PermanentError, "not_found"),
        (410, "GET", PermanentError, "not_found"),
        (422, "PUT", PermanentError, "refused"),
        (302, "GET", PermanentError, "redirected"),
        (408, "PUT", RetryLaterError, "timeout"),
        (429, "GET", RetryLaterError, "rate_limited"),
        (429, "PUT", RetryLaterError, "rate_limited"),
        (500, "GET", RetryLaterError, "server_error"),
        (503, "GET", RetryLaterError, "server_error"),
        (500, "PUT", UncertainError, "server_error"),
        (502, "POST", UncertainError, "server_error"),
        (504, "PUT", UncertainError, "server_error"),
    ],
)
async def test_every_status_is_named_for_what_to_do_next(
    status: int, method: str, kind: type[DeliveryError], code: str
) -> None:
    error = await failure(http(HTMLResponse("<h1>no</h1>", status, {"Location": "https://evil.example/"})), method)

    assert (type(error), error.code) == (kind, code)
    assert str(status) in error.message
    assert "<h1>" not in error.message


async def test_the_vendor_s_own_words_are_told_in_one_line() -> None:
    error = await failure(http(JSONResponse({"message": "No\r\n\x1b[31mway " + "x" * 900}, 422)))

    assert error.message.startswith("No [31mway xxx")
    assert len(error.message) == 300


@pytest.mark.parametrize(
    ("headers", "body", "after_s"),
    [
        ({"Retry-After": "17"}, {"wait": 99}, 17.0),
        ({}, {"wait": 1800}, 1800.0),
        ({}, {"wait": "12.5"}, 12.5),
        ({"Retry-After": "0"}, {}, 1.0),
        ({"Retry-After": "90000"}, {}, 3600.0),
        ({"Retry-After": "nan"}, {}, None),
        ({"Retry-After": "-5"}, {}, None),
        ({"Retry-After": "1e300"}, {}, None),
        ({"Retry-After": "1767225600"}, {}, None),
        ({"Retry-After": "soon"}, {"wait": [1]}, None),
        ({"Retry-After": "soon"}, {"wait": True}, None),
        ({}, {}, None),
    ],
)
async def test_how_long_to_wait_is_believed_only_within_reason(
    headers: Mapping[str, str], body: dict[str, object], after_s: float | None
) -> None:
    client = http(JSONResponse(body, 429, headers), retry_after_of=lambda data: data.get("wait"))

    error = await failure(client)

    assert isinstance(error, RetryLaterError)
    assert error.after_s == after_s


def test_a_date_is_a_time_to_wait_for_too() -> None:
    later = parse_wait_s(format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True))

    assert later is not None
    assert 60 < later <= 120
    assert parse_wait_s("Wed, 21 Oct 2015 07:28:00 GMT") == 1.0


@pytest.mark.parametrize(("method", "kind"), [("GET", PermanentError), ("PUT", UncertainError)])
async def test_an_endless_answer_is_cut_and_a_write_may_have_happened(method: str, kind: type[DeliveryError]) -> None:
    error = await failure(http(Response(b"x" * 5000), max_bytes=4999), method)

    assert (type(error), error.code) == (kind, "too_large")


async def test_an_answer_of_exactly_the_allowed_size_is_whole() -> None:
    reply = await http(Response(b'"' + b"x" * 4998 + b'"'), max_bytes=5000).call("GET", "/x")

    assert reply.data == "x" * 4998


@pytest.mark.parametrize(("method", "kind"), [("GET", RetryLaterError), ("PUT", UncertainError)])
async def test_silence_after_the_request_is_uncertain_only_for_a_write(method: str, kind: type[DeliveryError]) -> None:
    async def never(_request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    error = await failure(http(never, total_s=0.1), method)

    assert (type(error), error.code) == (kind, "timeout")


@pytest.mark.parametrize(("method", "kind"), [("GET", RetryLaterError), ("PUT", UncertainError)])
async def test_an_answer_that_drips_is_held_to_the_whole_deadline(method: str, kind: type[DeliveryError]) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.02)

    error = await over_socket(drip, method, total_s=0.3)

    assert (type(error), error.code) == (kind, "timeout")


@pytest.mark.parametrize(("method", "kind"), [("GET", RetryLaterError), ("PUT", UncertainError)])
async def test_a_connection_cut_before_the_answer_is_uncertain_only_for_a_write(
    method: str, kind: type[DeliveryError]
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    error = await over_socket(hang_up, method)

    assert (type(error), error.code) == (kind, "broken_off")


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_what_could_not_connect_was_surely_not_done(method: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    client = Http(f"http://127.0.0.1:{port}", {})

    error = await failure(client, method)
    await client.close()

    assert (type(error), error.code) == (RetryLaterError, "unreachable")


async def test_an_address_nobody_can_call_is_permanent() -> None:
    client = Http("ftp://api.example", {})

    error = await failure(client)
    await client.close()

    assert (type(error), error.code) == (PermanentError, "bad_request")


async def test_whoever_counts_hears_of_every_call_once_before_anything_is_raised() -> None:
    observed: list[tuple[str, str, str | None]] = []

    def on_reply(operation: str, status: str, headers: Mapping[str, str]) -> None:
        observed.append((operation, status, headers.get("x-left")))

    for answer in (JSONResponse({}, 200, {"X-Left": "9"}), JSONResponse({}, 404)):
        await asyncio.gather(http(answer, on_reply=on_reply).call("GET", "/x", operation="a.b"), return_exceptions=True)
    unreachable = Http("http://127.0.0.1:1", {}, on_reply=on_reply)
    await asyncio.gather(unreachable.call("GET", "/x", operation="a.b"), return_exceptions=True)
    await unreachable.close()

    assert observed == [("a.b", "200", "9"), ("a.b", "404", None), ("a.b", "unreachable", None)]


def test_one_line_has_no_way_to_break_out() -> None:
    assert one_line(" a\n\u2028b\x00\x9b c ") == "a b c"


async def over_socket(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], method: str, **options: Any
) -> DeliveryError:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    client = Http(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, **options)
    try:
        return await failure(client, method)
    finally:
        await client.close()
        server.close()
        await server.wait_closed()
