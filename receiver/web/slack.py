"""Slack's requests: interactions (clicks and forms), the slash command and events.

Each is verified and answered at once, because Slack waits three seconds (docs/vendors/slack.md#timing). A click is
stored before the answer; other work starts after it.
"""

from collections.abc import Callable

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from receiver.context import Adapters
from receiver.errors import CasebellError
from receiver.pipeline.ingest import accept
from receiver.ports import InteractionResponse, Surfaces
from receiver.store.events import Arrival
from receiver.web.request_body import read_body
from receiver.web.webhooks import error_response, headers_of


async def interact(request: Request) -> Response:
    """``POST /slack/interactions``."""
    adapters: Adapters = request.app.state.adapters
    if adapters.clicks is None:
        return _not_configured()
    try:
        body = await read_body(request)
        now = adapters.now()
        identity = adapters.clicks.verify(body, headers_of(request), now)
        received = adapters.clicks.respond(body)
        if received.is_click:
            await accept(adapters, Arrival("slack", "", identity, {}, body, now))
    except CasebellError as error:
        return _refuse(adapters, error)
    return _answer(received)


async def command(request: Request) -> Response:
    """``POST /slack/commands``."""
    return await _handle(request, lambda surfaces, body: surfaces.respond_to_command(body))


async def event(request: Request) -> Response:
    """``POST /slack/events``."""
    return await _handle(request, lambda surfaces, body: surfaces.respond_to_event(body))


async def _handle(request: Request, receive: Callable[[Surfaces, bytes], InteractionResponse]) -> Response:
    adapters: Adapters = request.app.state.adapters
    if adapters.surfaces is None:
        return _not_configured()
    try:
        body = await read_body(request)
        adapters.surfaces.verify(body, headers_of(request), adapters.now())
    except CasebellError as error:
        return _refuse(adapters, error)
    return _answer(receive(adapters.surfaces, body))


def _answer(received: InteractionResponse) -> Response:
    task = BackgroundTask(received.after) if received.after else None
    if received.answer is not None:
        return JSONResponse(received.answer, background=task)
    return Response(status_code=200, background=task)


def _refuse(adapters: Adapters, error: CasebellError) -> Response:
    """401 also for another workspace or app (``unknown_account``): its signature is not that of our Slack app."""
    adapters.metrics.webhooks_total.labels("slack", "", error.code).inc()
    return error_response(error) if error.code != "unknown_account" else PlainTextResponse(f"{error.code}\n", 401)


def _not_configured() -> Response:
    return PlainTextResponse("Slack is not configured here\n", 404)
