"""Mail addresses that the mail server refuses for good: an alarm for each, and what is still open told when it is over.

Beside the walk: it looks at the store and puts rows into the outbox. An address is well again when somebody says so
(``casebell addresses --allow``) or, after its week of silence, when a mail was taken.
"""

from datetime import datetime

from sqlalchemy import Connection

from receiver.alerting.channel_failover import retry_open
from receiver.context import Rules
from receiver.domain.admin_alert import AdminAlert
from receiver.store import outbox, suppression

CHANNEL = "mail:"
CODES = frozenset({"recipient_refused", "suppressed"})


def named(rules: Rules) -> dict[str, set[str]]:
    """Destinations by mail that the configuration names: in small letters, and as they are written there."""
    routed = (one for route in rules.routes for one in (*route.destinations(), *route.escalated_to()))
    digests = (one for rule in rules.digests for one in rule.destinations())
    admins = (CHANNEL + one for one in rules.people.admins if "@" in one[1:])
    found: dict[str, set[str]] = {}
    for one in (*routed, *digests, *admins):
        if one.startswith(CHANNEL):
            found.setdefault(one.lower(), set()).add(one)
    return found


def refused(connection: Connection, rules: Rules, now: datetime) -> list[AdminAlert]:
    """The addresses of the configuration that get nothing. Forgets a refusal that a mail has disproved since."""
    known = named(rules)
    found = []
    for one in suppression.refused(connection):
        place = CHANNEL + one.address
        if place not in known:
            continue
        if one.until is not None and one.until <= now and outbox.have_taken(connection, known[place], one.until):
            suppression.forget_refusal(connection, one.address)
        else:
            found.append(AdminAlert(place, "address_refused", one.at, one.reason))
    return found


def revive(connection: Connection, rules: Rules, place: str, now: datetime) -> int:
    """Mail what ``place`` did not get and what is still open; how many."""
    return sum(retry_open(connection, one, CODES, now) for one in named(rules).get(place, ()))
