"""``casebell check`` and ``keys``: checks and prints the configuration, and makes secret keys."""

import secrets
import sys
from pathlib import Path

import click

from receiver.cli.options import with_config
from receiver.cli.output import print_warning

_KEY_BYTES = 32


@click.command("check")
@with_config
def check_command(config: Path) -> None:
    """Check the configuration: report every fault, or print the settings in force with secrets masked."""
    from receiver.settings import load, to_masked_toml

    settings = load(config)
    click.echo(to_masked_toml(settings), nl=False)
    for sentence in settings.warnings:
        print_warning(sentence)


@click.group("keys")
def keys_command() -> None:
    """Secret keys that sign links."""


@keys_command.command()
def new() -> None:
    """Print a new secret key. Put it first in secret_keys, and keep the old one after it until old links expire."""
    click.echo(secrets.token_urlsafe(_KEY_BYTES))
    if sys.stdout.isatty():
        click.echo("Put it where secret_keys reads it, for example: export CASEBELL_SECRET_KEYS=…", err=True)
