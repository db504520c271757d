"""``/items/{id}``: one item whole, with what became of it so far, and the choice that a mail's page offers too.

The page, its form and its proof that a person looked are those of ``links.py``; only who it is comes from the session.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.context import Adapters
from receiver.domain.action import ActionInput, Click
from receiver.domain.refusal import N_
from receiver.domain.routing import DEFAULT_ROUTE, route_at
from receiver.pipeline.notices import SIGNED_IN, notice_of
from receiver.store import items, outbox
from receiver.web import sessions
from receiver.web.action_form import OFFERED, Shown
from receiver.web.action_pages import ActPages, Found, Visit, when
from receiver.web.action_service import LinkActionService
from receiver.web.pages import message, preferred_locale, words_of

CHOICES: Final = (*OFFERED, "release", "note")
MOST_LINES: Final = 100
TURNS: Final = {
    "opened": N_("Opened"),
    "changed": N_("Changed"),
    "resolved": N_("Resolved"),
    "reopened": N_("Opened again"),
    "rang": N_("Rang again"),
}


def item_routes(adapters: Adapters) -> list[Route]:
    return [Route("/items/{id}", ItemPages(adapters).answer, methods=["GET", "POST"], name="item")]


class ItemPages(ActPages):
    """The same page, for whoever is signed in."""

    template = "item.html"

    def __init__(self, adapters: Adapters) -> None:
        super().__init__(_SignedIn(adapters))
        self._adapters = adapters

    async def answer(self, request: Request) -> Response:
        if await sessions.session_of(self._adapters, request) is None:
            return sessions.to_login(request)
        return await super().answer(request)

    async def _visit(self, request: Request) -> Visit | None:
        session = await sessions.session_of(self._adapters, request)
        item_id = request.path_params["id"]
        item = await self._adapters.database.read(items.find, item_id) if item_id.isascii() else None
        if session is None or item is None:
            return None
        locale = preferred_locale(request)
        route = route_at("", item.snapshot, self._adapters.rules.routes)
        notice = notice_of(self._adapters, item, replace(route, locale=locale), reader=SIGNED_IN)
        never = self._adapters.now() + timedelta(days=1)
        found = Found(item, notice, session.person.email or "", item.version, never, None)
        told = await self._adapters.database.read(_told, item.id)
        return Visit(request, item.id, found, words_of(self._adapters.translator, locale), False, CHOICES, told)

    def _click(
        self, visit: Visit, shown: Shown, verb: str, note: str | None, text: str | None, terms: ActionInput
    ) -> Click:
        click = super()._click(visit, shown, verb, note, text, terms)
        return replace(click, via="web", token_id=None, identity=f"web.{click.identity}")

    def _browser(self, visit: Visit) -> str:
        return _session(visit).browser

    def _path(self, visit: Visit) -> str:
        return f"/items/{visit.found.item.id}"

    def _remember(self, response: Response, visit: Visit, browser: str) -> None:
        """The session's own cookie is all that is needed."""

    def _facts_of(self, visit: Visit) -> dict[str, Any]:
        events, deliveries = visit.told
        route, words = visit.found.notice.route, visit.words
        history = [
            (when(event.at, route.timezone, route.locale), _turn(event, words), event.who or "", event.detail or "")
            for event in events[-MOST_LINES:]
            if event.ignored is None
        ]
        session = _session(visit)
        return super()._facts_of(visit) | {
            "session": session,
            "here": "",
            "history": history,
            "deliveries": deliveries if session.is_admin else [],
        }

    def _unknown(self, request: Request) -> Response:
        locale = preferred_locale(request)
        words = words_of(self._adapters.translator, locale)
        text = N_("It was erased when its time was over, or it never was.")
        return message(404, N_("There is no such item"), text, words=words, locale=locale)


class _SignedIn(LinkActionService):
    """``links.ActionService`` without links: nothing is mailed."""

    async def find(self, token_id: str) -> Found | None:
        """What a stored press is waited for by: the item as it is now."""
        item = await self._adapters.database.read(items.find, token_id)
        if item is None:
            return None
        notice = notice_of(self._adapters, item, DEFAULT_ROUTE)
        return Found(item, notice, "", item.version, self._adapters.now(), None)

    async def resend(self, token_id: str) -> None:
        """There is no link that could be over."""


def _session(visit: Visit) -> sessions.Session:
    """Of whoever is signed in; without one there is no visit."""
    found: sessions.Session = visit.request.state.session
    return found


def _told(connection: Connection, item_id: str) -> tuple[Sequence[items.Event], Sequence[Any]]:
    return items.timeline(connection, item_id), outbox.list_of_item(connection, item_id)


def _turn(event: items.Event, words: Any) -> str:
    if event.transition in TURNS and event.who is None:
        return str(words(TURNS[event.transition]))
    return str(words("{verb}", verb=event.detail or event.fact)) if event.who else event.fact
