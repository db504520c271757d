"""``/items/{id}``: everything about one item, its history, and the same choice as the page behind a mailed link.

Page, form and nonce are those of ``action_pages.py``; the person comes from the session.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.domain.item import Item
from receiver.domain.refusal import N_
from receiver.domain.routing import DEFAULT_ROUTE, route_at
from receiver.pipeline.notices import SIGNED_IN, notice_of
from receiver.store import items, outbox
from receiver.web import sessions
from receiver.web.action_form import LINK_VERBS
from receiver.web.action_pages import ActionPages
from receiver.web.action_service import ActionService, ActionTarget
from receiver.web.action_view import Visit
from receiver.web.pages import Language, format_datetime, preferred_language, render_message
from receiver.web.sessions import Session

ITEM_VERBS: Final = (*LINK_VERBS, "release", "note")
MAX_EVENTS: Final = 100
TRANSITIONS: Final = {
    "opened": N_("Opened"),
    "changed": N_("Changed"),
    "resolved": N_("Resolved"),
    "reopened": N_("Opened again"),
    "rang": N_("Alerted again"),
}
VERB: Final = N_("{verb}")  # the translator replaces the name of a verb by its label


class ItemPages(ActionPages):
    """The page for people who are signed in."""

    template = "item.html"

    def __init__(self, adapters: Adapters) -> None:
        super().__init__(_SessionActionService(adapters))
        self._adapters = adapters

    async def handle(self, request: Request) -> Response:
        if await sessions.session_of(self._adapters, request) is None:
            return sessions.redirect_to_login(request)
        return await super().handle(request)

    async def _visit(self, request: Request) -> Visit | None:
        session = await sessions.session_of(self._adapters, request)
        item_id = request.path_params["id"]
        item = await self._adapters.database.read(items.find, item_id) if item_id.isascii() else None
        if session is None or item is None:
            return None
        language = preferred_language(self._adapters.translator, request)
        route = replace(route_at("", item.snapshot, self._adapters.rules.routes), locale=language.locale)
        notice = notice_of(self._adapters, item, route, reader=SIGNED_IN)
        never = self._adapters.now() + timedelta(days=1)
        return Visit(
            request,
            item.id,
            ActionTarget(item, notice, session.person.email or "", item.version, never, None),
            language,
            path=f"/items/{item.id}",
            browser_id=session.browser_id,
            verbs=ITEM_VERBS,
            context=await self._context(item, session, language, route.timezone),
        )

    async def _context(self, item: Item, session: Session, language: Language, timezone: str) -> dict[str, Any]:
        events, deliveries = await self._adapters.database.read(_events_and_deliveries, item.id)
        history = []
        for event in [event for event in events[-MAX_EVENTS:] if event.ignored is None]:
            at, what = format_datetime(event.at, timezone, language.locale), _describe_event(event, language)
            history.append((at, what, event.who or "", event.detail or ""))
        deliveries = deliveries if session.is_admin else []
        return {"session": session, "here": "", "history": history, "deliveries": deliveries}

    def _set_browser_cookie(self, response: Response, visit: Visit, browser_id: str) -> None:
        """The cookie of the session is enough."""

    def _render_not_found(self, request: Request) -> Response:
        text = N_("It was erased when its time was over, or it never was.")
        language = preferred_language(self._adapters.translator, request)
        return render_message(language, 404, N_("There is no such item"), text)


class _SessionActionService(ActionService):
    """Finds the item by its own id instead of a link's. It mails nothing."""

    async def find_target(self, token_id: str) -> ActionTarget | None:
        """The item as it is now, after a click."""
        item = await self._adapters.database.read(items.find, token_id)
        if item is None:
            return None
        notice = notice_of(self._adapters, item, DEFAULT_ROUTE)
        return ActionTarget(item, notice, "", item.version, self._adapters.now(), None)

    async def submit_click(self, click: Click, locale: str) -> str | None:
        click = replace(click, via="web", token_id=None, identity=f"web.{click.identity}")
        return await super().submit_click(click, locale)

    async def send_new_link(self, token_id: str) -> None:
        """There is no link."""


def _events_and_deliveries(connection: Connection, item_id: str) -> tuple[Sequence[items.HistoryEntry], Sequence[Any]]:
    return items.list_timeline(connection, item_id), outbox.list_of_item(connection, item_id)


def _describe_event(event: items.HistoryEntry, language: Language) -> str:
    if event.who:
        return language.translate(VERB, verb=event.detail or event.fact)
    label = TRANSITIONS.get(event.transition or "")
    return language.translate(label) if label else event.fact
