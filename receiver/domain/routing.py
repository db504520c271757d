"""Routes: which item goes to whom, in what language (interfaces.md, [[routes]])."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache

from receiver.domain.business_time import Calendar, Quiet
from receiver.domain.item import Snapshot
from receiver.domain.money import Money
from receiver.domain.words import fold


@dataclass(frozen=True, slots=True)
class Match:
    """Empty tuple or None: any. Amounts in major units; an item without an amount passes no amount bound."""

    source: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    urgency: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()  # shell patterns
    min_amount: float | None = None
    max_amount: float | None = None

    def accepts(self, said: Snapshot) -> bool:
        return (
            self._accepts_all_but_money(said)
            and _is_among(said.amount.currency if said.amount else None, self.currency)
            and self._accepts_amount(said.amount)
        )

    def may_accept(self, said: Snapshot) -> bool:
        """Whether it accepts this, or will once the amount and its currency are known."""
        currency = said.amount.currency if said.amount else None
        return (
            self._accepts_all_but_money(said)
            and (currency is None or _is_among(currency, self.currency))
            and (said.amount is None or self._accepts_amount(said.amount))
        )

    def asks_for_money(self) -> bool:
        return bool(self.currency or self.min_amount or self.max_amount is not None)

    def _accepts_all_but_money(self, said: Snapshot) -> bool:
        return (
            (not self.source or said.source in self.source)
            and _is_among(said.kind, self.kind)
            and (not self.account or said.account in self.account)
            and _is_among(said.severity, self.severity)
            and (not self.urgency or said.urgency in self.urgency)
            and (not self.reference or any(fnmatchcase(said.reference or "", p) for p in self.reference))
        )

    def _accepts_amount(self, money: Money | None) -> bool:
        if not self.min_amount and self.max_amount is None:
            return True
        if money is None:
            return False
        return (
            (self.min_amount or 0)
            <= float(money.amount)
            <= (float("inf") if self.max_amount is None else self.max_amount)
        )


def _is_among(word: str | None, wanted: tuple[str, ...]) -> bool:
    """Whether it is one of the source's words that are wanted, however either is written; without any, all are."""
    return not wanted or fold(word) in map(fold, wanted)


@dataclass(frozen=True, slots=True)
class Escalation:
    """Whom to tell when nobody has decided ``after`` so much business time."""

    after: timedelta
    slack: tuple[str, ...] = ()
    email: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
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
    quiet_hours: Quiet | None = None
    calendar: Calendar = field(default_factory=Calendar)

    def holds(self, said: Snapshot, now: datetime) -> bool:
        """Whether an alert about this waits until the quiet hours are over."""
        return self.quiet_hours is not None and self.quiet_hours.holds(said.urgency, now, self.timezone)

    def destinations(self) -> tuple[str, ...]:
        """Where this route rings at once: "slack:C1", "mail:ar@x"."""
        return () if self.deliver == "digest" else _addressed(self.slack, self.email)

    def escalated_to(self) -> tuple[str, ...]:
        """Where it rings when nobody has decided in time."""
        return _addressed(self.escalate_to.slack, self.escalate_to.email) if self.escalate_to else ()

    def names(self, place: str) -> bool:
        """Whether this route tells "slack:C1" or "mail:ar@x" of anything."""
        named = (*_addressed(self.slack, self.email), *self.escalated_to())
        return place.lower() in (one.lower() for one in named)  # people write an address in any case

    def stand_ins(self) -> tuple[str, ...]:
        """Addresses that hear of it when a channel of this route takes nothing."""
        return self.email or (self.escalate_to.email if self.escalate_to else ())


@lru_cache
def _addressed(slack: tuple[str, ...], email: tuple[str, ...]) -> tuple[str, ...]:
    return (*(f"slack:{channel}" for channel in slack), *(f"mail:{address}" for address in email))


DEFAULT_ROUTE = Route("default")


def routes_for(said: Snapshot, routes: Iterable[Route]) -> Iterator[Route]:
    """The first route that matches, and on while a matching one says ``continue``."""
    for route in routes:
        if route.match.accepts(said):
            yield route
            if not route.is_continued:
                return


def route_at(place: str, said: Snapshot, routes: Sequence[Route]) -> Route:
    """The route that says how an item is told at a place where no message of it stands.

    That is a route which names the place, at best one that matches the item. A place that no route names, such as a
    person's own page, takes the item's first route. Where several routes count, one that masks the debtor is enough.
    """
    matching = tuple(routes_for(said, routes))
    naming = ([route for route in some if route.names(place)] for some in (matching, routes))
    counted = next(filter(None, (*naming, matching, routes)), (DEFAULT_ROUTE,))
    return replace(counted[0], mask_debtor=any(route.mask_debtor for route in counted))


def first_route_at(place: str, routes: Sequence[Route]) -> Route:
    """The first route that names the place, else the first of all; it gives the place its language and time zone."""
    naming = (route for route in routes if route.names(place))
    return next(naming, routes[0] if routes else DEFAULT_ROUTE)


def possible_routes(said: Snapshot, routes: Iterable[Route]) -> Iterator[Route]:
    """The routes that match or may do so once the amount and its currency are known."""
    for route in routes:
        if route.match.may_accept(said):
            yield route
            if route.match.accepts(said) and not route.is_continued:
                return


def knows_more(said: Snapshot, before: Snapshot) -> bool:
    """Whether routes can be told apart now by an amount or a currency that was not known before."""
    is_amount_new = before.amount is None and said.amount is not None
    had_currency = before.amount is not None and before.amount.currency is not None
    return is_amount_new or (not had_currency and said.amount is not None and said.amount.currency is not None)
