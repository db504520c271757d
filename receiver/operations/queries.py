"""Answers the queries of a channel's own pages and commands, and takes the actions that people type there.

It reads the store and never asks a source.
"""

from collections.abc import Sequence
from datetime import datetime, time

from sqlalchemy import Connection

from receiver.context import APP_HOME_WAKEUP, OUTBOX_WAKEUP, Adapters
from receiver.domain.action import Click
from receiver.domain.business_time import zone_of
from receiver.domain.item import Item
from receiver.domain.notice import Notice
from receiver.domain.overview import Overview
from receiver.domain.people import Person
from receiver.domain.refusal import SENTENCES
from receiver.domain.routing import Route, first_route_at
from receiver.domain.totals import Totals
from receiver.pipeline.actions import Refused, take_action
from receiver.pipeline.deliver.attempt import route_of
from receiver.pipeline.notices import notice_of
from receiver.store import app_home, items, messages
from receiver.store.stakes import AllTotals

MOST_FOUND = 10
MOST_MINE = 8
MOST_WAITING = 8
MOST_CLAIMED = 500  # searched for those of one person


class StoreQueries:
    """Fulfils ``ports.Queries``."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    def may_view(self, person: Person) -> bool:
        return self._adapters.rules.people.may_resolve(person)

    async def find_notice(self, item_id: str, destination: str) -> Notice | None:
        found = await self._adapters.database.read(items.find, item_id)
        return (await self._notices([found], destination))[0] if found else None

    async def search(self, text: str, destination: str) -> list[Notice]:
        return await self._notices(await self._adapters.database.read(items.search, text, MOST_FOUND), destination)

    async def overview(self, person: Person, destination: str) -> Overview:
        now, route = self._adapters.now(), first_route_at(destination, self._adapters.rules.routes)
        claimed, waiting, totals, figures = await self._adapters.database.read(
            _read_overview, self._adapters.totals, _start_of_day(route, now), now
        )
        mine = [item for item in claimed if is_assigned_to(item, person)]
        return Overview(
            tuple(await self._notices(mine[:MOST_MINE], destination)),
            tuple(await self._notices(waiting, destination)),
            totals,
            *figures,
            route=route,
            now=now,
        )

    async def submit_action(self, click: Click, locale: str) -> str | None:
        """Unlike a button's click it is not stored first: the person waits for the answer."""
        adapters = self._adapters
        outcome = await adapters.database.write(
            take_action, click, adapters.now(), adapters.rules.routes, adapters.rules.people
        )
        result = outcome.code if isinstance(outcome, Refused) else "taken"
        adapters.metrics.actions_total.labels(click.verb, result, click.via).inc()
        adapters.wakeups.notify(OUTBOX_WAKEUP)
        if isinstance(outcome, Refused):
            return adapters.translator.say(locale, SENTENCES[outcome.code], **outcome.values)
        return None

    async def home_opened(self, user: str) -> None:
        await self._adapters.database.write(app_home.record_opened, user, self._adapters.now())
        self._adapters.wakeups.notify(APP_HOME_WAKEUP)

    async def _notices(self, found: Sequence[Item], destination: str) -> list[Notice]:
        """Each item as its destination may see it: in its language, and with the debtor masked where it masks."""
        posted = await self._adapters.database.read(_list_messages, found, destination)
        rules = self._adapters.rules
        return [notice_of(self._adapters, one, route_of(rules, one, destination, posted[one.id])) for one in found]


def _read_overview(
    connection: Connection, all_totals: AllTotals, since: datetime, now: datetime
) -> tuple[list[Item], list[Item], Totals, tuple[int, int]]:
    """Claimed items, those that wait longest, the totals, and how many were opened and resolved since ``since``."""
    claimed, waiting = (
        items.list_claimed(connection, MOST_CLAIMED),
        items.list_oldest_unclaimed(connection, MOST_WAITING),
    )
    return claimed, waiting, all_totals.read(connection, now), items.count_since(connection, since)


def is_assigned_to(item: Item, person: Person) -> bool:
    """Whether this person has claimed the item, or somebody assigned it to them."""
    if item.claimer is not None and (item.claimer.email or item.claimer.slack_id):
        return item.claimer.is_same_as(person)
    return item.claimed_by is not None and item.claimed_by in {person.name, person.email, person.slack_id}


def _list_messages(
    connection: Connection, found: Sequence[Item], destination: str
) -> dict[str, list[messages.PostedMessage]]:
    return {item.id: messages.list_of_item(connection, item.id, destination) for item in found}


def _start_of_day(route: Route, now: datetime) -> datetime:
    """When the current day began in the route's time zone."""
    zone = zone_of(route.timezone)
    return datetime.combine(now.astimezone(zone).date(), time(), zone).astimezone(now.tzinfo)
