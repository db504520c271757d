"""What a link to an item's page shows where somebody posts it (step 6): how it stood at that moment. Pure.

Slack never draws it again, so that it has no buttons, and says as of when it is true.
"""

import re
from functools import partial

from notifiers.slack import block_kit, escaping, wire
from notifiers.slack.buttons import voice_of
from notifiers.slack.render import Say, lead_of
from notifiers.slack.tables import MAX_LINE, Told
from notifiers.text import one_line

MOST_LINKS = 5
ITEMS = "/items/"
_REST = re.compile(r"([\w-]{1,100})/?(?:[?#].*)?", re.ASCII | re.DOTALL)


def items_in(happened: wire.Json, public_url: str) -> dict[str, str]:
    """Item by address, of a ``link_shared`` event; only addresses of ours, and a few."""
    links, found = happened.get("links"), dict[str, str]()
    for link in links if isinstance(links, list) else ():
        url = wire.text(wire.part({"link": link}, "link"), "url") or ""
        page = _REST.fullmatch(url.removeprefix(public_url + ITEMS)) if url.startswith(public_url + ITEMS) else None
        if page and len(found) < MOST_LINKS:
            found[url] = page[1]
    return found


def place_of(happened: wire.Json) -> wire.Json | None:
    """Where the link stands, in the words of ``chat.unfurl``; None when the event does not say."""
    unfurl_id, source = wire.text(happened, "unfurl_id"), wire.text(happened, "source")
    if unfurl_id and source:  # also good for what is not sent yet
        return {"unfurl_id": unfurl_id, "source": source}
    channel, ts = wire.text(happened, "channel"), wire.text(happened, "message_ts")
    return {"channel": channel, "ts": ts} if channel and ts else None


def card(told: Told, say: Say) -> block_kit.Drawn:
    """The preview of one item: what it is, what is asked, how it stands."""
    notice, story = told
    words, voice = partial(say, notice.route.locale), voice_of(notice)
    headline = escaping.cut(f"{lead_of(notice.item)} {one_line(story.headline)}", MAX_LINE)
    status = escaping.cut(one_line(story.status or ""), MAX_LINE)
    below = " · ".join(filter(None, [status, words("As of {moment}", moment=voice.moment(notice.now))]))
    asked = escaping.cut(one_line(story.asked or ""), MAX_LINE) if notice.item.state == "open" else ""
    blocks = [block_kit.section(headline), *([block_kit.section(asked)] if asked else []), block_kit.context(below)]
    return {"blocks": block_kit.drawn(blocks)}
