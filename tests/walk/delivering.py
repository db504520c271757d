"""A desk that delivers to a Slack of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from notifiers.i18n.translator import Translator
from notifiers.slack.client import SlackClient
from notifiers.slack.notifier import SlackNotifier
from receiver.context import Adapters
from receiver.domain.people import People
from receiver.domain.routing import Route
from receiver.domain.token import Tokens
from receiver.observability import Metrics
from tests.adapters.slack_wire import Wire
from tests.factories import NOW, make_rules

ROUTES = (Route("disputes", slack=("C1",)),)


@asynccontextmanager
async def adapters_of(database: Any, wire: Wire) -> AsyncIterator[Adapters]:
    notifier = SlackNotifier(SlackClient(wire.url, "xoxb-1", total_s=5), Translator())
    people, tokens = People(frozenset({"@creditor.example"})), Tokens(["0123456789abcdef"])
    adapters = Adapters(
        database, make_rules(people=people, tokens=tokens, routes=ROUTES), Translator(), Metrics(), now=lambda: NOW
    )
    adapters.notifiers = {"slack": notifier}
    try:
        yield adapters
    finally:
        await notifier.close()
