"""Every URL of Casebell on one screen (interfaces.md, HTTP)."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from receiver.context import Adapters
from receiver.web import health, slack_surfaces, webhooks
from receiver.web.action_pages import link_routes
from receiver.web.action_service import LinkActionService
from receiver.web.admin_pages import running_routes
from receiver.web.control import control
from receiver.web.inbox import inbox_routes
from receiver.web.item import item_routes
from receiver.web.login import login_routes
from receiver.web.media import media_routes
from receiver.web.pages import STATIC, error_handlers
from receiver.web.session_pages import session_routes
from receiver.web.unsubscribe import unsubscribe_routes


def build_app(adapters: Adapters, beside: Sequence[BaseRoute] = ()) -> Starlette:
    """The web application over these adapters, with further routes ``beside`` its own; it starts nothing by itself."""
    decide = LinkActionService(adapters)
    app = Starlette(
        routes=[
            *beside,
            Route("/webhooks/{source}/{account}", webhooks.receive, methods=["POST"]),
            Route("/slack/interactions", webhooks.interact, methods=["POST"]),
            Route("/slack/commands", slack_surfaces.command, methods=["POST"]),
            Route("/slack/events", slack_surfaces.event, methods=["POST"]),
            *link_routes(decide),
            *media_routes(decide),
            *unsubscribe_routes(adapters),
            Route("/control", control, methods=["POST"]),
            Route("/healthz", health.healthz),
            Route("/readyz", health.readyz),
            Route("/metrics", health.metrics),
            Mount("/static", StaticFiles(directory=STATIC)),
            *inbox_routes(adapters),
            *item_routes(adapters),
            *login_routes(adapters),
            *session_routes(adapters),
            *running_routes(adapters),
        ],
        exception_handlers=error_handlers(adapters.translator),
    )
    app.state.adapters = adapters
    app.state.readiness = health.Readiness(adapters)
    return app
