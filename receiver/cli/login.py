"""``casebell login``: prints a link that signs a person in to the inbox, for installations without mail."""

import asyncio
from pathlib import Path

import click

from receiver.cli.options import with_config
from receiver.cli.service import send_to_service
from receiver.settings import Settings, load


@click.command("login")
@click.argument("address")
@with_config
def login_command(config: Path, address: str) -> None:
    """Print a link that signs ADDRESS in to the inbox, once, within fifteen minutes."""
    click.echo(asyncio.run(_make_link(load(config), address)))


async def _make_link(settings: Settings, address: str) -> str:
    answer = await send_to_service(settings, {"do": "login", "address": address})
    if answer is not None:
        return str(answer["url"])
    from receiver.app import open_adapters
    from receiver.web.login import make_link

    async with open_adapters(settings) as adapters:
        return await make_link(adapters, address)
