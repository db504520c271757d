"""``casebell slack manifest``: prints the app for Slack's "From a manifest". It needs no network and no secret."""

import json
from pathlib import Path

import click

from receiver.cli.options import with_config
from receiver.cli.output import print_warning


@click.group("slack")
def slack_command() -> None:
    """The Slack app."""


@slack_command.command("manifest")
@click.option("--public-url", help="Public address of the service, instead of the configuration's public_url.")
@click.option("--home", is_flag=True, help="With a Home tab: your items, and those that wait longest.")
@click.option("--command", is_flag=True, help="With the slash command /casebell (one more scope: commands).")
@click.option("--links", is_flag=True, help="With previews of posted links to items (scopes links:read, links:write).")
@with_config
def manifest_command(config: Path, public_url: str | None, **surfaces: bool) -> None:
    """Print the app's manifest: on https://api.slack.com/apps choose Create New App, From a manifest, JSON."""
    from receiver.app import describe_slack_app
    from receiver.settings import load_public_url

    url = public_url or load_public_url(config)
    if not url.startswith(("https://", "http://")):
        raise click.UsageError("--public-url: must be a URL, such as https://casebell.example.com")
    try:
        manifest = describe_slack_app(url, [name for name, is_wanted in surfaces.items() if is_wanted])
    except ValueError as error:
        raise click.UsageError(f"the public URL: {error}") from None
    click.echo(json.dumps(manifest, indent=2))
    if not url.startswith("https://"):
        print_warning("Slack sends clicks to https only; set public_url to the address of your proxy")
