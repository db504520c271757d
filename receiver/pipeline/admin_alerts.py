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
    alarm: AdminAlert,
    now: datetime,
    *,
    has_begun: bool,
) -> None:
    """Queue the begin or the end of the alert, once to each destination of the admins."""
    code = alarm.code if has_begun else alarm.end_code
    values = {"about": alarm.about, "since": f"{alarm.since:%Y-%m-%d %H:%M} UTC", "reason": alarm.reason}
    payload = payloads.AdminAlert(code, values, f"{alarm.name} {code} {alarm.since.timestamp():.0f}")
    for destination in destinations(alarm, admins, channels):
        outbox.enqueue(connection, None, destination, payload, now, is_interactive=True)
