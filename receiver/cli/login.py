"""``casebell login``: a link that signs somebody in to the inbox, for where no mail is sent."""

import asyncio
from pathlib import Path

import click

from receiver.cli.ledger import through_the_service
from receiver.cli.options import with_config
from receiver.settings import Settings, load


@click.command("login")
@click.argument("address")
@with_config
def login_command(config: Path, address: str) -> None:
    """Print a link that signs ADDRESS in to the inbox, once, within fifteen minutes."""
    click.echo(asyncio.run(_link(load(config), address)))


async def _link(settings: Settings, address: str) -> str:
    told = await through_the_service(settings, {"do": "login", "address": address})
    if told is not None:
        return str(told["url"])
    from receiver.app import open_adapters
    from receiver.web.login import make_link

    async with open_adapters(settings) as adapters:
        return await make_link(adapters, address)
