"""Several alerts in one message (step 6): which stands first, and how many there are. Pure."""

from datetime import UTC, datetime

from notifiers.i18n.formats import Formats
from receiver.domain.item import Item

_RANK = {"blocking": 0, "review": 1, "info": 2}
_LATEST = datetime.max.replace(tzinfo=UTC)


def rank(item: Item) -> tuple[int, datetime, float]:
    """What blocks first, then what is due first, then what is worth most."""
    said = item.snapshot
    amount = float(said.amount.amount) if said.amount else 0.0
    return _RANK.get(said.urgency, 1), said.deadline_at or _LATEST, -amount


def counted(n: int, voice: Formats) -> str:
    return voice.numbered("{n} alert came in during quiet hours", "{n} alerts came in during quiet hours", n)
