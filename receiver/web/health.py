"""Liveness, readiness and metrics."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from receiver.context import Adapters
from receiver.errors import CasebellError
from receiver.observability import METRICS_CONTENT_TYPE
from receiver.store.database import is_ready
from receiver.store.probe import check_writable

PROBE_INTERVAL_S = 2.0
PROBE_TIMEOUT_S = 2.0


async def healthz(_request: Request) -> Response:
    """200 while the process runs."""
    return PlainTextResponse("alive\n")


class Readiness:
    """Whether the store takes an event now. It stores a probe, at most one per interval for all requests."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self._probe: asyncio.Task[str | None] | None = None
        self._probe_started_at = 0.0

    async def find_problem(self) -> str | None:
        """Why the store takes no event, in one line; None if it does."""
        now = asyncio.get_running_loop().time()
        if self._probe is None or (self._probe.done() and now - self._probe_started_at > PROBE_INTERVAL_S):
            self._probe, self._probe_started_at = asyncio.create_task(self._run_probe()), now
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await asyncio.shield(self._probe)
        except TimeoutError:
            return f"store_slow: the database has not answered for {PROBE_TIMEOUT_S:.0f} s"

    async def _run_probe(self) -> str | None:
        try:
            is_migrated = await self._adapters.database.read(is_ready)
            await self._adapters.database.write(check_writable, self._adapters.now())
        except CasebellError as error:
            return f"{error.code}: {error.message}"
        return None if is_migrated else "migrations are not done"


async def readyz(request: Request) -> Response:
    """200 if an event would be stored now, else 503 with the reason."""
    adapters: Adapters = request.app.state.adapters
    problem = "draining" if adapters.is_draining else await request.app.state.readiness.find_problem()
    if problem is None:
        return PlainTextResponse("ready\n")
    return PlainTextResponse(f"{problem}\n", 503, headers={"Retry-After": "5"})


async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    adapters: Adapters = request.app.state.adapters
    return Response(adapters.metrics.render(), media_type=METRICS_CONTENT_TYPE)
