"""Steps 1 to 3 for webhooks and Slack's interactions: receive, verify, store, then answer."""

import time
from collections.abc import Mapping

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from receiver.context import Adapters
from receiver.errors import CasebellError, RejectedError, RetryLaterError
from receiver.pipeline.ingest import accept
from receiver.store.events import Arrival
from receiver.web.request_body import STATUS, raw_body

RETRY_AFTER = {"Retry-After": "5"}
# What later steps may want to know of an event; signatures and credentials are never stored.
KEPT_HEADERS = ("content-type", "user-agent", "x-debitura-event", "x-debitura-replay", "x-debitura-timestamp")


async def receive(request: Request) -> Response:
    """``POST /webhooks/{source}/{account}``: 202 stored, 200 seen before, 4xx not accepted, 503 come again."""
    adapters: Adapters = request.app.state.adapters
    source, account = request.path_params["source"], request.path_params["account"]
    started = time.perf_counter()
    try:
        arrival = await verified(request, adapters, source, account)
        is_new = await accept(adapters, arrival)
    except CasebellError as error:
        known = source if (source, account) in adapters.verifies else "unknown"
        adapters.metrics.webhooks_total.labels(known, account if known != "unknown" else "", error.code).inc()
        return refusal(error)
    adapters.metrics.webhooks_total.labels(source, account, "stored" if is_new else "duplicate").inc()
    adapters.metrics.webhook_ack_seconds.observe(time.perf_counter() - started)
    return PlainTextResponse("stored\n", 202) if is_new else PlainTextResponse("seen before\n", 200)


async def verified(request: Request, adapters: Adapters, source: str, account: str) -> Arrival:
    """The event as it came, its signature checked. Raises RejectedError."""
    verify = adapters.verifies.get((source, account))
    if verify is None:
        raise RejectedError("unknown_account")
    body = await raw_body(request)
    headers = headers_of(request)
    now = adapters.now()
    event_id = verify(body, headers, now)
    kept = {name: headers[name][:200] for name in KEPT_HEADERS if name in headers}
    return Arrival(source, account, event_id, kept, body, now)


async def interact(request: Request) -> Response:
    """``POST /slack/interactions``: a press is stored before its 200; a modal opens once the answer is on its way."""
    adapters: Adapters = request.app.state.adapters
    if adapters.clicks is None:
        return PlainTextResponse("Slack is not configured here\n", 404)
    try:
        body = await raw_body(request)
        now = adapters.now()
        identity = adapters.clicks.verify(body, headers_of(request), now)
        received = adapters.clicks.receive(body)
        if received.is_click:
            await accept(adapters, Arrival("slack", "", identity, {}, body, now))
    except CasebellError as error:
        adapters.metrics.webhooks_total.labels("slack", "", error.code).inc()
        # interfaces.md, HTTP: whoever is not our Slack gets 401, also from another workspace or app
        return refusal(error) if error.code != "unknown_account" else PlainTextResponse(f"{error.code}\n", 401)
    after = BackgroundTask(received.after) if received.after else None
    if received.answer is not None:
        return JSONResponse(received.answer, background=after)
    return Response(status_code=200, background=after)


def headers_of(request: Request) -> Mapping[str, str]:
    """Header names in lower case; of a repeated one the first counts."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name, value)
    return headers


def refusal(error: CasebellError) -> Response:
    """The error's own word and status, nothing of what was sent."""
    if isinstance(error, RetryLaterError):
        return PlainTextResponse(f"{error.code}\n", 503, headers=RETRY_AFTER)
    return PlainTextResponse(f"{error.code}\n", STATUS.get(error.code, 400))
