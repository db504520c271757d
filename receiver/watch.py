"""Hears when a source falls silent or a channel takes nothing, and tells the admins once, and once when it is over.

Beside the walk: it only looks at the store, and leaves through the outbox. One replica runs it at a time.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.desk import OUTBOX_BELL, Desk
from receiver.domain.alarm import REFUSALS, Alarm, destinations, needs_hands
from receiver.observe import log
from receiver.store import alarms, breakers, digests, outbox

PERIODS = 3
SHORTEST_SILENCE = timedelta(minutes=1)
WATCHED = ("mail", "slack")


async def watch(desk: Desk, began_at: datetime) -> int:
    """Begin and end alarms; how many. ``began_at``: since when this process looks, for a night off is no silence."""
    changed = await desk.database.write(_settle, desk, began_at, desk.now())
    for alarm, has_begun in changed:
        if has_begun:
            log.error("alarm.begins", name=alarm.name, code=alarm.code, reason=alarm.reason)
        else:
            log.info("alarm.ends", name=alarm.name)
    if changed:
        desk.bells.ring(OUTBOX_BELL)
    return len(changed)


def _settle(connection: Connection, desk: Desk, began_at: datetime, now: datetime) -> list[tuple[Alarm, bool]]:
    found = {alarm.name: alarm for alarm in (*_sources(connection, desk, began_at, now), *_channels(connection, now))}
    before = alarms.standing(connection)
    changed = [(alarm, True) for name, alarm in found.items() if name not in before]
    over = [alarm for name, alarm in before.items() if name not in found and _has_recovered(connection, desk, alarm)]
    changed += [(alarm, False) for alarm in over]
    watched = {*WATCHED, *(f"{source}:{account}" for source, account in desk.upstreams)}
    for alarm, has_begun in changed:
        if has_begun:
            alarms.begin(connection, alarm)
        else:
            alarms.end(connection, alarm.name)
        if alarm.name in watched:  # else it left the configuration, which is no recovery
            _tell(connection, desk.people.admins, desk.notifiers, alarm, has_begun, now)
    return changed


def _has_recovered(connection: Connection, desk: Desk, alarm: Alarm) -> bool:
    """Ended by proof alone: a pass since then, a breaker that closed. Or it left the configuration."""
    if alarm.name in WATCHED:
        return alarm.name not in {one.name for one in breakers.opened(connection)}
    source, _, account = alarm.name.partition(":")
    heard_at = digests.last_heard(connection).get((source, account))
    return (source, account) not in desk.upstreams or (heard_at is not None and heard_at > alarm.since)


def _sources(connection: Connection, desk: Desk, began_at: datetime, now: datetime) -> Iterator[Alarm]:
    """Not reconciled within three periods, or refusing our credentials (issue 4, Source health)."""
    heard, failed = digests.last_heard(connection), alarms.failures(connection)
    for (source, account), upstream in desk.upstreams.items():
        name, since = f"{source}:{account}", heard.get((source, account), began_at)
        reason, failed_at = failed.get((source, account), ("", now))
        patience = max(SHORTEST_SILENCE, PERIODS * timedelta(seconds=upstream.poll_every_s))
        if reason.partition(":")[0] in REFUSALS:
            yield Alarm(name, "source_refuses", failed_at, reason)
        elif now - max(since, began_at) > patience:
            yield Alarm(name, "source_silent", since, reason)


def _channels(connection: Connection, now: datetime) -> Iterator[Alarm]:
    for one in breakers.opened(connection):
        if one.name in WATCHED and needs_hands(one.reason, one.openings):
            yield Alarm(one.name, "channel_stopped", now, one.reason or "")


def _tell(
    connection: Connection,
    admins: Collection[str],
    channels: Mapping[str, object],
    alarm: Alarm,
    has_begun: bool,
    now: datetime,
) -> None:
    code = alarm.code if has_begun else "over"
    values = {"about": alarm.about, "since": f"{alarm.since:%Y-%m-%d %H:%M} UTC", "reason": alarm.reason}
    payload = {"code": code, "values": values, "mark": f"{alarm.name} {code} {alarm.since.timestamp():.0f}"}
    for destination in destinations(alarm, admins, channels):
        outbox.put(connection, None, destination, outbox.WARN, payload, now, is_urgent=True)
