"""``casebell preview``: renders messages, mails and digests offline, from invented data or from a stored item."""

import asyncio
import json
from email.message import EmailMessage
from pathlib import Path

import click

from receiver.cli.options import with_config
from receiver.cli.service import read_store
from receiver.domain.item import Item
from receiver.domain.notice import Notice, Reminder
from receiver.errors import ConfigError
from receiver.samples.items import SAMPLES, sample_item, sample_reminder
from receiver.samples.notice import sample_notice
from receiver.settings import Settings, load
from receiver.store import items


@click.command("preview")
@click.argument("what", type=click.Choice(["slack", "alert", "digest"]))
@click.option(
    "--sample", "kind", type=click.Choice(sorted(SAMPLES)), help="An invented item of this kind or in this state."
)
@click.option("--item", "key", help="A stored item.")
@click.option("--locale", type=click.Choice(["en", "fr", "da", "de"]), default="en", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write files there instead of stdout.")
@with_config
def preview_command(config: Path, what: str, kind: str | None, key: str | None, locale: str, out: Path | None) -> None:
    """Render a Slack message (Block Kit JSON), an alert or a digest (HTML and text) offline."""
    if key and kind:
        raise click.UsageError("give either --sample or --item")
    if what == "digest":
        if key or kind:
            raise click.UsageError("a digest is made of many items; --sample and --item are for slack and alert")
        title, files = f"digest.{locale}", _render_digest(locale)
    else:
        item = _read_item(load(config), key) if key else sample_item(kind or "portal_dispute")
        title = f"{kind or item.kind}.{locale}"
        files = _render(what, sample_notice(item, locale), sample_reminder(kind))
    for name, content in files.items():
        _write_output(content, out, f"{title}.{name}")


def _write_output(content: str, out: Path | None, name: str) -> None:
    """Write ``content`` into a file of the folder ``out``, or to stdout without a folder."""
    if out is None:
        click.echo(content)
        return
    out.mkdir(parents=True, exist_ok=True)
    path = out / name
    path.write_text(content, encoding="utf-8", newline="")
    click.echo(str(path))


def _render_digest(locale: str) -> dict[str, str]:
    """An invented digest as HTML, text and Slack message."""
    from receiver.app import render_mail_digest, render_slack_digest
    from receiver.samples.digest import sample_digest, sample_edition

    edition = sample_edition(sample_digest(locale))
    mail = render_mail_digest(edition)
    message, blocks = render_slack_digest(edition)
    slack = json.dumps({"text": message, "blocks": blocks}, indent=2, ensure_ascii=False)
    return {"html": _body(mail, "html"), "txt": _body(mail, "plain"), "slack.json": slack}


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part else ""


def _render(what: str, notice: Notice, reminder: Reminder | None) -> dict[str, str]:
    from receiver.app import render_mail, render_slack

    if what == "slack":
        text, blocks = render_slack(notice, reminder)
        return {"slack.json": json.dumps({"text": text, "blocks": blocks}, indent=2, ensure_ascii=False)}
    mail = render_mail(notice, reminder)
    return {"html": _body(mail, "html"), "txt": _body(mail, "plain")}


def _read_item(settings: Settings, key: str) -> Item:
    item: Item | None = asyncio.run(read_store(settings, lambda connection: items.find_by_key(connection, key)))
    if item is None:
        raise ConfigError(f"no item has the key {key}; `casebell items` lists them")
    return item
