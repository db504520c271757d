"""The circuit breakers, shared by all replicas: what is paused, and until when. ``domain/breaker.py`` has the rules."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from receiver.domain.breaker import (
    Breaker,
    after_failure,
    after_no_answer,
    after_success,
    breaker_of_failure,
    breakers_for,
)
from receiver.errors import DeliveryError
from receiver.store import upsert
from receiver.store.schema import breaker

PROBE_LASTS = timedelta(seconds=180)  # as long as the longest lease: then the process that probed is dead
_COLUMNS = [breaker.c[name] for name in Breaker.__slots__]


def list_open(connection: Connection) -> list[Breaker]:
    """All open breakers, half-open ones included."""
    return [Breaker(*row) for row in connection.execute(select(*_COLUMNS).where(breaker.c.state == "open"))]


def list_failing(connection: Connection) -> list[Breaker]:
    """All breakers that are open or have counted a failure since the last success."""
    return [Breaker(*row) for row in connection.execute(select(*_COLUMNS).where(_IS_TROUBLED))]


def is_failing(connection: Connection, names: Collection[str]) -> bool:
    """Whether one of these is open or has counted a failure. Otherwise a success need not be recorded."""
    chosen = select(breaker.c.name).where(breaker.c.name.in_(names), _IS_TROUBLED)
    return connection.execute(chosen.limit(1)).first() is not None


def grant_probe(connection: Connection, name: str, claim_id: str, now: datetime) -> bool:
    """Let one delivery through a breaker whose pause is over. False: another probe is under way."""
    is_over = (breaker.c.name == name, breaker.c.state == "open", breaker.c.open_until <= now)
    is_free = or_(breaker.c.probe.is_(None), breaker.c.probe_until < now)
    granted = update(breaker).where(*is_over, is_free).values(probe=claim_id, probe_until=now + PROBE_LASTS)
    return connection.execute(granted).rowcount == 1


def return_probes(connection: Connection, names: Collection[str], claim_id: str) -> None:
    """Return probes of this claim that were not used."""
    theirs = (breaker.c.name.in_(names), breaker.c.probe == claim_id)
    connection.execute(update(breaker).where(*theirs).values(probe=None, probe_until=None))


def record_outcome(
    connection: Connection,
    destination: str,
    is_interactive: bool,
    error: DeliveryError | None,
    claim_id: str,
    now: datetime,
    chance: float,
) -> list[Breaker]:
    """Count the outcome of a delivery; the breakers that this opened or closed."""
    names = breakers_for(destination, is_interactive=is_interactive)
    struck = None if error is None else breaker_of_failure(destination, error, is_interactive=is_interactive)
    if struck is not None:
        new = upsert.insert(connection, breaker).values(name=struck, state="closed")
        connection.execute(new.on_conflict_do_nothing())
    is_answer = error is None or error.scope not in {"internal", "system"}
    changed = []
    for before in _lock_rows(connection, names, struck):
        if error is not None and before.name == struck:
            after = after_failure(before, error, claim_id, now, chance)
        else:
            after = after_success(before, claim_id) if is_answer else after_no_answer(before, claim_id)
        if after != before:
            _save(connection, after)
        if (after.state, after.open_until) != (before.state, before.open_until):
            changed.append(after)
    return changed


def allow_probe(connection: Connection, names: Collection[str], now: datetime) -> None:
    """Let the next delivery try at once: a person says that the fault is fixed."""
    is_open = (breaker.c.name.in_(names), breaker.c.state == "open")
    connection.execute(update(breaker).where(*is_open).values(open_until=now))


def _lock_rows(connection: Connection, names: Sequence[str], struck: str | None) -> list[Breaker]:
    is_affected = or_(_IS_TROUBLED, breaker.c.name == struck)
    chosen = select(*_COLUMNS).where(breaker.c.name.in_(names), is_affected).order_by(breaker.c.name)
    return [Breaker(*row) for row in connection.execute(chosen.with_for_update())]


def _save(connection: Connection, after: Breaker) -> None:
    values = asdict(after)
    if after.probe is None:
        values["probe_until"] = None
    connection.execute(update(breaker).where(breaker.c.name == after.name).values(values))


_IS_TROUBLED = or_(breaker.c.state == "open", breaker.c.failures > 0)
