"""Steps 1 and 2 for Slack's slash command and events: verified, answered at once, looked at afterwards."""

from collections.abc import Callable

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from receiver.context import Adapters
from receiver.errors import CasebellError
from receiver.ports import Received, Surfaces
from receiver.web.request_body import raw_body
from receiver.web.webhooks import headers_of, refusal


async def command(request: Request) -> Response:
    """``POST /slack/commands``."""
    return await _heard(request, lambda places, body: places.command(body))


async def event(request: Request) -> Response:
    """``POST /slack/events``."""
    return await _heard(request, lambda places, body: places.event(body))


async def _heard(request: Request, understand: Callable[[Surfaces, bytes], Received]) -> Response:
    adapters: Adapters = request.app.state.adapters
    if adapters.surfaces is None:
        return PlainTextResponse("Slack is not configured here\n", 404)
    try:
        body = await raw_body(request)
        adapters.surfaces.verify(body, headers_of(request), adapters.now())
    except CasebellError as error:
        adapters.metrics.webhooks_total.labels("slack", "", error.code).inc()
        return refusal(error) if error.code != "unknown_account" else PlainTextResponse(f"{error.code}\n", 401)
    received = understand(adapters.surfaces, body)
    after = BackgroundTask(received.after) if received.after else None
    if received.answer is not None:
        return JSONResponse(received.answer, background=after)
    return Response(status_code=200, background=after)
