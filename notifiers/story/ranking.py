"""Alerts that are grouped in one message: their order, and the title that counts them. Pure."""

from datetime import UTC, datetime

from notifiers.i18n.formats import Formats
from receiver.domain.item import Item

_RANK = {"blocking": 0, "review": 1, "info": 2}
_LATEST = datetime.max.replace(tzinfo=UTC)


def rank(item: Item) -> tuple[int, datetime, float]:
    """A sort key: blocking items first, then the earliest deadline, then the largest amount in any currency."""
    snapshot = item.snapshot
    amount = float(snapshot.amount.amount) if snapshot.amount else 0.0
    return _RANK.get(snapshot.urgency, 1), snapshot.deadline_at or _LATEST, -amount


def format_quiet_hours_count(n: int, formats: Formats) -> str:
    return formats.ngettext("{n} alert came in during quiet hours", "{n} alerts came in during quiet hours", n)
