"""The web application: every route on one screen."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from receiver.context import Adapters
from receiver.web import health, slack, webhooks
from receiver.web.action_pages import action_routes
from receiver.web.action_service import ActionService
from receiver.web.control import control
from receiver.web.inbox.admin_pages import admin_routes
from receiver.web.inbox.item_page import item_routes
from receiver.web.inbox.list_page import inbox_routes
from receiver.web.inbox.session_pages import session_routes
from receiver.web.login import login_routes
from receiver.web.media import media_routes
from receiver.web.pages import STATIC, error_handlers
from receiver.web.unsubscribe import unsubscribe_routes


def build_app(adapters: Adapters, extra_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Build the application. It starts no loop. ``extra_routes``: for tests and benchmarks."""
    service = ActionService(adapters)
    app = Starlette(
        routes=[
            *extra_routes,
            Route("/webhooks/{source}/{account}", webhooks.receive, methods=["POST"]),
            Route("/slack/interactions", slack.interact, methods=["POST"]),
            Route("/slack/commands", slack.command, methods=["POST"]),
            Route("/slack/events", slack.event, methods=["POST"]),
            *action_routes(service),
            *media_routes(service),
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
            *admin_routes(adapters),
        ],
        exception_handlers=error_handlers(adapters.translator),
    )
    app.state.adapters = adapters
    app.state.readiness = health.Readiness(adapters)
    return app
