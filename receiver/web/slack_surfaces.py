"""Steps 1 and 2 for Slack's slash command and events: verified, answered at once, looked at afterwards."""

from collections.abc import Callable

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from receiver.context import Desk
from receiver.errors import CasebellError
from receiver.ports import Places, Received
from receiver.web.request_body import raw_body
from receiver.web.webhooks import headers_of, refusal


async def command(request: Request) -> Response:
    """``POST /slack/commands``."""
    return await _heard(request, lambda places, body: places.command(body))


async def event(request: Request) -> Response:
    """``POST /slack/events``."""
    return await _heard(request, lambda places, body: places.event(body))


async def _heard(request: Request, understand: Callable[[Places, bytes], Received]) -> Response:
    desk: Desk = request.app.state.desk
    if desk.places is None:
        return PlainTextResponse("Slack is not configured here\n", 404)
    try:
        body = await raw_body(request)
        desk.places.verify(body, headers_of(request), desk.now())
    except CasebellError as error:
        desk.metrics.webhooks_total.labels("slack", "", error.code).inc()
        return refusal(error) if error.code != "unknown_account" else PlainTextResponse(f"{error.code}\n", 401)
    received = understand(desk.places, body)
    after = BackgroundTask(received.after) if received.after else None
    if received.answer is not None:
        return JSONResponse(received.answer, background=after)
    return Response(status_code=200, background=after)
