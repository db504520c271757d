"""One try at one delivery: what it works with, and how its outcome is stored."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from receiver.context import Adapters
from receiver.store import outbox
from receiver.store.outbox import Delivery

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt:
    """``claim_id`` owns the row. ``deadline`` limits the network part, and ends with the first stored outcome."""

    adapters: Adapters
    delivery: Delivery
    claim_id: str
    deadline: asyncio.Timeout

    @property
    def channel(self) -> str:
        return self.delivery.destination.partition(":")[0]

    @property
    def address(self) -> str:
        return self.delivery.destination.partition(":")[2]

    async def write_outcome(self, work: Callable[..., T], *args: Any) -> T:
        """Store what has happened outside, however long the store is unavailable (``Adapters.write_outcome``)."""
        if not self.deadline.expired():
            self.deadline.reschedule(None)
        return await self.adapters.write_outcome(work, *args)

    async def finish(self) -> None:
        """Mark the delivery as done. Raises LostLeaseError when another process has the row now."""
        adapters = self.adapters
        require_lease(await self.write_outcome(outbox.finish, self.delivery.id, self.claim_id, adapters.now()))


def require_lease(is_ours: bool) -> None:
    """Raises LostLeaseError when the row went to another process meanwhile."""
    if not is_ours:
        raise outbox.LostLeaseError
