"""A storm: more alerts at once than a channel should ring for, told in one message. Pure."""

from dataclasses import dataclass
from datetime import datetime

from receiver.domain.item import Item
from receiver.domain.routing import Route


@dataclass(frozen=True, slots=True)
class Burst:
    """Everything a channel needs to draw it as it is now: all its items, those that were decided meanwhile included."""

    items: tuple[Item, ...]
    route: Route
    began_at: datetime
    now: datetime
    inbox_url: str
    maybe_duplicate: bool = False  # an earlier post may have arrived: say so
    is_redelivery: bool = False  # an earlier try of this delivery may have arrived: say so of what is posted anew

    @property
    def open(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.state != "resolved")
