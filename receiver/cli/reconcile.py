"""``casebell reconcile``: compares with the sources now, in the running service or, without one, in this process."""

import asyncio
from pathlib import Path
from typing import Any

import click

from receiver.cli.options import with_config, with_json
from receiver.cli.output import print_json, print_table, print_warning, progress_bar
from receiver.cli.service import send_to_service
from receiver.errors import ConfigError
from receiver.settings import Settings, load

TRANSITIONS = ("opened", "changed", "resolved", "reopened", "rang")


@click.command("reconcile")
@click.option("--account", help="Only accounts of this name.")
@click.option("--full", is_flag=True, help="Everything since the beginning, not only recent items.")
@with_json
@with_config
def reconcile_command(config: Path, account: str | None, full: bool, as_json: bool) -> None:
    """Compare with the sources now, and apply what changed."""
    with progress_bar("asking the sources"):
        counts = asyncio.run(_reconcile(load(config), account, full))
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


async def _reconcile(settings: Settings, account: str | None, full: bool) -> dict[str, dict[str, Any]]:
    answer = await send_to_service(settings, {"do": "reconcile", "account": account, "full": full})
    if answer is not None:
        return answer
    from receiver.app import open_adapters
    from receiver.sync.reconcile import reconcile_each

    async with open_adapters(settings) as adapters:
        return await reconcile_each(adapters, account, is_full=full)
