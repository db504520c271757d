"""The command ``casebell``: parses options, reads the settings, calls what does the work. It has no logic of its own.

A family of commands is one module, imported only when one of its commands is run, so that ``casebell --help`` is fast.
"""

import os
import sys
from importlib import import_module, metadata

import click

from receiver.cli.options import CONFIG
from receiver.cli.output import as_printable
from receiver.errors import CasebellError, ConfigError

FAMILIES: dict[str, dict[str, str]] = {  # module: its commands (functions ``NAME_command``) with their help lines
    "receiver.cli.run": {
        "serve": "Run the service.",
        "demo": "Run the service with the built-in sandbox; needs no credentials.",
        "sandbox": "Run only the sandbox: stand-ins for Getbill, Debitura, Slack and a mail server.",
    },
    "receiver.cli.doctor": {"doctor": "Check that every outside system answers and accepts the credentials."},
    "receiver.cli.items": {"items": "List items.", "item": "Show one item with its history and its deliveries."},
    "receiver.cli.act": {"act": "Decide or change an item, as a button does."},
    "receiver.cli.reconcile": {"reconcile": "Compare with the sources now, and apply what changed."},
    "receiver.cli.deliveries": {"deliveries": "List the outbox.", "retry": "Retry dead deliveries."},
    "receiver.cli.events": {
        "events": "List stored events: webhooks and clicks.",
        "replay": "Process stored events again, without a second alert.",
    },
    "receiver.cli.audit": {"audit": "Print who did what, through which channel, and what the source answered."},
    "receiver.cli.login": {"login": "Print a link that signs a person in to the inbox."},
    "receiver.cli.database": {"db": "Migrate, back up, copy and purge the database."},
    "receiver.cli.digests": {
        "digest": "Show, preview or send a digest outside its schedule.",
        "addresses": "List addresses that get no mail, and why.",
    },
    "receiver.cli.preview": {"preview": "Render a Slack message, a mail or a digest offline."},
    "receiver.cli.slack": {"slack": "Print the manifest of the Slack app."},
    "receiver.cli.configure": {
        "check": "Report every fault of the configuration, or print the settings in force.",
        "keys": "Create secret keys that sign links.",
    },
}


class LazyGroup(click.Group):
    """Finds commands in FAMILIES, and turns errors into exit codes: 2 for use or configuration, 1 for the rest."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [name for names in FAMILIES.values() for name in names]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = next((module for module, names in FAMILIES.items() if cmd_name in names), None)
        if module is None:
            return None
        command: click.Command = getattr(import_module(module), f"{cmd_name}_command")
        _add_config(command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([line for lines in FAMILIES.values() for line in lines.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for fault in error.message.splitlines():
                click.echo(as_printable(fault), err=True)
            sys.exit(2)
        except CasebellError as error:
            click.echo(f"casebell: {as_printable(error.message)}", err=True)
            sys.exit(1)


def _add_config(command: click.Command) -> None:
    """Add ``--config`` also to commands that need no configuration, so that scripts can always pass it."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _add_config(inner)
    elif not any(option.name == "config" for option in command.params):
        command.params.append(click.Option(["--config"], expose_value=False, **CONFIG))


def version() -> str:
    """The installed version; a checkout has none."""
    try:
        return metadata.version("casebell")
    except metadata.PackageNotFoundError:
        return "(checkout)"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="casebell")
def casebell() -> None:
    """Casebell alerts people when a debt-collection case needs a decision.

    Exit codes: 0 success, 1 failure, 2 wrong use or wrong configuration.
    """
    from receiver import observability

    os.umask(0o077)  # files may contain debtors' data or secrets
    observability.configure_logs(level="warning")  # on stderr; `serve` sets its own level
