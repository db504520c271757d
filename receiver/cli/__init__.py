"""The command ``casebell``. Beside the walk: it reads the settings and starts or asks things; it decides nothing.

A family of commands is one file, imported only when one of its commands is asked for, so that ``casebell --help``
stays quick.
"""

import os
import sys
from importlib import import_module, metadata

import click

from receiver.cli.options import CONFIG
from receiver.cli.output import plain
from receiver.errors import CasebellError, ConfigError

FAMILIES: dict[str, dict[str, str]] = {  # module -> its commands (``NAME_command`` there), each with its help line
    "receiver.cli.run": {
        "serve": "Run the service.",
        "demo": "Run the service against the built-in sandbox; needs no credentials.",
        "sandbox": "Run only the stand-ins for Getbill, Debitura, Slack and a mailbox.",
    },
    "receiver.cli.doctor": {"doctor": "Ask every outside system whether it answers and accepts the credentials."},
    "receiver.cli.ledger": {
        "items": "List what is to be decided.",
        "item": "Show one item with its whole timeline.",
        "act": "Do what a button does.",
        "reconcile": "Compare with the sources now, and apply what changed.",
    },
    "receiver.cli.redo": {
        "deliveries": "List the outbox: what is due, done or dead.",
        "retry": "Retry dead deliveries.",
        "events": "List what arrived: waiting, done or set aside.",
        "replay": "Understand stored events again; never a second alert.",
    },
    "receiver.cli.audit": {"audit": "Tell who did what, through what, and what the source answered."},
    "receiver.cli.login": {"login": "Print a link that signs somebody in to the inbox."},
    "receiver.cli.database": {"db": "Migrate, back up, move and tidy the database."},
    "receiver.cli.digests": {
        "digest": "A digest outside its schedule.",
        "addresses": "Addresses that get no mail, and why.",
    },
    "receiver.cli.preview": {"preview": "Render a Slack message, a mail or a digest offline."},
    "receiver.cli.slack": {"slack": "The Slack app."},
    "receiver.cli.configure": {
        "check": "Tell every fault of the configuration, or print what is in force.",
        "keys": "Secret keys that sign links.",
    },
}


class LazyGroup(click.Group):
    """Finds its commands in FAMILIES, and turns errors into exit codes: 2 configuration or use, 1 the rest."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [name for names in FAMILIES.values() for name in names]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = next((module for module, names in FAMILIES.items() if cmd_name in names), None)
        if module is None:
            return None
        command: click.Command = getattr(import_module(module), f"{cmd_name}_command")
        _take_config(command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([line for lines in FAMILIES.values() for line in lines.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for fault in error.message.splitlines():
                click.echo(plain(fault), err=True)
            sys.exit(2)
        except CasebellError as error:
            click.echo(f"casebell: {plain(error.message)}", err=True)
            sys.exit(1)


def _take_config(command: click.Command) -> None:
    """Every command takes --config (interfaces.md, Commands), those too that need no configuration."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _take_config(inner)
    elif not any(option.name == "config" for option in command.params):
        command.params.append(click.Option(["--config"], expose_value=False, **CONFIG))


def version() -> str:
    """The installed version; a checkout that runs in place has none."""
    try:
        return metadata.version("casebell")
    except metadata.PackageNotFoundError:
        return "(checkout)"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="casebell")
def casebell() -> None:
    """Casebell rings when a debt-collection case needs a person: Getbill and Debitura in, Slack and mail out.

    Exit codes: 0 done, 1 the thing asked about is not well, 2 wrong use or wrong configuration.
    """
    from receiver import observability

    os.umask(0o077)  # whatever a command writes may hold debtors' data or secrets
    observability.set_up(level="warning")  # logs on stderr, whatever the command; `serve` sets its own
