"""Several items in one message or page (step 6): a line or two each, with the verbs of its own message. Pure."""

from collections.abc import Sequence
from functools import partial

from slack_sdk.models.blocks import Block

from notifiers.slack import block_kit, escaping
from notifiers.slack.buttons import buttons, voice_of
from notifiers.slack.render import Say, lead_of
from notifiers.text import one_line
from receiver.domain.notice import Notice, Story

MAX_LINE = 180
Told = tuple[Notice, Story]


def rows(told: Sequence[Told], say: Say, first: int = 0) -> list[Block]:
    """``first``: the number of the first row; numbers tell the buttons of a page apart."""
    return [block for number, one in enumerate(told, first) for block in _row(*one, say, number)]


def _row(notice: Notice, story: Story, say: Say, number: int) -> list[Block]:
    words = partial(say, notice.route.locale)
    voice = voice_of(notice)
    waits = words(
        "Waiting since {moment}", moment=f"{voice.moment(notice.item.since)} ({voice.age(notice.item.since)})"
    )
    below = one_line(story.status or "") or (waits if notice.item.state == "open" else "")
    elements = buttons(notice, words)
    for element in elements:
        element.action_id = f"{element.action_id}.{number}"
    headline = escaping.cut(f"{lead_of(notice.item)} {one_line(story.headline)}", MAX_LINE)
    return [
        block_kit.section(headline),
        *([block_kit.context(escaping.cut(below, MAX_LINE))] if below else []),
        *([block_kit.actions(elements)] if elements else []),
    ]
