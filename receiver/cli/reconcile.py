"""``casebell reconcile``: compares with the sources now, in the running service or, without one, in this process."""

import asyncio
from pathlib import Path

import click

from receiver.cli.options import with_config, with_json
from receiver.cli.output import print_json, print_table, print_warning, progress_bar
from receiver.cli.service import run_command
from receiver.errors import ConfigError
from receiver.settings import load

TRANSITIONS = ("opened", "changed", "resolved", "reopened", "rang")


@click.command("reconcile")
@click.option("--account", help="Only accounts of this name.")
@click.option("--full", is_flag=True, help="Everything since the beginning, not only recent items.")
@with_json
@with_config
def reconcile_command(config: Path, account: str | None, full: bool, as_json: bool) -> None:
    """Compare with the sources now, and apply what changed."""
    with progress_bar("asking the sources"):
        counts = asyncio.run(run_command(load(config), {"do": "reconcile", "account": account, "full": full}))
    if not counts:
        raise ConfigError(f"no account is called {account!r}; `casebell check` shows those that are configured")
    failed = {name: result["error"] for name, result in counts.items() if "error" in result}
    if as_json:
        print_json(counts)
    else:
        answered = {name: result for name, result in counts.items() if name not in failed}
        rows = [(name, *(result[each] for each in TRANSITIONS)) for name, result in answered.items()]
        print_table(("account", *TRANSITIONS), rows, empty="No account answered.")
        for name, why in failed.items():
            print_warning(f"{name}: {why}; none of its items was changed")
    if failed:
        raise click.exceptions.Exit(1)
