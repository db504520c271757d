"""``casebell serve`` with one route more: it does all a webhook does except storing it. The yardstick of the bench."""

import sys

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import receiver.main
from receiver.__main__ import main
from receiver.desk import Desk
from receiver.web import app, hooks


async def verified_only(request: Request) -> Response:
    """Read, verify, answer."""
    desk: Desk = request.app.state.desk
    await hooks.verified(request, desk, request.path_params["source"], request.path_params["account"])
    desk.metrics.webhooks_total.labels("getbill", "main", "verified").inc()
    return PlainTextResponse("verified\n", 202)


if __name__ == "__main__":
    build_app = receiver.main.build_app

    def with_yardstick(desk: Desk) -> app.Starlette:
        built = build_app(desk)
        built.router.routes.insert(0, Route("/yardstick/{source}/{account}", verified_only, methods=["POST"]))
        return built

    receiver.main.build_app = with_yardstick
    sys.exit(main())
