"""``casebell audit``: who did what, through which channel, and what the source answered. It only reads."""

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from receiver.cli.ledger import reading
from receiver.cli.options import with_config
from receiver.cli.redo import Moment
from receiver.settings import Settings, load
from receiver.store import audit

AT_ONCE = 1_000
COLUMNS = (
    "at", "who", "email", "slack_id", "verb", "key", "reference", "via", "version", "note", "text", "outcome", "answer",
    "answered_at",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.command("audit")
@click.option("--since", type=Moment(), help="Only since then: 2026-03-02T09:00 (UTC), or 90m, 4h, 2d ago.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@with_config
def audit_command(config: Path, since: datetime | None, form: str) -> None:
    """Tell who did what, through what, and what the source answered, oldest first; refused presses too."""
    asyncio.run(_tell(load(config), since, form))


async def _tell(settings: Settings, since: datetime | None, form: str) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if form == "csv":
        writer.writerow(COLUMNS)
    async for lines in _parts(settings, since):
        if form == "csv":
            writer.writerows([_cell(value) for value in row.values()] for row in _rows(lines))
        else:
            for row in _rows(lines):
                click.echo(json.dumps(row))


async def _parts(settings: Settings, since: datetime | None) -> AsyncIterator[Iterable[audit.Line]]:
    after_id = 0
    async with reading(settings) as read:
        while lines := await read(audit.lines, since, after_id, AT_ONCE):
            yield lines
            after_id = lines[-1].id


def _rows(lines: Iterable[audit.Line]) -> Iterable[dict[str, Any]]:
    for line in lines:
        values = (
            line.at.isoformat(), line.person.label, line.person.email, line.person.slack_id, line.verb, line.key,
            line.reference, line.via, line.version, line.note, line.text, line.state, line.reason,
            line.finished_at.isoformat() if line.finished_at else None,
        )  # fmt: skip
        yield dict(zip(COLUMNS, values, strict=True))


def _cell(value: object) -> object:
    """What a spreadsheet would take for a formula stays text: notes are what people, and names what strangers wrote."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
