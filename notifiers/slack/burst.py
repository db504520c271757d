"""Renders one Slack message for a burst: the alerts above the number that a channel is notified of one by one. Pure.

It counts the open items and lists the most urgent. Each alert is in its thread with its own buttons. An update shows
the present state.
"""

from slack_sdk.models.blocks import Block

from notifiers.i18n.formats import Formats
from notifiers.slack import block_kit, escaping, wire
from notifiers.slack.buttons import formats_for
from notifiers.slack.render import Message, status_emoji
from notifiers.story.amounts import format_at_risk
from notifiers.story.ranking import rank
from notifiers.text import one_line
from receiver.domain.burst import Burst
from receiver.domain.notice import Notice
from receiver.domain.totals import sum_items
from receiver.ports import Translator

MAX_LISTED = 5
MAX_LINE = 200
OPEN_EMOJI, DONE_EMOJI = "⛈️", "✅"


def render(burst: Burst, translator: Translator) -> Message:
    """The message for the present state of the burst."""
    formats = formats_for(Notice(burst.items[0], burst.route, (), (), burst.now))
    n, n_open = len(burst.items), len(burst.open)
    emoji = OPEN_EMOJI if n_open else DONE_EMOJI
    title = f"{emoji} {formats.ngettext('{n} more alert at once', '{n} more alerts at once', n)}"
    totals = sum_items(burst.open, burst.now)
    progress, amount = _progress(n_open, n, formats), format_at_risk(totals, formats)
    summary = " · ".join(filter(None, (progress, _blocking(totals.blocking, formats), amount)))
    label = escaping.cut(formats.gettext("Open the inbox"), block_kit.MAX_LABEL)
    buttons = [block_kit.button(label, label, wire.OPEN, url=burst.inbox_url)]
    inbox = [block_kit.actions(buttons)] if block_kit.is_safe_url(burst.inbox_url) else []
    blocks = [
        block_kit.header(title),
        block_kit.section(summary),
        *_list(burst, translator, formats),
        *inbox,
        *(block_kit.context(note) for note in _notes(burst, formats) if note),
    ]
    text = f"{title}. {progress}{f' ({amount})' if amount else ''}."
    return Message(escaping.escape(escaping.cut(one_line(text), 900)), block_kit.as_json(blocks))


def _progress(n_open: int, n: int, formats: Formats) -> str:
    if n_open == 0:
        return formats.gettext("All of them are decided")
    if n_open == n:
        return formats.ngettext("{n} to decide", "{n} to decide", n)
    return formats.ngettext(
        "{n} of {all} still to decide", "{n} of {all} still to decide", n_open, all=formats.number(n)
    )


def _blocking(n: int, formats: Formats) -> str:
    return formats.ngettext("{n} decision holds up collection", "{n} decisions hold up collection", n) if n else ""


def _list(burst: Burst, translator: Translator, formats: Formats) -> list[Block]:
    lines: list[tuple[str, str | None, str]] = []
    for item in sorted(burst.open, key=rank)[:MAX_LISTED]:
        story = translator.story(Notice(item, burst.route, (), (), burst.now))
        lines.append((escaping.cut(f"{status_emoji(item)} {one_line(story.headline)}", MAX_LINE), None, ""))
    more = len(burst.open) - MAX_LISTED
    if more > 0:
        lines.append((formats.ngettext("and {n} more", "and {n} more", more), None, ""))
    return [block_kit.bullets(lines)] if lines else []


def _notes(burst: Burst, formats: Formats) -> list[str]:
    return [
        formats.gettext("Since {when}", when=formats.moment(burst.began_at)),
        formats.gettext("Each is in the thread below, with its buttons.") if burst.open else "",
        formats.gettext("This may appear twice: Slack did not confirm the first copy.")
        if burst.maybe_duplicate
        else "",
    ]
