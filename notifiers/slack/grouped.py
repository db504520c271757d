"""Renders one Slack message for several alerts, sent when quiet hours end. Pure.

It lists the most urgent items. Each alert is then posted in its thread with its own buttons, so the channel is notified
once.
"""

from collections.abc import Sequence

from slack_sdk.models.blocks import RichTextElementParts, RichTextListElement, RichTextSectionElement

from notifiers.slack import block_kit, escaping
from notifiers.slack.buttons import formats_for
from notifiers.slack.render import Message, status_emoji
from notifiers.slack.tables import Entry
from notifiers.story.amounts import format_at_risk
from notifiers.story.ranking import format_quiet_hours_count, rank
from notifiers.text import one_line
from receiver.domain.totals import sum_items

MAX_LISTED = 10
MAX_LINE = 200
EMOJI = "🌙"


def render(entries: Sequence[Entry]) -> Message:
    """The message for at least one notice of one route, with the highest-ranked items first."""
    first = entries[0][0]
    formats = formats_for(first)
    title = f"{EMOJI} {format_quiet_hours_count(len(entries), formats)}"
    amount = format_at_risk(sum_items((notice.item for notice, _ in entries), first.now), formats)
    ranked = sorted(entries, key=lambda entry: rank(entry[0].item))
    lines = [_line(f"{status_emoji(notice.item)} {one_line(story.headline)}") for notice, story in ranked[:MAX_LISTED]]
    if len(entries) > MAX_LISTED:
        lines.append(_line(formats.ngettext("and {n} more", "and {n} more", len(entries) - MAX_LISTED)))
    notes = [
        formats.gettext("Each is in the thread below, with its buttons."),
        formats.gettext("In all: {amount}", amount=amount) if amount else "",
        formats.gettext("This may appear twice: Slack did not confirm the first copy.")
        if first.maybe_duplicate
        else "",
    ]
    blocks = [
        block_kit.header(title),
        block_kit.rich([RichTextListElement(style="bullet", elements=lines)]),
        *(block_kit.context(note) for note in notes if note),
    ]
    text = f"{title}{f' ({amount})' if amount else ''}. {one_line(ranked[0][1].headline)}"
    return Message(escaping.escape(escaping.cut(text, 900)), block_kit.as_json(blocks))


def _line(text: str) -> RichTextSectionElement:
    return RichTextSectionElement(elements=[RichTextElementParts.Text(text=escaping.cut(text, MAX_LINE))])
