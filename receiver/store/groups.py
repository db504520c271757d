"""Storms: which alerts ring by themselves and which are told in one message (docs/decisions/0016).

New alerts of a channel draw on a bucket of tokens, in the order in which they came. One that finds it empty begins a
storm, and until the bucket is full again all belong to it. Everything here runs under the lock of the claims, so that
replicas count one after the other; all of it is rows, so that a kill changes nothing.
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

Found = Any  # a row of a select: its columns are its attributes
MOST_AT_ONCE = 1_000
FIRST = timedelta(microseconds=1)  # before whatever waits already
EDIT_EVERY = timedelta(seconds=5)  # of all storms together: edits of a workspace are counted together (contract A5)
AFTER_DEATH = timedelta(minutes=10)
FOLLOWED_FOR = timedelta(days=30)


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


def sweep(connection: Connection, bursts: Mapping[str, Pace], now: datetime) -> None:
    """Decide of each new alert whether it rings by itself. The caller holds the lock of the claims."""
    if not bursts:
        return
    by_place: dict[str, dict[int, Found]] = {}
    for row in connection.execute(_uncounted(tuple(bursts))):
        by_place.setdefault(row.destination, {})[row.id] = row
    for destination, rows in by_place.items():
        _sweep(connection, destination, bursts[destination], list(rows.values()), now)


@lru_cache(maxsize=16)
def is_counted(places: tuple[str, ...]) -> ColumnElement[bool]:
    """Rows about which that is decided, or need not be."""
    return or_(outbox.c.what != SHOW, outbox.c.group_id.is_not(None), outbox.c.destination.not_in(places))


@lru_cache(maxsize=16)
def _uncounted(places: tuple[str, ...]) -> Executable:
    """The other rows, in the order in which they came; ``shown``: the destination has a message already."""
    is_there = and_(message.c.item_id == outbox.c.item_id, message.c.destination == outbox.c.destination)
    return (
        select(outbox.c.id, outbox.c.item_id, outbox.c.destination, outbox.c.payload, message.c.id.label("shown"))
        .outerjoin(message, is_there)
        .where(outbox.c.group_id.is_(None), outbox.c.what == SHOW, outbox.c.state == DUE)
        .where(outbox.c.claim_id.is_(None), outbox.c.destination.in_(places))
        .order_by(outbox.c.id)
        .limit(MOST_AT_ONCE)
    )


def _sweep(connection: Connection, destination: str, burst: Pace, rows: Sequence[Found], now: datetime) -> None:
    name = f"burst {destination}"
    full_at = connection.execute(select(pace.c.full_at).where(pace.c.name == name)).scalar()
    full_at = min(full_at, burst.empty(now)) if full_at else None  # also when a clock was put back, or `within` changed
    on = _now_on(connection, destination, now, burst.empty(now))
    alone: list[Found] = []
    swept: list[Found] = []
    for row in rows:
        if row.shown is not None or decode(Show, row.payload).below:
            alone.append(row)  # a redraw, or in the thread of what rang already: it rings nobody
            continue
        if on is None and burst.room(full_at, now) < 1:
            on = _begin(connection, destination, decode(Show, row.payload).route, now)
        (alone if on is None else swept).append(row)
        full_at = min(burst.take(full_at, now, 1), burst.empty(now))
    _mark(connection, [row.id for row in alone], group_id=0)
    _advance(connection, destination, [row.id for row in alone if row.shown is None])
    if full_at is not None:
        _save_bucket(connection, name, full_at)
    if on is not None and swept:
        connection.execute(update(alert_group).where(alert_group.c.id == on.id).values(until=full_at))
        _take_in(connection, on, swept, now)


def _advance(connection: Connection, destination: str, ids: Sequence[int]) -> None:
    """What rings by itself leaves before the replies of a storm that wait for their turn: they ring nobody."""
    if not ids:
        return
    replies = (outbox.c.destination == destination, outbox.c.state == DUE, outbox.c.group_id > 0)
    first = connection.execute(select(func.min(outbox.c.due_at)).where(*replies, outbox.c.what == SHOW)).scalar()
    if first is not None:
        later = (outbox.c.id.in_(ids), outbox.c.due_at >= first)
        connection.execute(update(outbox).where(*later).values(due_at=first - FIRST))


def _take_in(connection: Connection, on: GroupRow, swept: Sequence[Found], now: datetime) -> None:
    """They wait for the storm's message, or go below the one that stands."""
    if on.reference is None:
        _mark(connection, [row.id for row in swept], group_id=on.id, state=IN_GROUP)
        if not _row_of(connection, on.id):
            _put(connection, on, now)
        return
    _mark(connection, [row.id for row in swept], group_id=on.id)
    _point(connection, [row.id for row in swept], on.reference)


def _put(connection: Connection, on: GroupRow, now: datetime) -> None:
    """Its message leaves before the alerts that wait for their turn in the channel already."""
    enqueue(connection, None, on.destination, Burst(on.route, on.id), now)
    waiting = (outbox.c.destination == on.destination, outbox.c.state == DUE)
    first = connection.execute(select(func.min(outbox.c.due_at)).where(*waiting)).scalar() or now
    is_ours = (outbox.c.what == BURST, outbox.c.destination == on.destination, outbox.c.group_id.is_(None))
    connection.execute(update(outbox).where(*is_ours).values(group_id=on.id, due_at=first - FIRST))


def drawn(
    connection: Connection, group_id: int, reference: str, content_key: str, now: datetime, *, maybe_delivered: bool
) -> None:
    """Its message stands at ``reference``; what waited for that goes below it."""
    locks.hold(connection, [CLAIM_LOCK])
    values = {"reference": reference, "content_key": content_key, "maybe_delivered": maybe_delivered}
    connection.execute(update(alert_group).where(alert_group.c.id == group_id).values(values))
    part = (outbox.c.group_id == group_id, outbox.c.what == SHOW, outbox.c.claim_id.is_(None))
    waiting = select(outbox.c.id).where(*part, outbox.c.state.in_((IN_GROUP, DUE)))
    ids = list(connection.execute(waiting).scalars())
    _point(connection, ids, reference)
    swept = update(outbox).where(outbox.c.id.in_(ids), outbox.c.state == IN_GROUP)
    connection.execute(swept.values(state=DUE, due_at=now))


def forgo(connection: Connection, group_id: int, now: datetime) -> None:
    """Nothing of it is open and no message tells of it: it is not told of any more, and rings nobody."""
    connection.execute(update(alert_group).where(alert_group.c.id == group_id).values(is_over=True))
    swept = (*_part(group_id), outbox.c.state == IN_GROUP)
    connection.execute(update(outbox).where(*swept).values(state="done", done_at=now, reason="decided meanwhile"))


def forget(connection: Connection, before: datetime) -> int:
    """Erase storms that were over before then; how many."""
    return connection.execute(delete(alert_group).where(alert_group.c.is_over, alert_group.c.until < before)).rowcount


def find(connection: Connection, group_id: int) -> GroupRow | None:
    """The storm with this id."""
    row = connection.execute(select(*_COLUMNS).where(alert_group.c.id == group_id)).first()
    return GroupRow(*row) if row else None


def items_of(connection: Connection, group_id: int) -> list[Item]:
    """Every item of it, in the order in which they came."""
    first = select(outbox.c.item_id, func.min(outbox.c.id).label("at")).where(*_part(group_id))
    came = first.group_by(outbox.c.item_id).subquery()
    chosen = select(item.c.document).join(came, came.c.item_id == item.c.id).order_by(came.c.at)
    return [items.whole(text) for text in connection.execute(chosen).scalars()]


def content_key_of(found: Sequence[Item]) -> str:
    """What a drawing of these items depends on: another one differs in it."""
    n_open = sum(one.state != "resolved" for one in found)
    return f"{len(found)} {n_open} {sum(one.version for one in found)}"


def follow(connection: Connection, now: datetime) -> int:
    """Have the messages redrawn that do not show their storm as it is, seldom enough; how many."""
    locks.hold(connection, [CLAIM_LOCK])
    chosen = select(*_COLUMNS).where(~alert_group.c.is_over).order_by(alert_group.c.id)
    on = [GroupRow(*row) for row in connection.execute(chosen)]
    return sum(_follow(connection, one, EDIT_EVERY * len(on), now) for one in on)


def _follow(connection: Connection, one: GroupRow, every: timedelta, now: datetime) -> int:
    n, n_open, versions = connection.execute(
        select(func.count(), func.sum(_IS_OPEN), func.sum(item.c.version))
        .select_from(item)
        .where(item.c.id.in_(select(outbox.c.item_id).where(*_part(one.id))))
    ).one()
    row = _row_of(connection, one.id)
    if one.content_key == f"{n} {n_open or 0} {versions or 0}" or n == 0:
        is_past = n_open == 0 or not n or now - one.began_at > FOLLOWED_FOR
        if is_past and one.until <= now and (row is None or row.state != DUE):
            forgo(connection, one.id, now)
        return 0
    if row is None:
        _put(connection, one, now)
        return 1
    if row.state == DUE or now - row.done_at < (AFTER_DEATH if row.state == "dead" else every):
        return 0
    return _again(connection, row.id, now, is_interactive=one.reference is not None)


def again(connection: Connection, destination: str, now: datetime) -> int:
    """The channel works again: try what died there; how many."""
    dead = select(outbox.c.id).where(outbox.c.what == BURST, outbox.c.state == "dead")
    ids = connection.execute(dead.where(outbox.c.destination == destination)).scalars().all()
    return sum(_again(connection, id_, now, is_interactive=False) for id_ in ids)


def _again(connection: Connection, id_: int, now: datetime, *, is_interactive: bool) -> int:
    """The same row: of a storm there is one, so that no two drawings of it are under way."""
    values = {"state": DUE, "due_at": now, "retried_at": now, "done_at": None, "attempts": 0, "lost_leases": 0}
    values |= {"maybe_delivered": False, "is_interactive": is_interactive}
    connection.execute(update(outbox).where(outbox.c.id == id_).values(values))
    return 1


def _row_of(connection: Connection, group_id: int) -> Found | None:
    chosen = select(outbox.c.id, outbox.c.state, outbox.c.done_at)
    return connection.execute(chosen.where(outbox.c.group_id == group_id, outbox.c.what == BURST)).first()


def _now_on(connection: Connection, destination: str, now: datetime, latest: datetime) -> GroupRow | None:
    """``latest``: no storm lasts beyond that, unless a clock was set back meanwhile."""
    is_on = (~alert_group.c.is_over, alert_group.c.until > now, alert_group.c.until <= latest)
    chosen = select(*_COLUMNS).where(alert_group.c.destination == destination, *is_on)
    row = connection.execute(chosen.order_by(alert_group.c.id.desc()).limit(1)).first()
    return GroupRow(*row) if row else None


def _begin(connection: Connection, destination: str, route: str, now: datetime) -> GroupRow:
    values = {"destination": destination, "route": route, "began_at": now, "until": now}
    made = connection.execute(insert(alert_group).values(values).returning(*_COLUMNS))
    return GroupRow(*made.one())


def _mark(connection: Connection, ids: Sequence[int], **values: object) -> None:
    if ids:
        connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(values))


def _point(connection: Connection, ids: Sequence[int], below: str) -> None:
    """They are to stand in the thread of the message at ``below``."""
    rows = connection.execute(select(outbox.c.id, outbox.c.payload).where(outbox.c.id.in_(ids))).all()
    by_payload: dict[str, list[int]] = {}
    for row in rows:
        by_payload.setdefault(row.payload, []).append(row.id)
    for payload, those in by_payload.items():
        _mark(connection, those, payload=encode(replace(decode(Show, payload), below=below)))


def _save_bucket(connection: Connection, name: str, full_at: datetime) -> None:
    statement = upsert.insert(connection, pace).values(name=name, full_at=full_at)
    connection.execute(statement.on_conflict_do_update(index_elements=[pace.c.name], set_={"full_at": full_at}))


def _part(group_id: int) -> tuple[Any, ...]:
    return outbox.c.group_id == group_id, outbox.c.what == SHOW


_COLUMNS = [alert_group.c[name] for name in GroupRow.__slots__]
_IS_OPEN = case((item.c.state != "resolved", 1), else_=0)
