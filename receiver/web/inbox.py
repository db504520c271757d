"""``/``: what waits for somebody, what blocks first, a page at a time. It shows and changes nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.context import Adapters
from receiver.domain.item import Item
from receiver.domain.money import format_money
from receiver.domain.routing import DEFAULT_ROUTE, route_at
from receiver.domain.totals import Totals
from receiver.pipeline.notices import notice_of
from receiver.store import listing
from receiver.store.listing import Filter, Place
from receiver.web import sessions
from receiver.web.action_pages import when
from receiver.web.pages import page, preferred_locale, words_of
from receiver.web.sessions import Session

MOST_OF_A_WORD: Final = 200
MOST_OF_A_PLACE: Final = 500  # a key may be long
RANKS: Final = frozenset("012")
STATES: Final = ("open", "resolved", "all")


def inbox_routes(adapters: Adapters) -> list[Route]:
    return [Route("/", Inbox(adapters).show, methods=["GET"])]


class Inbox:
    """The list."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    @property
    def _timezone(self) -> str:
        """Of what is about no one item: the first route's."""
        return next(iter(self._adapters.rules.routes), DEFAULT_ROUTE).timezone

    async def show(self, request: Request) -> Response:
        session = await sessions.session_of(self._adapters, request)
        if session is None:
            return sessions.to_login(request)
        wanted, is_mine = _filter(request.query_params, session)
        now = self._adapters.now()
        found, end, totals, choices = await self._adapters.database.read(
            _look, wanted, _place(request.query_params), now
        )
        locale = preferred_locale(request)
        kinds, accounts = choices
        return page(
            "inbox.html",
            words=words_of(self._adapters.translator, locale),
            locale=locale,
            session=session,
            here="/",
            wanted=wanted,
            is_mine=is_mine,
            totals=totals,
            at_risk=[format_money(one.total, locale) for one in totals.at_risk] if totals else [],
            oldest=when(totals.oldest_at, self._timezone, locale) if totals and totals.oldest_at else "",
            rows=[self._row(item, locale) for item in found],
            more=f"/?{_query(wanted, is_mine, end)}" if end else None,
            kinds=kinds,
            accounts=accounts,
            states=STATES,
        )

    def _row(self, item: Item, locale: str) -> dict[str, Any]:
        route = route_at("", item.snapshot, self._adapters.rules.routes)
        notice = notice_of(self._adapters, item, replace(route, locale=locale))
        story = self._adapters.translator.story(notice)
        return {
            "href": f"/items/{item.id}",
            "tone": item.snapshot.urgency if item.state == "open" else item.state,
            "headline": story.headline,
            "status": story.status,
            "since": when(item.since, route.timezone, locale),
            "claimed_by": item.claimed_by,
        }


def _look(
    connection: Connection, wanted: Filter, after: Place | None, now: datetime
) -> tuple[list[Item], Place | None, Totals | None, tuple[Any, Any]]:
    """No totals of what is resolved: they are about what waits."""
    found, end = listing.page(connection, wanted, after)
    totals = None if wanted.state == "resolved" else listing.totals(connection, wanted, now)
    return found, end, totals, listing.choices(connection)


def _filter(query: Mapping[str, str], session: Session) -> tuple[Filter, bool]:
    def word(name: str) -> str:
        return query.get(name, "")[:MOST_OF_A_WORD].replace("\x00", "")

    state, is_mine = word("state"), bool(word("mine"))
    mine = (session.person.email or "") if is_mine else ""
    source, _, account = word("account").partition(":")
    state = state if state in STATES else "open"
    return Filter(state, word("kind"), source or word("source"), account, word("q"), mine), is_mine


def _place(query: Mapping[str, str]) -> Place | None:
    """Where the page before ended; the beginning, when that is not what it says."""
    rank, _, rest = query.get("after", "")[:MOST_OF_A_PLACE].partition("~")
    at, _, key = rest.partition("~")
    try:
        opened_at = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (int(rank), opened_at, key) if rank in RANKS and opened_at.tzinfo and key else None


def _query(wanted: Filter, is_mine: bool, end: Place) -> str:
    rank, opened_at, key = end
    account = f"{wanted.source}:{wanted.account}" if wanted.account else ""
    named = {"state": wanted.state, "kind": wanted.kind, "account": account, "q": wanted.words}
    named |= {"mine": "1" if is_mine else "", "after": f"{rank}~{opened_at.isoformat()}~{key}"}
    return urlencode({name: value for name, value in named.items() if value})
