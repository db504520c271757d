"""Hears when a source falls silent or a channel takes nothing, and tells the admins once, and once when it is over.
What a channel does not take meanwhile goes another way (channel_failover.py).

Beside the walk: it only looks at the store, and leaves through the outbox. One replica runs it at a time.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.alerting import bounces, channel_failover
from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.admin_alert import REFUSALS, AdminAlert, needs_hands, refuses_place
from receiver.domain.automation import VIA, is_over
from receiver.observability import log
from receiver.pipeline import admin_alerts
from receiver.store import alerts, breakers, digests

PERIODS = 3
SHORTEST_SILENCE = timedelta(minutes=1)
WATCHED = ("mail", "slack")


async def watch(adapters: Adapters, began_at: datetime) -> int:
    """Begin and end alarms; how many. ``began_at``: since when this process looks, for a night off is no silence."""
    changed, rerouted = await adapters.database.write(_settle, adapters.rules, began_at, adapters.now())
    for alarm, has_begun in changed:
        if has_begun:
            log.error("alarm.begins", name=alarm.name, code=alarm.code, reason=alarm.reason)
        else:
            log.info("alarm.ends", name=alarm.name)
    if changed or rerouted:
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return len(changed)


def _settle(
    connection: Connection, rules: Rules, began_at: datetime, now: datetime
) -> tuple[list[tuple[AdminAlert, bool]], int]:
    """What began and what ended, and how many deliveries go another way because of it."""
    places = channel_failover.places(rules)
    refused = bounces.refused(connection, rules, now)
    heard = (*_sources(connection, rules, began_at, now), *_channels(connection, places, now), *refused)
    found = {alarm.name: alarm for alarm in heard}
    before = alerts.standing(connection)
    changed = [(alarm, True) for name, alarm in found.items() if name not in before]
    over = [a for name, a in before.items() if name not in found and _has_recovered(connection, rules, a, places, now)]
    changed += [(alarm, False) for alarm in over]
    automations = {rule.alarm for rule in rules.automations if not rule.dry_run}
    accounts = (f"{source}:{account}" for source, account in rules.accounts)
    watched = {*WATCHED, *places, *bounces.named(rules), *automations, *accounts}
    for alarm, has_begun in changed:
        if has_begun:
            alerts.begin(connection, alarm)
        else:
            alerts.end(connection, alarm.name)
        if alarm.name in watched:  # else it left the configuration, which is no recovery
            admin_alerts.enqueue_admin_alert(
                connection, rules.people.admins, rules.channels, alarm, now, has_begun=has_begun
            )
    rerouted = sum(
        channel_failover.revive(connection, a.name, now) for a, begun in changed if not begun and a.name in places
    )
    rerouted += sum(bounces.revive(connection, rules, a.name, now) for a in over if a.code == "address_refused")
    for name in places & found.keys():
        rerouted += channel_failover.tell_by_mail(connection, rules, name, now) + channel_failover.probe(
            connection, name, now
        )
    return changed, rerouted


def _has_recovered(
    connection: Connection, rules: Rules, alarm: AdminAlert, places: Collection[str], now: datetime
) -> bool:
    """Ended by proof alone: a pass since then, a breaker that closed, a success. Or it left the configuration."""
    if alarm.code == "address_refused":
        return True
    if alarm.name in places:
        return alarm.name not in {one.name for one in breakers.troubled(connection)}
    if alarm.name in WATCHED:
        return alarm.name not in {one.name for one in breakers.opened(connection)}
    source, _, account = alarm.name.partition(":")
    if source == VIA:
        return is_over(alarm.since, now)
    heard_at = digests.last_heard(connection).get((source, account))
    return (source, account) not in rules.accounts or (heard_at is not None and heard_at > alarm.since)


def _sources(connection: Connection, rules: Rules, began_at: datetime, now: datetime) -> Iterator[AdminAlert]:
    """Not reconciled within three periods, or refusing our credentials (issue 4, Source health)."""
    heard, failed = digests.last_heard(connection), alerts.failures(connection)
    for (source, account), poll_every in rules.accounts.items():
        name, since = f"{source}:{account}", heard.get((source, account), began_at)
        reason, failed_at = failed.get((source, account), ("", now))
        patience = max(SHORTEST_SILENCE, PERIODS * poll_every)
        if reason.partition(":")[0] in REFUSALS:
            yield AdminAlert(name, "source_refuses", failed_at, reason)
        elif now - max(since, began_at) > patience:
            yield AdminAlert(name, "source_silent", since, reason)


def _channels(connection: Connection, places: Collection[str], now: datetime) -> Iterator[AdminAlert]:
    for one in breakers.troubled(connection):
        if one.name in places and refuses_place(one.reason):
            yield AdminAlert(one.name, "place_refuses", now, one.reason or "")
    for one in breakers.opened(connection):
        if one.name in WATCHED and needs_hands(one.reason, one.openings):
            yield AdminAlert(one.name, "channel_stopped", now, one.reason or "")
