"""Queues admin alerts, in the transaction that begins or ends them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from receiver.domain.admin_alert import AdminAlert, destinations
from receiver.store import outbox, payloads


def enqueue_admin_alert(
    connection: Connection,
    admins: Collection[str],
    channels: Collection[str],
    alert: AdminAlert,
    now: datetime,
    *,
    has_begun: bool,
) -> None:
    """Queue the begin or the end of the alert, once to each destination of the admins."""
    code = alert.code if has_begun else alert.end_code
    values = {"about": alert.about, "since": f"{alert.since:%Y-%m-%d %H:%M} UTC", "reason": alert.reason}
    payload = payloads.AdminAlert(code, values, f"{alert.name} {code} {alert.since.timestamp():.0f}")
    for destination in destinations(alert, admins, channels):
        outbox.enqueue(connection, None, destination, payload, now, is_interactive=True)
