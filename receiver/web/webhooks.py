"""Webhooks: read the body, verify the signature, store the event, then answer."""

import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from receiver.context import Adapters
from receiver.errors import CasebellError, RejectedError, RetryLaterError
from receiver.pipeline.ingest import accept
from receiver.store.events import Arrival
from receiver.web.request_body import STATUS_OF_ERROR, read_body

RETRY_AFTER = {"Retry-After": "5"}
# Stored with the event, because later steps may need them. Signatures and credentials are never stored.
STORED_HEADERS = ("content-type", "user-agent", "x-debitura-event", "x-debitura-replay", "x-debitura-timestamp")


async def receive(request: Request) -> Response:
    """``POST /webhooks/{source}/{account}``: 202 stored, 200 duplicate, 4xx rejected, 503 not stored, send again."""
    adapters: Adapters = request.app.state.adapters
    source, account = request.path_params["source"], request.path_params["account"]
    started = time.perf_counter()
    try:
        arrival = await read_event(request, adapters, source, account)
        is_new = await accept(adapters, arrival)
    except CasebellError as error:
        labels = (source, account) if (source, account) in adapters.verifies else ("unknown", "")
        adapters.metrics.webhooks_total.labels(*labels, error.code).inc()
        return error_response(error)
    adapters.metrics.webhooks_total.labels(source, account, "stored" if is_new else "duplicate").inc()
    adapters.metrics.webhook_ack_seconds.observe(time.perf_counter() - started)
    return PlainTextResponse("stored\n", 202) if is_new else PlainTextResponse("seen before\n", 200)


async def read_event(request: Request, adapters: Adapters, source: str, account: str) -> Arrival:
    """The event, after its signature was verified. Raises RejectedError."""
    verify = adapters.verifies.get((source, account))
    if verify is None:
        raise RejectedError("unknown_account")
    body = await read_body(request)
    headers = headers_of(request)
    now = adapters.now()
    event_id = verify(body, headers, now)
    stored_headers = {name: headers[name][:200] for name in STORED_HEADERS if name in headers}
    return Arrival(source, account, event_id, stored_headers, body, now)


def headers_of(request: Request) -> Mapping[str, str]:
    """The headers by lower-case name; the first value of a repeated one."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name, value)
    return headers


def error_response(error: CasebellError) -> Response:
    """The error's code and status; nothing of the request."""
    if isinstance(error, RetryLaterError):
        return PlainTextResponse(f"{error.code}\n", 503, headers=RETRY_AFTER)
    return PlainTextResponse(f"{error.code}\n", STATUS_OF_ERROR.get(error.code, 400))
