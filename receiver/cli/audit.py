"""``casebell audit``: prints who did what, through which channel, and what the source answered. It only reads."""

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from receiver.cli.options import TimeParam, with_config
from receiver.cli.service import open_reader
from receiver.settings import Settings, load
from receiver.store import audit

PAGE = 1_000  # rows in one read
COLUMNS = (
    "at", "who", "email", "slack_id", "verb", "key", "reference", "via", "version", "note", "text", "outcome", "answer",
    "answered_at",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.command("audit")
@click.option("--since", type=TimeParam(), help="Only since then: 2026-03-02T09:00 (UTC), or 90m, 4h, 2d ago.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@with_config
def audit_command(config: Path, since: datetime | None, form: str) -> None:
    """Print who did what, through which channel, and what the source answered, oldest first; refused clicks too."""
    asyncio.run(_print_entries(load(config), since, form))


async def _print_entries(settings: Settings, since: datetime | None, form: str) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if form == "csv":
        writer.writerow(COLUMNS)
    async for lines in _read_pages(settings, since):
        if form == "csv":
            writer.writerows([_cell(value) for value in row.values()] for row in _rows(lines))
        else:
            for row in _rows(lines):
                click.echo(json.dumps(row))


async def _read_pages(settings: Settings, since: datetime | None) -> AsyncIterator[Iterable[audit.AuditEntry]]:
    after_id = 0
    async with open_reader(settings) as read:
        while lines := await read(audit.list_entries, since, after_id, PAGE):
            yield lines
            after_id = lines[-1].id


def _rows(lines: Iterable[audit.AuditEntry]) -> Iterable[dict[str, Any]]:
    for line in lines:
        values = (
            line.at.isoformat(), line.person.label, line.person.email, line.person.slack_id, line.verb, line.key,
            line.reference, line.via, line.version, line.note, line.text, line.state, line.reason,
            line.finished_at.isoformat() if line.finished_at else None,
        )  # fmt: skip
        yield dict(zip(COLUMNS, values, strict=True))


def _cell(value: object) -> object:
    """The value for a spreadsheet: an apostrophe keeps text from outside from being run as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
