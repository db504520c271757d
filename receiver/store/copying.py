"""Carries one store's rows into another, whole: SQLite → PostgreSQL when a second replica is wanted, and backups.

Row by row in the order of the primary key, a few hundred to a commit. What is there already and the same is left, so a
copy that was cut off is finished by starting it again. Nothing is ever deleted: a target that holds anything else is
refused. At the end both sides are counted.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Integer, RowMapping, Table, func, select, text, tuple_

from receiver.errors import ConfigError
from receiver.store.schema import metadata
from receiver.store.upsert import insert

ROWS_IN_ONE_COMMIT = 500
Told = Callable[[str, int, int], None]
"""Called with a table's name, how many of its rows are there, and how many there are to be."""


def copy(source: Connection, target: Engine, told: Told = lambda _table, _done, _total: None) -> dict[str, int]:
    """Copy every row of ``source`` (one consistent transaction) into ``target``; how many rows each table has.

    Raises ConfigError when the target holds rows that the source does not have.
    """
    counted: dict[str, int] = {}
    for table in metadata.sorted_tables:
        total = _count(source, table)
        done = 0
        for rows in _batches(source, table):
            with target.begin() as connection:
                _carry(connection, table, rows)
            done += len(rows)
            told(table.name, done, total)
        counted[table.name] = total
    with target.begin() as connection:
        _compare(connection, counted)
        _count_on(connection)
    return counted


def counts(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {table.name: _count(connection, table) for table in metadata.sorted_tables}


def _batches(source: Connection, table: Table) -> Iterator[Sequence[RowMapping]]:
    keys = list(table.primary_key)
    after: tuple[Any, ...] | None = None
    while True:
        chosen = select(table).order_by(*keys).limit(ROWS_IN_ONE_COMMIT)
        if after is not None:
            chosen = chosen.where(tuple_(*keys) > after)
        rows = source.execute(chosen).mappings().all()
        if not rows:
            return
        yield rows
        after = tuple(rows[-1][key.name] for key in keys)


def _carry(target: Connection, table: Table, rows: Sequence[RowMapping]) -> None:
    keys = list(table.primary_key)
    wanted = {tuple(row[key.name] for key in keys): dict(row) for row in rows}
    there = target.execute(select(table).where(tuple_(*keys).in_(list(wanted)))).mappings()
    for row in there:
        key = tuple(row[column.name] for column in keys)
        if wanted[key] == dict(row):
            del wanted[key]
    if not wanted:
        return
    statement = insert(target, table)
    others = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
    if others:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=others)
    target.execute(statement, list(wanted.values()))


def _compare(target: Connection, counted: dict[str, int]) -> None:
    there = counts(target)
    differing = {name: (n, there[name]) for name, n in counted.items() if there[name] != n}
    if differing:
        told = ", ".join(f"{name}: {n} here, {other} there" for name, (n, other) in differing.items())
        raise ConfigError(f"the target holds rows that the source does not have ({told}); give it an empty database")


def _count_on(target: Connection) -> None:
    """PostgreSQL's own numbering goes on behind what was copied; SQLite's does so by itself."""
    if target.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        (key, *more) = table.primary_key
        if more or not isinstance(key.type, Integer):
            continue
        highest = target.execute(select(func.max(key))).scalar()
        if highest is not None:
            named = {"table": table.name, "key": key.name, "highest": highest}
            target.execute(text("SELECT setval(pg_get_serial_sequence(:table, :key), :highest)"), named)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
