"""Sets the gauges that are read from the store: every few seconds, never during a scrape."""

from receiver.context import Adapters
from receiver.store import breakers, items, messages, outbox


async def measure_store(adapters: Adapters) -> int:
    """Set the gauges; return the number of due deliveries."""
    now = adapters.now()
    due, oldest_due = await adapters.database.read(outbox.due_backlog, now)
    adapters.metrics.outbox_due.set(due)
    adapters.metrics.outbox_oldest_seconds.set((now - oldest_due).total_seconds() if oldest_due else 0)
    adapters.metrics.messages_out_of_sync.set(await adapters.database.read(messages.count_outdated))
    adapters.metrics.items_open.clear()
    for source, kind, urgency, count in await adapters.database.read(items.count_open, now):
        adapters.metrics.items_open.labels(source, kind, urgency).set(count)
    totals = await adapters.database.read(adapters.totals.read, now)
    adapters.metrics.items_oldest_seconds.set((now - (totals.oldest_at or now)).total_seconds())
    adapters.metrics.amount_at_risk.clear()
    for sum_ in totals.at_risk:
        adapters.metrics.amount_at_risk.labels(sum_.total.currency).set(float(sum_.total.amount))
    adapters.metrics.items_without_amount.set(totals.unknown)
    adapters.metrics.breakers_open.clear()
    for breaker in await adapters.database.read(breakers.list_open):
        adapters.metrics.breakers_open.labels(breaker.name).set(1)
    return due
