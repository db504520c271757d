"""``casebell serve`` with one route more: it does all a webhook does except storing it. The yardstick of the bench."""

import argparse
from pathlib import Path

import uvloop
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from receiver import observability
from receiver.app import serve
from receiver.context import Adapters
from receiver.settings import load
from receiver.web import webhooks


async def verified_only(request: Request) -> Response:
    """Read, verify, answer."""
    adapters: Adapters = request.app.state.adapters
    await webhooks.read_event(request, adapters, request.path_params["source"], request.path_params["account"])
    adapters.metrics.webhooks_total.labels("getbill", "main", "verified").inc()
    return PlainTextResponse("verified\n", 202)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--port", type=int)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args()
    observability.configure_logs(level="error")
    yardstick = Route("/yardstick/{source}/{account}", verified_only, methods=["POST"])
    uvloop.run(serve(load(given.config), "127.0.0.1", given.port, extra_routes=(yardstick,)))
