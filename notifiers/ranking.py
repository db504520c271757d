"""Several alerts in one message (step 6): which stands first, and what they come to in all. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from notifiers.voice import Voice
from receiver.domain.item import Item
from receiver.domain.money import Money

MOST_TOTALS = 5
_RANK = {"blocking": 0, "review": 1, "info": 2}
_LATEST = datetime.max.replace(tzinfo=UTC)


def rank(item: Item) -> tuple[int, datetime, float]:
    """What blocks first, then what is due first, then what is worth most."""
    said = item.snapshot
    amount = float(said.amount.amount) if said.amount else 0.0
    return _RANK.get(said.urgency, 1), said.deadline_at or _LATEST, -amount


def totals(items: Sequence[Item], voice: Voice) -> str:
    """What is at stake, a sum for each currency, that of most alerts first; empty when no amount is known."""
    known = [item.snapshot.amount for item in items if item.snapshot.amount]
    counted = Counter(amount.currency for amount in known)
    sums = [
        Money(sum(amount.minor for amount in known if amount.currency == currency), currency)
        for currency, _ in counted.most_common(MOST_TOTALS)
    ]
    return ", ".join(voice.money(money) for money in sums)


def counted(n: int, voice: Voice) -> str:
    return voice.numbered("{n} alert came in during quiet hours", "{n} alerts came in during quiet hours", n)
