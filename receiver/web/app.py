"""The web application: every route on one screen."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from receiver.context import Adapters
from receiver.web import health, slack, webhooks
from receiver.web.action_pages import ActionPages
from receiver.web.action_service import ActionService
from receiver.web.control import control
from receiver.web.inbox.admin_pages import AdminPages
from receiver.web.inbox.item_page import ItemPages
from receiver.web.inbox.list_page import InboxPage
from receiver.web.inbox.session_pages import SessionPages
from receiver.web.login import LoginPages
from receiver.web.media import MediaPages
from receiver.web.pages import STATIC, error_handlers
from receiver.web.unsubscribe import UnsubscribePage


def build_app(adapters: Adapters, extra_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Build the application. It starts no loop. ``extra_routes``: for tests and benchmarks."""
    service, login, inbox = ActionService(adapters), LoginPages(adapters), InboxPage(adapters)
    sessions, admin = SessionPages(adapters), AdminPages(adapters)
    app = Starlette(
        routes=[
            *extra_routes,
            Route("/webhooks/{source}/{account}", webhooks.receive, methods=["POST"]),
            Route("/slack/interactions", slack.interact, methods=["POST"]),
            Route("/slack/commands", slack.command, methods=["POST"]),
            Route("/slack/events", slack.event, methods=["POST"]),
            Route("/act/{token}", ActionPages(service).handle, methods=["GET", "POST"]),
            Route("/media/{token}", MediaPages(service).handle),
            Route("/unsubscribe/{token}", UnsubscribePage(adapters).handle, methods=["GET", "POST"]),
            Route("/control", control, methods=["POST"]),
            Route("/healthz", health.healthz),
            Route("/readyz", health.readyz),
            Route("/metrics", health.metrics),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/", inbox.signed_in(inbox.show), methods=["GET"]),
            Route("/items/{id}", ItemPages(adapters).handle, methods=["GET", "POST"]),
            Route("/login", login.request_link, methods=["GET", "POST"]),
            Route("/login/{token}", login.sign_in, methods=["GET", "POST"]),
            Route("/sessions", sessions.signed_in(sessions.handle), methods=["GET", "POST"]),
            Route("/logout", sessions.log_out, methods=["POST"]),
            Route("/sources", admin.signed_in(admin.sources), methods=["GET"]),
            Route("/deliveries", admin.signed_in(admin.deliveries), methods=["GET", "POST"]),
        ],
        exception_handlers=error_handlers(adapters.translator),
    )
    app.state.adapters = adapters
    app.state.readiness = health.Readiness(adapters)
    return app
