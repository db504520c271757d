"""What machines ask: does it live, may it get traffic, what does it count."""

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from receiver.desk import Desk
from receiver.errors import CasebellError
from receiver.store.database import is_ready


async def healthz(_request: Request) -> Response:
    """200 while the process lives."""
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> Response:
    """200 when the database answers and is migrated; else 503 with the reason."""
    desk: Desk = request.app.state.desk
    if desk.is_draining:
        return PlainTextResponse("draining\n", 503)
    try:
        ready = await desk.database.read(is_ready)
    except CasebellError as error:
        return PlainTextResponse(f"{error.code}\n", 503)
    return PlainTextResponse("ready\n") if ready else PlainTextResponse("migrations are not done\n", 503)


async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    desk: Desk = request.app.state.desk
    return Response(generate_latest(desk.metrics.registry), media_type=CONTENT_TYPE_LATEST)
