"""Options and parameter types that several commands share."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])

CONFIG: dict[str, Any] = {
    "type": click.Path(path_type=Path),
    "default": "casebell.toml",
    "envvar": "CASEBELL_CONFIG",
    "show_default": True,
    "show_envvar": True,
    "help": "The configuration file.",
}
LIMIT: dict[str, Any] = {
    "type": click.IntRange(1),
    "default": 200,
    "show_default": True,
    "help": "At most this number of rows.",
}
_AGO = re.compile(r"([1-9]\d{0,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def with_config(command: Command) -> Command:
    """Add ``--config``; the command gets ``config``, a Path."""
    return click.option("--config", **CONFIG)(command)


def with_json(command: Command) -> Command:
    """Add ``--json``; the command gets ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for programs.")(command)


class TimeParam(click.ParamType[datetime]):
    """A time in ISO 8601, UTC unless it has an offset, or a duration before now: 90m, 4h, 2d."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        if ago := _AGO.fullmatch(str(value)):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            examples = "2026-03-02T09:00 (UTC), or 90m, 4h, 2d for a time ago"
            self.fail(f"{value!r} is not a time; write {examples}", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
