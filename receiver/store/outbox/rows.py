"""One row of the outbox as a value, its states, and how long a claim lasts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, literal

from receiver.store import payloads
from receiver.store.payloads import Payload
from receiver.store.schema import Instant

P = TypeVar("P", bound=Payload)
# More than twice the longest total deadline of a delivery; pipeline/deliver/claims.py asserts it at the start.
LEASE = timedelta(seconds=95)
COMMAND_LEASE = timedelta(seconds=180)
MAX_LOST_LEASES = 10  # then the row is dead: it probably kills the process that delivers it
CLAIM_LOCK = "claim of the outbox"
DUE, DEFERRED, IN_GROUP = "due", "deferred", "grouped"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox.

    ``maybe_delivered``: an earlier attempt may have arrived. ``unconfirmed_sends``: sends that were never confirmed.
    ``lost_leases``: claims whose lease ran out before they ended.
    """

    id: int
    item_id: str  # empty: about no single item
    destination: str
    what: str
    payload: str
    attempts: int
    maybe_delivered: bool
    created_at: datetime
    is_interactive: bool = False
    lost_leases: int = 0
    unconfirmed_sends: int = 0
    retried_at: datetime | None = None
    done_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """When it was enqueued, or last retried by a person: age limits count from here."""
        return self.retried_at or self.created_at

    def payload_as(self, kind: type[P]) -> P:
        """The payload, which must be of this kind. Raises what ``payloads.decode`` raises."""
        return payloads.decode(kind, self.payload)


class LostLeaseError(Exception):
    """The lease ran out during the delivery: the row belongs to another claim now, which decides its end."""


def as_delivery(row: Any) -> Delivery:
    """The delivery of a result row that has its columns."""
    return Delivery(**{**row._asdict(), "item_id": row.item_id or ""})


def as_instant(at: datetime) -> ColumnElement[datetime]:
    """A time as a typed literal, for use inside CASE."""
    return literal(at, Instant)
