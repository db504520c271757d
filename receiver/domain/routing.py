"""Decides which routes an item takes: to which destinations it is delivered, and in what language and time zone. Pure.

The routes are the [[routes]] sections of the configuration, in their order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache

from receiver.domain.business_time import Calendar, QuietHours
from receiver.domain.item import Snapshot
from receiver.domain.money import Money
from receiver.domain.words import fold


@dataclass(frozen=True, slots=True)
class Match:
    """The conditions of a route. An empty tuple or None matches anything.

    Amounts are in major units. An item without an amount does not match if a bound is set.
    """

    source: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    urgency: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()  # shell patterns
    min_amount: float | None = None
    max_amount: float | None = None

    def accepts(self, snapshot: Snapshot) -> bool:
        return (
            self._accepts_all_but_money(snapshot)
            and _matches_any(snapshot.amount.currency if snapshot.amount else None, self.currency)
            and self._accepts_amount(snapshot.amount)
        )

    def may_accept(self, snapshot: Snapshot) -> bool:
        """Whether it accepts this item now, or may do so once the amount and its currency are known."""
        currency = snapshot.amount.currency if snapshot.amount else None
        return (
            self._accepts_all_but_money(snapshot)
            and (currency is None or _matches_any(currency, self.currency))
            and (snapshot.amount is None or self._accepts_amount(snapshot.amount))
        )

    def has_money_condition(self) -> bool:
        """Whether it depends on the amount or the currency."""
        return bool(self.currency or self.min_amount or self.max_amount is not None)

    def _accepts_all_but_money(self, snapshot: Snapshot) -> bool:
        return (
            (not self.source or snapshot.source in self.source)
            and _matches_any(snapshot.kind, self.kind)
            and (not self.account or snapshot.account in self.account)
            and _matches_any(snapshot.severity, self.severity)
            and (not self.urgency or snapshot.urgency in self.urgency)
            and (not self.reference or any(fnmatchcase(snapshot.reference or "", p) for p in self.reference))
        )

    def _accepts_amount(self, money: Money | None) -> bool:
        if not self.min_amount and self.max_amount is None:
            return True
        most = float("inf") if self.max_amount is None else self.max_amount
        return money is not None and (self.min_amount or 0) <= float(money.amount) <= most


def _matches_any(word: str | None, wanted: tuple[str, ...]) -> bool:
    """Whether the word equals one of ``wanted`` in its normal form (``fold``); True if ``wanted`` is empty."""
    return not wanted or fold(word) in map(fold, wanted)


@dataclass(frozen=True, slots=True)
class Escalation:
    """Who is alerted if nobody has decided within ``after`` of business time."""

    after: timedelta
    slack: tuple[str, ...] = ()
    email: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One [[routes]] section. ``is_continued``: routes after it may match as well."""

    name: str
    match: Match = field(default_factory=Match)
    slack: tuple[str, ...] = ()
    email: tuple[str, ...] = ()
    deliver: str = "now"
    locale: str = "en"
    timezone: str = "UTC"
    mask_debtor: bool = False
    is_continued: bool = False
    remind_after: tuple[timedelta, ...] = ()  # in business time
    escalate_to: Escalation | None = None
    quiet_hours: QuietHours | None = None
    calendar: Calendar = field(default_factory=Calendar)

    def must_wait(self, snapshot: Snapshot, now: datetime) -> bool:
        """Whether an alert about this item waits for the end of the quiet hours."""
        return self.quiet_hours is not None and self.quiet_hours.applies_to(snapshot.urgency, now, self.timezone)

    def destinations(self) -> tuple[str, ...]:
        """Where this route sends alerts at once: "slack:C1", "mail:ar@x". Empty for a digest route."""
        return () if self.deliver == "digest" else _destinations(self.slack, self.email)

    def escalation_destinations(self) -> tuple[str, ...]:
        """Where alerts go if nobody has decided in time."""
        return _destinations(self.escalate_to.slack, self.escalate_to.email) if self.escalate_to else ()

    def has_destination(self, destination: str) -> bool:
        """Whether this route sends alerts or escalations to the destination, or lists its address in a digest route."""
        listed = (*_destinations(self.slack, self.email), *self.escalation_destinations())
        return destination.lower() in (other.lower() for other in listed)  # people write an address in any case

    def fallback_addresses(self) -> tuple[str, ...]:
        """Mail addresses that get the alerts while a Slack channel of this route fails."""
        return self.email or (self.escalate_to.email if self.escalate_to else ())


@lru_cache
def _destinations(slack: tuple[str, ...], email: tuple[str, ...]) -> tuple[str, ...]:
    return (*(f"slack:{channel}" for channel in slack), *(f"mail:{address}" for address in email))


DEFAULT_ROUTE = Route("default")


def routes_for(snapshot: Snapshot, routes: Iterable[Route]) -> Iterator[Route]:
    """The first route that matches, and the following matches while each says ``continue``."""
    for route in routes:
        if route.match.accepts(snapshot):
            yield route
            if not route.is_continued:
                return


def route_at(destination: str, snapshot: Snapshot, routes: Sequence[Route]) -> Route:
    """The route for showing an item at a destination that has no message about it yet, such as a Home tab.

    A route with this destination that matches the item is preferred, then any with this destination, then the item's
    first route. The debtor is masked if any of the routes in question masks it.
    """
    matching = tuple(routes_for(snapshot, routes))
    with_destination = ([route for route in some if route.has_destination(destination)] for some in (matching, routes))
    candidates = next(filter(None, (*with_destination, matching, routes)), (DEFAULT_ROUTE,))
    return replace(candidates[0], mask_debtor=any(route.mask_debtor for route in candidates))


def first_route_at(destination: str, routes: Sequence[Route]) -> Route:
    """The first route with this destination, else the first of all. It gives the language and the time zone."""
    with_destination = (route for route in routes if route.has_destination(destination))
    return next(with_destination, routes[0] if routes else DEFAULT_ROUTE)


def possible_routes(snapshot: Snapshot, routes: Iterable[Route]) -> Iterator[Route]:
    """The routes that match, or may match once the amount and its currency are known."""
    for route in routes:
        if route.match.may_accept(snapshot):
            yield route
            if route.match.accepts(snapshot) and not route.is_continued:
                return


def has_new_money_data(snapshot: Snapshot, before: Snapshot) -> bool:
    """Whether an amount or a currency became known that was unknown before, so that other routes may match."""
    is_amount_new = before.amount is None and snapshot.amount is not None
    had_currency = before.amount is not None and before.amount.currency is not None
    has_currency = snapshot.amount is not None and snapshot.amount.currency is not None
    return is_amount_new or (not had_currency and has_currency)
