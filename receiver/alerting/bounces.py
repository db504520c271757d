"""Mail addresses that the mail server rejects for good: an admin alert for each, and a retry when they work again.

An address works again when an operator says so (``casebell addresses --allow``), or when the mail server accepts a mail
after the week without mail.
"""

from datetime import datetime

from sqlalchemy import Connection

from receiver.alerting.channel_failover import retry_open
from receiver.context import Rules
from receiver.domain.admin_alert import AdminAlert
from receiver.store import outbox, suppression

CHANNEL = "mail:"
CODES = frozenset({"recipient_refused", "suppressed"})


def configured_addresses(rules: Rules) -> dict[str, set[str]]:
    """Mail destinations of the configuration: in lower case, with each spelling that the configuration has."""
    routed = (one for route in rules.routes for one in (*route.destinations(), *route.escalation_destinations()))
    digests = (one for rule in rules.digests for one in rule.destinations())
    admins = (CHANNEL + one for one in rules.people.admins if "@" in one[1:])
    found: dict[str, set[str]] = {}
    for one in (*routed, *digests, *admins):
        if one.startswith(CHANNEL):
            found.setdefault(one.lower(), set()).add(one)
    return found


def find_rejected(connection: Connection, rules: Rules, now: datetime) -> list[AdminAlert]:
    """An admin alert for each configured address that gets no mail. Forgets a rejection after a later success."""
    known = configured_addresses(rules)
    found = []
    for one in suppression.list_bounced(connection):
        destination = CHANNEL + one.address
        if destination not in known:
            continue
        if (
            one.until is not None
            and one.until <= now
            and outbox.has_delivered(connection, known[destination], one.until)
        ):
            suppression.lift_bounce(connection, one.address)
        else:
            found.append(AdminAlert(destination, "address_refused", one.at, one.reason))
    return found


def retry_undelivered(connection: Connection, rules: Rules, destination: str, now: datetime) -> int:
    """Retry what ``destination`` did not get and what is still open; return how many."""
    return sum(retry_open(connection, one, CODES, now) for one in configured_addresses(rules).get(destination, ()))
