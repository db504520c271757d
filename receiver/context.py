"""What the pipeline works with: the store, the outside systems, the rules, and the wake-ups of the loops."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
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
_limit = ContextVar[asyncio.Timeout | None]("limit", default=None)
STORE_LOOK_S = 1.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Wakeups:
    """Wakes a loop early; a ring that nobody waits for is kept. Polling finds everything without them."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}
        self._unannounced: set[str] = set()
        self._has_unannounced = asyncio.Event()

    def notify(self, name: str) -> None:
        """There is something new, here and for every replica."""
        self.notify_local(name)
        self._unannounced.add(name)
        self._has_unannounced.set()

    def notify_local(self, name: str) -> None:
        """For the loops of this process only."""
        self._event(name).set()

    async def wait(self, name: str, timeout_s: float) -> bool:
        """True when rung, False when ``timeout_s`` seconds passed."""
        event = self._event(name)
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def wait_unannounced(self) -> set[str]:
        """Wait for wake-ups of this process that no other replica knows yet; each is returned once."""
        await self._has_unannounced.wait()
        self._has_unannounced.clear()
        names, self._unannounced = self._unannounced, set()
        return names

    def _event(self, name: str) -> asyncio.Event:
        return self._events.setdefault(name, asyncio.Event())


@dataclass(frozen=True, slots=True)
class SourcePause:
    """Nothing is asked of a source until then.

    ``misses``: how often in a row it did not answer; ``last_unconfirmed``: the last event applied without asking it.
    """

    until: datetime
    misses: int
    last_unconfirmed: int = 0


@dataclass(slots=True)
class Adapters:
    """What the pipeline works with; made by ``app.py``. Keys of ``upstreams`` and ``verifies``: (source, account)."""

    database: Database
    routes: tuple[Route, ...]
    people: People
    tokens: Tokens
    translator: Translator
    metrics: Metrics
    public_url: str
    upstreams: Mapping[tuple[str, str], Upstream] = field(default_factory=dict)
    verifies: Mapping[tuple[str, str], Verify] = field(default_factory=dict)
    notifiers: Mapping[str, Notifier] = field(default_factory=dict)
    clicks: Clicks | None = None
    places: Surfaces | None = None
    digests: tuple[DigestRule, ...] = ()
    automations: tuple[Automation, ...] = ()
    wakeups: Wakeups = field(default_factory=Wakeups)
    paces: Paces = field(default_factory=Paces)
    now: Callable[[], datetime] = utc_now
    paused: dict[str, SourcePause] = field(default_factory=dict)  # loops that wait for a source, by their wake-up
    last_full_sync: dict[tuple[str, str], datetime] = field(default_factory=dict)  # by this process, of each account
    sync_locks: dict[tuple[str, str], asyncio.Lock] = field(default_factory=dict)  # one pass over an account at a time
    is_draining: bool = False
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    totals: AllTotals = field(default_factory=AllTotals)
    holder: str = field(default_factory=lambda: secrets.token_hex(8))  # who this process is among the replicas

    def route(self, name: str, place: str, said: Snapshot) -> Route:
        """How ``place`` is told of an item: by the route of this name.

        When the configuration no longer has it, by the route that the place has now. One that masks the debtor there
        is enough. A digest has no masking of its own: it takes that of the item's routes, too.
        """
        here = route_at(place, said, self.routes)
        digest = next((rule.as_route() for rule in self.digests if rule.as_route().name == name), None)
        chosen = digest or next((route for route in self.routes if route.name == name), here)
        counted = (chosen, here, *(routes_for(said, self.routes) if digest else ()))
        return replace(chosen, mask_debtor=any(route.mask_debtor for route in counted))

    async def write_outcome(self, work: Callable[..., T], *args: Any) -> T:
        """Write what has already happened outside, such as a message that was posted: wait for a store that is away.

        Else nobody would know of it before a lease ran out, and it would be done again. The claim's id keeps a row from
        being ended twice. Raises RetryLaterError only when the service ends meanwhile.
        """
        if (limit := _limit.get()) is not None and not limit.expired():
            limit.reschedule(None)
        while True:
            try:
                return await self.database.write(work, *args)
            except RetryLaterError as error:
                if self.is_draining:
                    raise
                log.warning("store.awaited", reason=error.code)
            await asyncio.sleep(STORE_LOOK_S)


@asynccontextmanager
async def time_limit(limit_s: float) -> AsyncIterator[None]:
    """What may take so long: all until the first ``write_outcome``, which waits for the store as long as it is away.

    Raises TimeoutError when the other side took longer.
    """
    async with asyncio.timeout(limit_s) as limit:
        token = _limit.set(limit)
        try:
            yield
        finally:
            _limit.reset(token)


OUTBOX_WAKEUP = "outbox"
CLICKS_WAKEUP = "clicks"
APP_HOME_WAKEUP = "homes"


def events_wakeup(source: str, account: str) -> str:
    return f"inbox:{source}:{account}"


def reconcile_wakeup(source: str, account: str) -> str:
    return f"sweep:{source}:{account}"
