"""What the core works with: ``Rules`` (plain data), ``Adapters`` (the store and the outside systems), ``Wakeups``.

A function that takes a database connection may take ``Rules``, never ``Adapters``: it runs inside a transaction, where
no network is allowed, and may run twice.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from receiver.domain.automation import Automation
from receiver.domain.digest import DigestRule
from receiver.domain.item import Snapshot
from receiver.domain.pace import Paces
from receiver.domain.people import People
from receiver.domain.routing import Route, route_at, routes_for
from receiver.domain.token import Tokens
from receiver.errors import RetryLaterError
from receiver.observability import Metrics, log
from receiver.ports import Clicks, Notifier, Surfaces, Translator, Upstream, Verify
from receiver.store.database import Database
from receiver.store.retention import RetentionPolicy
from receiver.store.stakes import AllTotals

T = TypeVar("T")
STORE_RETRY_S = 1.0
OUTBOX_WAKEUP = "outbox"
CLICKS_WAKEUP = "clicks"
APP_HOME_WAKEUP = "app home"


def events_wakeup(source: str, account: str) -> str:
    """The wake-up of the loop that interprets the events of an account."""
    return f"events:{source}:{account}"


def reconcile_wakeup(source: str, account: str) -> str:
    """The wake-up of the loop that reconciles an account."""
    return f"reconcile:{source}:{account}"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Wakeups:
    """Wakes a loop early. A notification that nobody waits for is kept. Loops also poll, so a lost one only delays."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}
        self._unannounced: set[str] = set()
        self._has_unannounced = asyncio.Event()

    def notify(self, name: str) -> None:
        """Wake the loop ``name`` here and on every other replica."""
        self.notify_local(name)
        self._unannounced.add(name)
        self._has_unannounced.set()

    def notify_local(self, name: str) -> None:
        """Wake the loop ``name`` of this process only."""
        self._event(name).set()

    async def wait(self, name: str, timeout_s: float) -> bool:
        """True after a notification, False after ``timeout_s`` seconds without one."""
        event = self._event(name)
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def wait_unannounced(self) -> set[str]:
        """Wait for notifications of this process that the other replicas do not have yet; return each once."""
        await self._has_unannounced.wait()
        self._has_unannounced.clear()
        names, self._unannounced = self._unannounced, set()
        return names

    def _event(self, name: str) -> asyncio.Event:
        return self._events.setdefault(name, asyncio.Event())


@dataclass(frozen=True, slots=True)
class Rules:
    """The configuration as plain data: safe to read anywhere, also inside a transaction.

    ``channels``: names of the configured channels. ``accounts``: (source, account) to its polling period.
    """

    people: People
    tokens: Tokens
    public_url: str
    routes: tuple[Route, ...] = ()
    digests: tuple[DigestRule, ...] = ()
    automations: tuple[Automation, ...] = ()
    channels: frozenset[str] = frozenset()
    accounts: Mapping[tuple[str, str], timedelta] = field(default_factory=dict)
    paces: Paces = field(default_factory=Paces)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)

    def route_for(self, name: str, destination: str, snapshot: Snapshot) -> Route:
        """The route named ``name``, as ``destination`` may see the item.

        If the configuration no longer has that name: the route that the destination has now. The debtor is masked if
        either of the two masks. A digest has no masking of its own, so it also takes that of the item's routes.
        """
        current = route_at(destination, snapshot, self.routes)
        digest = next((rule.as_route() for rule in self.digests if rule.as_route().name == name), None)
        chosen = digest or next((route for route in self.routes if route.name == name), current)
        routes = (chosen, current, *(routes_for(snapshot, self.routes) if digest else ()))
        return replace(chosen, mask_debtor=any(route.mask_debtor for route in routes))


@dataclass(frozen=True, slots=True)
class SourcePause:
    """Nothing is fetched from an account before ``until``.

    ``misses``: failed fetches in a row. ``last_unconfirmed``: id of the last event that was applied without a fetch.
    """

    until: datetime
    misses: int
    last_unconfirmed: int = 0


@dataclass(slots=True)
class SyncState:
    """What this process remembers of its sources; lost at a restart. Keys: a wake-up, or (source, account)."""

    paused: dict[str, SourcePause] = field(default_factory=dict)
    last_full_sync: dict[tuple[str, str], datetime] = field(default_factory=dict)
    locks: dict[tuple[str, str], asyncio.Lock] = field(default_factory=dict)  # one reconciliation an account at a time


@dataclass(slots=True)
class Adapters:
    """The store, the sources and the channels of one process; built by ``receiver/app``.

    Keys of ``upstreams`` and ``verifies``: (source, account); of ``notifiers``: the channel.
    ``holder``: the name of this process in leases. ``is_draining``: the process is about to end.
    """

    database: Database
    rules: Rules
    translator: Translator
    metrics: Metrics
    upstreams: Mapping[tuple[str, str], Upstream] = field(default_factory=dict)
    verifies: Mapping[tuple[str, str], Verify] = field(default_factory=dict)
    notifiers: Mapping[str, Notifier] = field(default_factory=dict)
    clicks: Clicks | None = None
    surfaces: Surfaces | None = None
    wakeups: Wakeups = field(default_factory=Wakeups)
    now: Callable[[], datetime] = utc_now
    sync: SyncState = field(default_factory=SyncState)
    totals: AllTotals = field(default_factory=AllTotals)
    holder: str = field(default_factory=lambda: secrets.token_hex(8))
    is_draining: bool = False

    async def write_outcome(self, work: Callable[..., T], *args: Any) -> T:
        """Write what has already happened outside, such as a posted message; wait while the store is unavailable.

        Otherwise nobody would know of it until the lease expires, and it would be done again. The claim's id prevents
        a row from being finished twice. Raises RetryLaterError only when the process is about to end.
        """
        while True:
            try:
                return await self.database.write(work, *args)
            except RetryLaterError as error:
                if self.is_draining:
                    raise
                log.warning("store.unavailable", reason=error.code)
            await asyncio.sleep(STORE_RETRY_S)
