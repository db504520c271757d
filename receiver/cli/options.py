"""Options that several commands share."""

from collections.abc import Callable
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


def with_config(command: Command) -> Command:
    """Hands the command ``config``, a Path."""
    return click.option("--config", **CONFIG)(command)


def with_json(command: Command) -> Command:
    """Hands the command ``as_json``; every command that lists has it."""
    return click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for programs.")(command)
