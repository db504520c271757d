"""The output of commands: results on stdout, warnings and progress on stderr, progress only on a terminal."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click

_WIDE = 10_000  # columns; lines in a pipe are not wrapped


def as_printable(value: object) -> str:
    """``value`` on one line without control characters: text from outside cannot control the terminal."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else " " for c in text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = "Nothing.") -> None:
    """Print rows under their columns, or the sentence ``empty`` if there are none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(as_printable(value)) for value in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def print_json(value: object) -> None:
    """Print ``value`` as indented JSON; times and amounts become text, control characters become escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print a table of ``columns``, or with ``as_json`` every field."""
    if as_json:
        print_json(rows)
    else:
        print_table(columns, [[row.get(column) for column in columns] for row in rows], empty=empty)


def print_warning(sentence: str) -> None:
    """Print a warning on stderr; the command continues."""
    click.secho(f"warning: {as_printable(sentence)}", fg="yellow", err=True)


class Step(Protocol):
    """Reports progress: ``done`` of ``total``; None if the total is unknown."""

    def __call__(self, done: int, total: int | None = None) -> None: ...


@contextmanager
def progress_bar(what: str) -> Iterator[Step]:
    """A progress bar on stderr while the block runs; nothing if stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(
        console=Console(file=sys.stderr), transient=True, disable=not sys.stderr.isatty(), redirect_stdout=False
    ) as bar:
        task = bar.add_task(what, total=None)

        def step(done: int, total: int | None = None) -> None:
            bar.update(task, completed=done, total=total)

        yield step
