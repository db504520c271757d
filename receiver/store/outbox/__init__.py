"""The outbox: deliveries, as rows committed with the change that causes them.

A claim counts the attempt and sets a new claim id and a lease. The end of a delivery matches the claim id: no match
means that the lease was lost to another claim. Of one item and destination only the oldest due row can be claimed, so
that two deliveries of the same message never run at the same time.
"""

from receiver.store.outbox.claims import claim, expire_leases, is_any_due, reap, renew
from receiver.store.outbox.listing import (
    counts,
    due_backlog,
    find_overdue,
    has_delivered,
    list_dead,
    list_deliveries,
    list_of_item,
    was_enqueued,
)
from receiver.store.outbox.outcomes import finish, make_due_now, mark_dead, release, retry
from receiver.store.outbox.queueing import (
    enqueue,
    enqueue_all,
    enqueue_reminder,
    enqueue_show,
    pending_shows,
    row_values,
)
from receiver.store.outbox.rows import (
    CLAIM_LOCK,
    COMMAND_LEASE,
    DEFERRED,
    DUE,
    IN_GROUP,
    LEASE,
    MAX_LOST_LEASES,
    Delivery,
    LostLeaseError,
    as_delivery,
)

__all__ = ["claim", "expire_leases", "is_any_due", "reap", "renew"]
__all__ += ["counts", "due_backlog", "find_overdue", "has_delivered", "list_dead", "list_deliveries", "list_of_item"]
__all__ += ["finish", "make_due_now", "mark_dead", "release", "retry", "was_enqueued"]
__all__ += ["enqueue", "enqueue_all", "enqueue_reminder", "enqueue_show", "pending_shows", "row_values"]
__all__ += ["CLAIM_LOCK", "COMMAND_LEASE", "DEFERRED", "DUE", "IN_GROUP", "LEASE", "MAX_LOST_LEASES"]
__all__ += ["Delivery", "LostLeaseError", "as_delivery"]
