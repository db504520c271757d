"""Commands about the configuration: ``check`` and ``keys``."""

import secrets
import sys
from pathlib import Path

import click

from receiver.cli.options import with_config
from receiver.cli.output import warn

_KEY_BYTES = 32


@click.command("check")
@with_config
def check_command(config: Path) -> None:
    """Read the configuration; tell every fault, or print what is in force with secrets masked."""
    from receiver.settings import load, to_masked_toml

    settings = load(config)
    click.echo(to_masked_toml(settings), nl=False)
    for sentence in settings.warnings:
        warn(sentence)


@click.group("keys")
def keys_command() -> None:
    """Secret keys that sign links."""


@keys_command.command()
def new() -> None:
    """Print a fresh secret key; put it first in secret_keys and keep the old one behind it while links are out."""
    click.echo(secrets.token_urlsafe(_KEY_BYTES))
    if sys.stdout.isatty():
        click.echo("Put it where secret_keys reads it, for example: export CASEBELL_SECRET_KEYS=…", err=True)
