"""When one account is reconciled: every ``poll_every``, sooner after a wake-up, and completely once a day."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from receiver.context import Adapters
from receiver.errors import CasebellError
from receiver.ports import Upstream
from receiver.store import accounts
from receiver.sync.reconcile import try_reconcile

FULL_EVERY = timedelta(days=1)


class Reconciler:
    """The work of an account's loop. It remembers when the next full reconciliation is due."""

    def __init__(self, adapters: Adapters, upstream: Upstream) -> None:
        self._adapters = adapters
        self._upstream = upstream

    def start(self) -> Callable[[], Awaitable[int]]:
        """A process that begins the loop begins with a full reconciliation."""
        self._full_at = self._adapters.now()
        return self._reconcile

    async def delay_s(self) -> float:
        """Seconds until the next one is due, counted from the last success of any process.

        Restarts must not use up the source's rate limit.
        """
        upstream, now = self._upstream, self._adapters.now()
        try:
            succeeded_at = await self._adapters.database.read(accounts.last_syncs)
        except CasebellError:
            return 0.0
        last = succeeded_at.get((upstream.source, upstream.account))
        since_s = (now - last).total_seconds() if last else upstream.poll_every_s
        return upstream.poll_every_s - since_s if 0 <= since_s < upstream.poll_every_s else 0.0

    async def _reconcile(self) -> int:
        is_full = self._adapters.now() >= self._full_at
        is_done = await try_reconcile(self._adapters, self._upstream, is_full=is_full)
        if is_done and is_full:
            self._full_at = self._adapters.now() + FULL_EVERY
        return int(is_done)
