"""What machines ask: does it live, may it get traffic, what does it count."""

import asyncio

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from receiver.context import Adapters
from receiver.errors import CasebellError
from receiver.store.database import is_ready
from receiver.store.probe import store_and_take_back

LOOK_EVERY_S = 2.0
PATIENCE_S = 2.0


async def healthz(_request: Request) -> Response:
    """200 while the process lives."""
    return PlainTextResponse("alive\n")


class Readiness:
    """Whether a webhook would be stored now. Found out by storing something, once in a while for all who ask."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self._look: asyncio.Task[str | None] | None = None
        self._looked_at = 0.0

    async def reason(self) -> str | None:
        """Why not, in a line; None when it would be."""
        now = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now - self._looked_at > LOOK_EVERY_S):
            self._look, self._looked_at = asyncio.create_task(self._try()), now
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(self._look)
        except TimeoutError:
            return f"store_slow: the database has not answered for {PATIENCE_S:.0f} s"

    async def _try(self) -> str | None:
        try:
            is_migrated = await self._adapters.database.read(is_ready)
            await self._adapters.database.write(store_and_take_back, self._adapters.now())
        except CasebellError as error:
            return f"{error.code}: {error.message}"
        return None if is_migrated else "migrations are not done"


async def readyz(request: Request) -> Response:
    """200 when an event would be stored now; else 503 with the reason."""
    adapters: Adapters = request.app.state.adapters
    reason = "draining" if adapters.is_draining else await request.app.state.readiness.reason()
    if reason is None:
        return PlainTextResponse("ready\n")
    return PlainTextResponse(f"{reason}\n", 503, headers={"Retry-After": "5"})


async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    adapters: Adapters = request.app.state.adapters
    return Response(generate_latest(adapters.metrics.registry), media_type=CONTENT_TYPE_LATEST)
