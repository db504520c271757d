"""``casebell preview``: what people will see, rendered offline from invented data or from an item of the ledger."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from receiver.cli.ledger import read_store
from receiver.cli.options import with_config
from receiver.cli.samples import SAMPLES, sample
from receiver.domain.item import Item
from receiver.domain.notice import Link, Notice, verbs_for
from receiver.domain.routing import Route
from receiver.errors import ConfigError
from receiver.settings import Settings, load
from receiver.store import items as ledger


@click.command("preview")
@click.argument("what", type=click.Choice(["slack", "alert", "digest"]))
@click.option("--sample", "kind", type=click.Choice(sorted(SAMPLES)), help="An invented item of this kind.")
@click.option("--item", "key", help="An item of the ledger.")
@click.option("--locale", type=click.Choice(["en", "fr", "da", "de"]), default="en", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write files there instead of stdout.")
@with_config
def preview_command(config: Path, what: str, kind: str | None, key: str | None, locale: str, out: Path | None) -> None:
    """Render a Slack message (Block Kit JSON) or an alert mail (HTML and text) offline."""
    if what == "digest":
        raise click.UsageError("digests come with a later version; `slack` and `alert` can be previewed")
    if key and kind:
        raise click.UsageError("say either --sample or --item")
    item = _stored(load(config), key) if key else sample(kind or "portal_dispute")
    for name, content in _rendered(what, _notice(item, locale)).items():
        if out is None:
            click.echo(content)
        else:
            out.mkdir(parents=True, exist_ok=True)
            path = out / f"{item.kind}.{locale}.{name}"
            path.write_text(content)
            click.echo(str(path))


def _rendered(what: str, notice: Notice) -> dict[str, str]:
    from receiver.main import render_mail, render_slack

    if what == "slack":
        text, blocks = render_slack(notice)
        return {"slack.json": json.dumps({"text": text, "blocks": blocks}, indent=2, ensure_ascii=False)}
    html, text = render_mail(notice)
    return {"html": html, "txt": text}


def _notice(item: Item, locale: str) -> Notice:
    route = Route("preview", locale=locale, timezone="Europe/Paris")
    said = item.snapshot
    media = tuple(Link("media", f"https://casebell.example.com/media/{n}", m.name) for n, m in enumerate(said.media))
    solution = (Link("solution", said.solution_url),) if said.solution_url else ()
    decide = Link("decide", "https://casebell.example.com/act/preview")
    return replace(Notice(item, route, verbs_for(item), (), datetime.now(UTC)), links=(decide, *media, *solution))


def _stored(settings: Settings, key: str) -> Item:
    found: Item | None = asyncio.run(read_store(settings, lambda connection: ledger.by_key(connection, key)))
    if found is None:
        raise ConfigError(f"no item has the key {key}; `casebell items` lists them")
    return found
