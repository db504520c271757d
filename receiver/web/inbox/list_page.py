"""``/``: the list of items, those that block collection first, a page at a time. It changes nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from receiver.domain.item import Item
from receiver.domain.money import format_money
from receiver.domain.routing import route_at
from receiver.domain.totals import Totals
from receiver.pipeline.notices import notice_of
from receiver.store import listing
from receiver.store.listing import Cursor, Filter
from receiver.web.inbox.base import SignedInPages
from receiver.web.pages import format_datetime, preferred_language
from receiver.web.sessions import Session

MAX_PARAMETER: Final = 200
MAX_POSITION: Final = 500  # it contains an item's key
RANKS: Final = frozenset("012")
STATES: Final = ("open", "resolved", "all")


class InboxPage(SignedInPages):
    async def show(self, request: Request, session: Session) -> Response:
        query, now = request.query_params, self._adapters.now()
        filter_, is_mine = _parse_filter(query, session)
        items, end, totals, (kinds, accounts) = await self._adapters.database.read(
            _read_page, filter_, _parse_position(query.get("after", "")), now
        )
        locale = preferred_language(self._adapters.translator, request).locale
        return self._render(
            "inbox.html",
            request,
            session,
            filter=filter_,
            is_mine=is_mine,
            totals=totals,
            at_risk=[format_money(amount.total, locale) for amount in totals.at_risk] if totals else [],
            oldest=self._format_time(totals.oldest_at, request) if totals else "",
            rows=[self._row(item, locale) for item in items],
            next_page=f"/?{_format_query(filter_, is_mine, end)}" if end else None,
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
            "since": format_datetime(item.since, route.timezone, locale),
            "claimed_by": item.claimed_by,
        }


def _read_page(
    connection: Connection, filter_: Filter, after: Cursor | None, now: datetime
) -> tuple[list[Item], Cursor | None, Totals | None, tuple[Any, Any]]:
    """Items, the position where the page ends, totals of what waits (none for resolved items), kinds and accounts."""
    items, end = listing.list_page(connection, filter_, after)
    totals = None if filter_.state == "resolved" else listing.totals(connection, filter_, now)
    return items, end, totals, listing.list_choices(connection)


def _parse_filter(query: Mapping[str, str], session: Session) -> tuple[Filter, bool]:
    """The filter, and whether it asks for the items that the person has claimed."""

    def parameter(name: str) -> str:
        return query.get(name, "")[:MAX_PARAMETER].replace("\x00", "")

    state, is_mine = parameter("state"), bool(parameter("mine"))
    claimed_by = (session.person.email or "") if is_mine else ""
    source, _, account = parameter("account").partition(":")
    state = state if state in STATES else "open"
    filter_ = Filter(state, parameter("kind"), source or parameter("source"), account, parameter("q"), claimed_by)
    return filter_, is_mine


def _parse_position(text: str) -> Cursor | None:
    """Where the previous page ended. None, which is the beginning, if the text is invalid."""
    rank, _, rest = text[:MAX_POSITION].partition("~")
    at, _, key = rest.partition("~")
    try:
        opened_at = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (int(rank), opened_at, key) if rank in RANKS and opened_at.tzinfo and key else None


def _format_query(filter_: Filter, is_mine: bool, end: Cursor) -> str:
    """The query of the next page."""
    rank, opened_at, key = end
    account = f"{filter_.source}:{filter_.account}" if filter_.account else ""
    parameters = {"state": filter_.state, "kind": filter_.kind, "account": account, "q": filter_.words}
    parameters |= {"mine": "1" if is_mine else "", "after": f"{rank}~{opened_at.isoformat()}~{key}"}
    return urlencode({name: value for name, value in parameters.items() if value})
