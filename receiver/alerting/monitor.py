"""Watches sources, channels, mail addresses and automations, and alerts the admins: once at the begin, once at the end.

What a broken channel does not take goes another way (``channel_failover.py``). One replica runs this at a time.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.alerting import bounces, channel_failover
from receiver.context import OUTBOX_WAKEUP, Adapters, Rules
from receiver.domain.admin_alert import REFUSALS, AdminAlert, is_channel_refusal, needs_admin
from receiver.domain.automation import VIA, may_resume
from receiver.observability import log
from receiver.pipeline import admin_alerts
from receiver.store import accounts, alerts, breakers

PERIODS = 3
SHORTEST_SILENCE = timedelta(minutes=1)
WATCHED = ("mail", "slack")


async def watch(adapters: Adapters, began_at: datetime) -> int:
    """Begin and end admin alerts; return how many. ``began_at``: the time while Casebell was off is no silence."""
    changed, queued = await adapters.database.write(_update_alerts, adapters.rules, began_at, adapters.now())
    for alert, has_begun in changed:
        if has_begun:
            log.error("admin_alert.begun", name=alert.name, code=alert.code, reason=alert.reason)
        else:
            log.info("admin_alert.ended", name=alert.name)
    if changed or queued:
        adapters.wakeups.notify(OUTBOX_WAKEUP)
    return len(changed)


def _update_alerts(
    connection: Connection, rules: Rules, began_at: datetime, now: datetime
) -> tuple[list[tuple[AdminAlert, bool]], int]:
    """The alerts that begin (True) or end (False), and the number of deliveries that were queued because of them."""
    channels = channel_failover.slack_channels(rules)
    current = {
        alert.name: alert
        for alert in (
            *_check_sources(connection, rules, began_at, now),
            *_check_channels(connection, channels, now),
            *bounces.find_rejected(connection, rules, now),
        )
    }
    before = alerts.list_active(connection)
    ended = [
        alert
        for name, alert in before.items()
        if name not in current and _has_recovered(connection, rules, alert, channels, now)
    ]
    changed = [(alert, True) for name, alert in current.items() if name not in before]
    changed += [(alert, False) for alert in ended]
    automations = {rule.alert_name for rule in rules.automations if not rule.dry_run}
    accounts = (f"{source}:{account}" for source, account in rules.accounts)
    watched = {*WATCHED, *channels, *bounces.configured_addresses(rules), *automations, *accounts}
    for alert, has_begun in changed:
        if has_begun:
            alerts.begin(connection, alert)
        else:
            alerts.end(connection, alert.name)
        if alert.name in watched:  # otherwise it left the configuration, which is no recovery
            admin_alerts.enqueue_admin_alert(
                connection, rules.people.admins, rules.channels, alert, now, has_begun=has_begun
            )
    return changed, _reroute(connection, rules, ended, channels & current.keys(), now)


def _reroute(
    connection: Connection, rules: Rules, ended: Collection[AdminAlert], broken: Collection[str], now: datetime
) -> int:
    """Retry what recovered destinations did not get, and mail what broken channels do not show; return how many."""
    queued = 0
    for alert in ended:
        if alert.name in channel_failover.slack_channels(rules):
            queued += channel_failover.retry_undelivered(connection, alert.name, now)
        if alert.code == "address_refused":
            queued += bounces.retry_undelivered(connection, rules, alert.name, now)
    for channel in broken:
        queued += channel_failover.mail_undelivered(connection, rules, channel, now)
        queued += channel_failover.probe(connection, channel, now)
    return queued


def _has_recovered(
    connection: Connection, rules: Rules, alert: AdminAlert, channels: Collection[str], now: datetime
) -> bool:
    """An alert ends only by proof: a sync or a success since then, a closed breaker. Or it left the configuration."""
    if alert.code == "address_refused":
        return True
    if alert.name in channels:
        return alert.name not in {one.name for one in breakers.list_failing(connection)}
    if alert.name in WATCHED:
        return alert.name not in {one.name for one in breakers.list_open(connection)}
    source, _, account = alert.name.partition(":")
    if source == VIA:
        return may_resume(alert.since, now)
    synced_at = accounts.last_syncs(connection).get((source, account))
    return (source, account) not in rules.accounts or (synced_at is not None and synced_at > alert.since)


def _check_sources(connection: Connection, rules: Rules, began_at: datetime, now: datetime) -> Iterator[AdminAlert]:
    """Sources without a complete sync for three polling periods, and those that refuse our credentials."""
    last_syncs, failed = accounts.last_syncs(connection), accounts.failures(connection)
    for (source, account), poll_every in rules.accounts.items():
        name, since = f"{source}:{account}", last_syncs.get((source, account), began_at)
        reason, failed_at = failed.get((source, account), ("", now))
        patience = max(SHORTEST_SILENCE, PERIODS * poll_every)
        if reason.partition(":")[0] in REFUSALS:
            yield AdminAlert(name, "source_refuses", failed_at, reason)
        elif now - max(since, began_at) > patience:
            yield AdminAlert(name, "source_silent", since, reason)


def _check_channels(connection: Connection, channels: Collection[str], now: datetime) -> Iterator[AdminAlert]:
    for one in breakers.list_failing(connection):
        if one.name in channels and is_channel_refusal(one.reason):
            yield AdminAlert(one.name, "place_refuses", now, one.reason or "")
    for one in breakers.list_open(connection):
        if one.name in WATCHED and needs_admin(one.reason, one.openings):
            yield AdminAlert(one.name, "channel_stopped", now, one.reason or "")
