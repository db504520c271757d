"""Copies all rows of one database into another: SQLite to PostgreSQL for a second replica, and backups.

Rows are copied in the order of the primary key, a few hundred per commit. Equal rows are skipped, so an interrupted
copy is completed by running it again. Nothing is deleted: a target with other rows is refused. At the end both sides
are counted.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Integer, RowMapping, Table, func, select, text, tuple_

from receiver.errors import ConfigError
from receiver.store.schema import metadata
from receiver.store.upsert import insert

ROWS_IN_ONE_COMMIT = 500
Progress = Callable[[str, int, int], None]
"""Called with the name of a table, the number of its rows that are copied, and the total."""


def copy(
    source: Connection, target: Engine, on_progress: Progress = lambda _table, _done, _total: None
) -> dict[str, int]:
    """Copy every row of ``source`` (one consistent transaction) into ``target``; the number of rows by table.

    Raises ConfigError when the target contains rows that the source does not.
    """
    counted: dict[str, int] = {}
    for table in metadata.sorted_tables:
        total = _count(source, table)
        done = 0
        for rows in _batches(source, table):
            with target.begin() as connection:
                _write_missing(connection, table, rows)
            done += len(rows)
            on_progress(table.name, done, total)
        counted[table.name] = total
    with target.begin() as connection:
        _check_counts(connection, counted)
        _advance_sequences(connection)
    return counted


def count_rows(connection: Connection) -> dict[str, int]:
    """The number of rows by table."""
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


def _write_missing(target: Connection, table: Table, rows: Sequence[RowMapping]) -> None:
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


def _check_counts(target: Connection, counted: dict[str, int]) -> None:
    there = count_rows(target)
    differing = {name: (n, there[name]) for name, n in counted.items() if there[name] != n}
    if differing:
        listed = ", ".join(f"{name}: {n} here, {other} there" for name, (n, other) in differing.items())
        raise ConfigError(f"the target holds rows that the source does not have ({listed}); give it an empty database")


def _advance_sequences(target: Connection) -> None:
    """Move PostgreSQL's sequences past the copied ids. SQLite needs no help."""
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
