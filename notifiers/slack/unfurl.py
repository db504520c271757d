"""Finds links to item pages in posted messages and renders their previews. Pure.

Slack does not update a preview, so it has no buttons and names the time of its content
(docs/vendors/slack.md#home-tab-slash-command-and-link-previews).
"""

import re
from functools import partial

from notifiers.i18n.formats import Say
from notifiers.slack import block_kit, escaping, wire
from notifiers.slack.buttons import formats_for
from notifiers.slack.render import status_emoji
from notifiers.slack.tables import MAX_LINE, Entry
from notifiers.text import one_line

MAX_LINKS = 5
ITEMS = "/items/"
_REST = re.compile(r"([\w-]{1,100})/?(?:[?#].*)?", re.ASCII | re.DOTALL)


def item_links(event: wire.Json, public_url: str) -> dict[str, str]:
    """Item id by URL, for the first MAX_LINKS item pages in a ``link_shared`` event."""
    links, items = event.get("links"), dict[str, str]()
    for link in links if isinstance(links, list) else ():
        url = wire.string_at(wire.object_at(link), "url") or ""
        page = _REST.fullmatch(url.removeprefix(public_url + ITEMS)) if url.startswith(public_url + ITEMS) else None
        if page and len(items) < MAX_LINKS:
            items[url] = page[1]
    return items


def unfurl_target(event: wire.Json) -> wire.Json | None:
    """The arguments that tell ``chat.unfurl`` which message to extend; None when the event has none."""
    unfurl_id, source = wire.string_at(event, "unfurl_id"), wire.string_at(event, "source")
    if unfurl_id and source:  # works for unsent messages too
        return {"unfurl_id": unfurl_id, "source": source}
    channel, ts = wire.string_at(event, "channel"), wire.string_at(event, "message_ts")
    return {"channel": channel, "ts": ts} if channel and ts else None


def render_preview(entry: Entry, say: Say) -> block_kit.Json:
    """The preview of one item: headline, question, status, and the time of all this."""
    notice, story = entry
    gettext, formats = partial(say, notice.route.locale), formats_for(notice)
    headline = escaping.cut(f"{status_emoji(notice.item)} {one_line(story.headline)}", MAX_LINE)
    status = escaping.cut(one_line(story.status or ""), MAX_LINE)
    footer = " · ".join(filter(None, [status, gettext("As of {moment}", moment=formats.moment(notice.now))]))
    question = escaping.cut(one_line(story.question or ""), MAX_LINE) if notice.item.state == "open" else ""
    middle = [block_kit.section(question)] if question else []
    return {"blocks": block_kit.as_json([block_kit.section(headline), *middle, block_kit.context(footer)])}
