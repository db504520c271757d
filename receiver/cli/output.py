"""How commands speak: results on stdout, progress on stderr and only to a terminal."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click

_WIDE = 10_000  # into a pipe nothing is cut; the reader has grep


def plain(value: object) -> str:
    """``value`` on one line, without anything that could steer a terminal: what strangers wrote is shown as text."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else " " for c in text)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = "Nothing.") -> None:
    """Rows under their columns; ``empty`` is the sentence said instead of a table without rows."""
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
        table.add_row(*(Text(plain(value)) for value in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def show_json(value: object) -> None:
    """``value`` as indented JSON; instants and amounts become text, what could steer a terminal its number."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """A list for people (``columns`` only) or, ``as_json``, for programs (everything there is)."""
    if as_json:
        show_json(rows)
    else:
        show_table(columns, [[row.get(column) for column in columns] for row in rows], empty=empty)


def warn(sentence: str) -> None:
    """Something to mend that does not stop the command, on stderr."""
    click.secho(f"warning: {plain(sentence)}", fg="yellow", err=True)


class Step(Protocol):
    """Tells how far the work is: ``done`` of ``total`` (None: nobody knows yet)."""

    def __call__(self, done: int, total: int | None = None) -> None: ...


@contextmanager
def progress(what: str) -> Iterator[Step]:
    """A progress bar on stderr while the work inside goes on; nothing at all when nobody watches."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(
        console=Console(file=sys.stderr), transient=True, disable=not sys.stderr.isatty(), redirect_stdout=False
    ) as bar:
        task = bar.add_task(what, total=None)

        def step(done: int, total: int | None = None) -> None:
            bar.update(task, completed=done, total=total)

        yield step
