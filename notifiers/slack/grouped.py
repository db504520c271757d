"""Step 6 for Slack at the end of quiet hours: one message for all that was held back. Pure.

It lists the worst; each alert stands in the thread below with its own buttons, so that the channel rings once.
"""

from collections.abc import Sequence

from slack_sdk.models.blocks import RichTextElementParts, RichTextListElement, RichTextSectionElement

from notifiers.slack import block_kit, escaping
from notifiers.slack.buttons import voice_of
from notifiers.slack.render import Message, lead_of
from notifiers.story.amounts import format_at_risk
from notifiers.story.ranking import format_quiet_hours_count, rank
from notifiers.text import one_line
from receiver.domain.notice import Notice, Story
from receiver.domain.totals import add_up

MAX_LISTED = 10
MAX_LINE = 200
SIGN = "🌙"


def render(told: Sequence[tuple[Notice, Story]]) -> Message:
    """The message for several notices of one route; what blocks and what is worth most stands first."""
    first = told[0][0]
    voice = voice_of(first)
    title = f"{SIGN} {format_quiet_hours_count(len(told), voice)}"
    at_stake = format_at_risk(add_up((notice.item for notice, _ in told), first.now), voice)
    worst = sorted(told, key=lambda one: rank(one[0].item))
    lines = [_line(f"{lead_of(notice.item)} {one_line(story.headline)}") for notice, story in worst[:MAX_LISTED]]
    if len(told) > MAX_LISTED:
        lines.append(_line(voice.ngettext("and {n} more", "and {n} more", len(told) - MAX_LISTED)))
    below = [
        voice.gettext("Each is in the thread below, with its buttons."),
        voice.gettext("In all: {amount}", amount=at_stake) if at_stake else "",
        voice.gettext("This may appear twice: Slack did not confirm the first copy.") if first.maybe_duplicate else "",
    ]
    blocks = [
        block_kit.header(title),
        block_kit.rich([RichTextListElement(style="bullet", elements=lines)]),
        *(block_kit.context(line) for line in below if line),
    ]
    sentence = f"{title}{f' ({at_stake})' if at_stake else ''}. {one_line(worst[0][1].headline)}"
    return Message(escaping.escape(escaping.cut(sentence, 900)), block_kit.drawn(blocks))


def _line(text: str) -> RichTextSectionElement:
    return RichTextSectionElement(elements=[RichTextElementParts.Text(text=escaping.cut(text, MAX_LINE))])
