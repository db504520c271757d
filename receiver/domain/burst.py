"""A burst as data: many new items for one channel at once, which it shows in one message. Pure."""

from dataclasses import dataclass
from datetime import datetime

from receiver.domain.item import Item
from receiver.domain.routing import Route


@dataclass(frozen=True, slots=True)
class Burst:
    """Everything a channel needs to render the message; ``items`` includes those resolved in the meantime."""

    items: tuple[Item, ...]
    route: Route
    began_at: datetime
    now: datetime
    inbox_url: str
    maybe_duplicate: bool = False  # the message may exist already, and says so
    is_redelivery: bool = False  # an earlier attempt of this delivery may have arrived; new posts say so

    @property
    def open(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.state != "resolved")
