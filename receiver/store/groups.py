"""Alert groups: during a burst, new alerts of a channel share one message (docs/decisions/0016).

Each new alert takes a token from the bucket of its destination, in the order of arrival. An alert that finds the bucket
empty begins a group, and all alerts belong to it until the bucket is full again. Everything here runs under the claim
lock, so that replicas count one after the other. All state is in rows, so that a kill changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, and_, case, delete, func, insert, or_, select, update

from receiver.domain.item import Item
from receiver.domain.pace import Pace
from receiver.store import items, locks, upsert
from receiver.store.outbox import CLAIM_LOCK, DUE, IN_GROUP, enqueue
from receiver.store.payloads import BURST, SHOW, Burst, Show, decode, encode
from receiver.store.schema import alert_group, item, message, outbox, pace

ResultRow = Any  # a row of a select: its columns are its attributes
MAX_AT_ONCE = 1_000
AHEAD = timedelta(microseconds=1)  # so that a row is due before those that wait already
# For all groups together: Slack limits edits per workspace (docs/vendors/slack.md#rate-limits).
EDIT_EVERY = timedelta(seconds=5)
RETRY_DEAD_AFTER = timedelta(minutes=10)
UPDATED_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A row of ``alert_group``. ``content_key``: see ``content_key_of``; None before its message was sent."""

    id: int
    destination: str
    route: str
    began_at: datetime
    until: datetime
    reference: str | None
    content_key: str | None
    maybe_delivered: bool


def assign_groups(connection: Connection, bursts: Mapping[str, Pace], now: datetime) -> None:
    """Decide for each new alert whether it is sent alone or in a group. The caller holds the claim lock."""
    if not bursts:
        return
    by_destination: dict[str, dict[int, ResultRow]] = {}
    for row in connection.execute(_select_unassigned(tuple(bursts))):
        by_destination.setdefault(row.destination, {})[row.id] = row
    for destination, rows in by_destination.items():
        _assign(connection, destination, bursts[destination], list(rows.values()), now)


@lru_cache(maxsize=16)
def is_assigned(destinations: tuple[str, ...]) -> ColumnElement[bool]:
    """Rows that ``assign_groups`` has decided about, or that it does not concern."""
    return or_(outbox.c.what != SHOW, outbox.c.group_id.is_not(None), outbox.c.destination.not_in(destinations))


@lru_cache(maxsize=16)
def _select_unassigned(destinations: tuple[str, ...]) -> Executable:
    """The other rows, oldest first. ``shown``: the id of a message that the destination has already."""
    has_message = and_(message.c.item_id == outbox.c.item_id, message.c.destination == outbox.c.destination)
    return (
        select(outbox.c.id, outbox.c.item_id, outbox.c.destination, outbox.c.payload, message.c.id.label("shown"))
        .outerjoin(message, has_message)
        .where(outbox.c.group_id.is_(None), outbox.c.what == SHOW, outbox.c.state == DUE)
        .where(outbox.c.claim_id.is_(None), outbox.c.destination.in_(destinations))
        .order_by(outbox.c.id)
        .limit(MAX_AT_ONCE)
    )


def _assign(connection: Connection, destination: str, burst: Pace, rows: Sequence[ResultRow], now: datetime) -> None:
    name = f"burst {destination}"
    full_at = connection.execute(select(pace.c.full_at).where(pace.c.name == name)).scalar()
    if full_at:  # also after a clock was set back, or `within` changed
        full_at = min(full_at, burst.full_at_if_empty(now))
    group = _find_current(connection, destination, now, burst.full_at_if_empty(now))
    single: list[ResultRow] = []
    members: list[ResultRow] = []
    for row in rows:
        if row.shown is not None or decode(Show, row.payload).below:
            single.append(row)  # an update, or in a thread: it notifies nobody
            continue
        if group is None and burst.available(full_at, now) < 1:
            group = _open_group(connection, destination, decode(Show, row.payload).route, now)
        (single if group is None else members).append(row)
        full_at = min(burst.full_at_after(full_at, now, 1), burst.full_at_if_empty(now))
    _update_rows(connection, [row.id for row in single], group_id=0)
    _move_ahead(connection, destination, [row.id for row in single if row.shown is None])
    if full_at is not None:
        save_bucket(connection, name, full_at)
    if group is not None and members:
        connection.execute(update(alert_group).where(alert_group.c.id == group.id).values(until=full_at))
        _add_members(connection, group, members, now)


def _move_ahead(connection: Connection, destination: str, ids: Sequence[int]) -> None:
    """Single alerts leave before the waiting replies of a group, which notify nobody."""
    if not ids:
        return
    replies = (outbox.c.destination == destination, outbox.c.state == DUE, outbox.c.group_id > 0)
    first = connection.execute(select(func.min(outbox.c.due_at)).where(*replies, outbox.c.what == SHOW)).scalar()
    if first is not None:
        later = (outbox.c.id.in_(ids), outbox.c.due_at >= first)
        connection.execute(update(outbox).where(*later).values(due_at=first - AHEAD))


def _add_members(connection: Connection, group: GroupRow, members: Sequence[ResultRow], now: datetime) -> None:
    """The alerts wait for the message of the group, or go to its thread."""
    if group.reference is None:
        _update_rows(connection, [row.id for row in members], group_id=group.id, state=IN_GROUP)
        if not _find_delivery(connection, group.id):
            _enqueue_message(connection, group, now)
        return
    _update_rows(connection, [row.id for row in members], group_id=group.id)
    _set_thread(connection, [row.id for row in members], group.reference)


def _enqueue_message(connection: Connection, group: GroupRow, now: datetime) -> None:
    """The message of the group leaves before the alerts that already wait for the channel."""
    enqueue(connection, None, group.destination, Burst(group.route, group.id), now)
    waiting = (outbox.c.destination == group.destination, outbox.c.state == DUE)
    first = connection.execute(select(func.min(outbox.c.due_at)).where(*waiting)).scalar() or now
    is_new = (outbox.c.what == BURST, outbox.c.destination == group.destination, outbox.c.group_id.is_(None))
    connection.execute(update(outbox).where(*is_new).values(group_id=group.id, due_at=first - AHEAD))


def record_message(
    connection: Connection, group_id: int, reference: str, content_key: str, now: datetime, *, maybe_delivered: bool
) -> None:
    """The message of the group is at ``reference``: the alerts that waited for it become due in its thread."""
    locks.acquire(connection, [CLAIM_LOCK])
    values = {"reference": reference, "content_key": content_key, "maybe_delivered": maybe_delivered}
    connection.execute(update(alert_group).where(alert_group.c.id == group_id).values(values))
    unclaimed = (outbox.c.group_id == group_id, outbox.c.what == SHOW, outbox.c.claim_id.is_(None))
    waiting = select(outbox.c.id).where(*unclaimed, outbox.c.state.in_((IN_GROUP, DUE)))
    ids = list(connection.execute(waiting).scalars())
    _set_thread(connection, ids, reference)
    waiting_for_message = update(outbox).where(outbox.c.id.in_(ids), outbox.c.state == IN_GROUP)
    connection.execute(waiting_for_message.values(state=DUE, due_at=now))


def close(connection: Connection, group_id: int, now: datetime) -> None:
    """Close the group: it gets no message and no updates any more, and its waiting alerts end."""
    connection.execute(update(alert_group).where(alert_group.c.id == group_id).values(is_over=True))
    unsent = (*_members(group_id), outbox.c.state == IN_GROUP)
    connection.execute(update(outbox).where(*unsent).values(state="done", done_at=now, reason="decided meanwhile"))


def delete_closed(connection: Connection, before: datetime) -> int:
    """Delete groups that were over before then; how many."""
    return connection.execute(delete(alert_group).where(alert_group.c.is_over, alert_group.c.until < before)).rowcount


def find(connection: Connection, group_id: int) -> GroupRow | None:
    """The group with this id."""
    row = connection.execute(select(*_COLUMNS).where(alert_group.c.id == group_id)).first()
    return GroupRow(*row) if row else None


def list_items(connection: Connection, group_id: int) -> list[Item]:
    """The items of the group, in the order of arrival."""
    earliest = select(outbox.c.item_id, func.min(outbox.c.id).label("at")).where(*_members(group_id))
    arrived = earliest.group_by(outbox.c.item_id).subquery()
    chosen = select(item.c.document).join(arrived, arrived.c.item_id == item.c.id).order_by(arrived.c.at)
    return [items.from_json(document) for document in connection.execute(chosen).scalars()]


def content_key_of(members: Sequence[Item]) -> str:
    """What a message about these items depends on: when it changes, the message is outdated."""
    n_open = sum(one.state != "resolved" for one in members)
    return f"{len(members)} {n_open} {sum(one.version for one in members)}"


def enqueue_updates(connection: Connection, now: datetime) -> int:
    """Enqueue updates of messages that do not show their group as it is, within the rate of edits; how many."""
    locks.acquire(connection, [CLAIM_LOCK])
    chosen = select(*_COLUMNS).where(~alert_group.c.is_over).order_by(alert_group.c.id)
    groups = [GroupRow(*row) for row in connection.execute(chosen)]
    return sum(_update(connection, group, EDIT_EVERY * len(groups), now) for group in groups)


def _update(connection: Connection, group: GroupRow, every: timedelta, now: datetime) -> int:
    n, n_open, versions = connection.execute(
        select(func.count(), func.sum(_IS_OPEN), func.sum(item.c.version))
        .select_from(item)
        .where(item.c.id.in_(select(outbox.c.item_id).where(*_members(group.id))))
    ).one()
    row = _find_delivery(connection, group.id)
    if group.content_key == f"{n} {n_open or 0} {versions or 0}" or n == 0:
        is_past = n_open == 0 or not n or now - group.began_at > UPDATED_FOR
        if is_past and group.until <= now and (row is None or row.state != DUE):
            close(connection, group.id, now)
        return 0
    if row is None:
        _enqueue_message(connection, group, now)
        return 1
    if row.state == DUE or now - row.done_at < (RETRY_DEAD_AFTER if row.state == "dead" else every):
        return 0
    return _retry(connection, row.id, now, is_interactive=group.reference is not None)


def retry_dead(connection: Connection, destination: str, now: datetime) -> int:
    """Retry dead group messages of a channel that works again; how many."""
    dead = select(outbox.c.id).where(outbox.c.what == BURST, outbox.c.state == "dead")
    ids = connection.execute(dead.where(outbox.c.destination == destination)).scalars().all()
    return sum(_retry(connection, id_, now, is_interactive=False) for id_ in ids)


def _retry(connection: Connection, id_: int, now: datetime, *, is_interactive: bool) -> int:
    """Reuse the row: a group has one delivery, so that no two updates of its message run at the same time."""
    values = {"state": DUE, "due_at": now, "retried_at": now, "done_at": None, "attempts": 0, "lost_leases": 0}
    values |= {"maybe_delivered": False, "is_interactive": is_interactive}
    connection.execute(update(outbox).where(outbox.c.id == id_).values(values))
    return 1


def _find_delivery(connection: Connection, group_id: int) -> ResultRow | None:
    chosen = select(outbox.c.id, outbox.c.state, outbox.c.done_at)
    return connection.execute(chosen.where(outbox.c.group_id == group_id, outbox.c.what == BURST)).first()


def _find_current(connection: Connection, destination: str, now: datetime, latest: datetime) -> GroupRow | None:
    """The group that takes alerts now. ``latest``: a group that ends later was made by a clock that was wrong."""
    is_current = (~alert_group.c.is_over, alert_group.c.until > now, alert_group.c.until <= latest)
    chosen = select(*_COLUMNS).where(alert_group.c.destination == destination, *is_current)
    row = connection.execute(chosen.order_by(alert_group.c.id.desc()).limit(1)).first()
    return GroupRow(*row) if row else None


def _open_group(connection: Connection, destination: str, route: str, now: datetime) -> GroupRow:
    values = {"destination": destination, "route": route, "began_at": now, "until": now}
    inserted = connection.execute(insert(alert_group).values(values).returning(*_COLUMNS))
    return GroupRow(*inserted.one())


def _update_rows(connection: Connection, ids: Sequence[int], **values: object) -> None:
    if ids:
        connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(values))


def _set_thread(connection: Connection, ids: Sequence[int], below: str) -> None:
    """Send these in the thread of the message at ``below``."""
    rows = connection.execute(select(outbox.c.id, outbox.c.payload).where(outbox.c.id.in_(ids))).all()
    by_payload: dict[str, list[int]] = {}
    for row in rows:
        by_payload.setdefault(row.payload, []).append(row.id)
    for payload, same in by_payload.items():
        _update_rows(connection, same, payload=encode(replace(decode(Show, payload), below=below)))


def save_bucket(connection: Connection, name: str, full_at: datetime) -> None:
    """Store when the bucket of tokens of this name is full again."""
    statement = upsert.insert(connection, pace).values(name=name, full_at=full_at)
    connection.execute(statement.on_conflict_do_update(index_elements=[pace.c.name], set_={"full_at": full_at}))


def _members(group_id: int) -> tuple[Any, ...]:
    return outbox.c.group_id == group_id, outbox.c.what == SHOW


_COLUMNS = [alert_group.c[name] for name in GroupRow.__slots__]
_IS_OPEN = case((item.c.state != "resolved", 1), else_=0)
