"""``casebell login``: prints a link that signs a person in to the inbox, for installations without mail."""

import asyncio
from pathlib import Path

import click

from receiver.cli.options import with_config
from receiver.cli.service import run_command
from receiver.settings import load


@click.command("login")
@click.argument("address")
@with_config
def login_command(config: Path, address: str) -> None:
    """Print a link that signs ADDRESS in to the inbox, once, within fifteen minutes."""
    answer = asyncio.run(run_command(load(config), {"do": "login", "address": address}))
    click.echo(answer["url"])
