"""Renders several items as rows of one message or page, each with its buttons. Pure."""

from collections.abc import Sequence
from functools import partial

from slack_sdk.models.blocks import Block

from notifiers.i18n.formats import Say
from notifiers.slack import block_kit, escaping
from notifiers.slack.buttons import buttons, formats_for
from notifiers.slack.render import status_emoji
from notifiers.text import one_line
from receiver.domain.notice import Notice, Story

MAX_LINE = 180
Entry = tuple[Notice, Story]


def rows(entries: Sequence[Entry], say: Say, first: int = 0) -> list[Block]:
    """The rows; ``first`` numbers the first one, as every button of a page needs its own action_id."""
    return [block for number, entry in enumerate(entries, first) for block in _row(*entry, say, number)]


def _row(notice: Notice, story: Story, say: Say, number: int) -> list[Block]:
    gettext = partial(say, notice.route.locale)
    elements = buttons(notice, gettext)
    for element in elements:
        element.action_id = f"{element.action_id}.{number}"
    headline = escaping.cut(f"{status_emoji(notice.item)} {one_line(story.headline)}", MAX_LINE)
    status = one_line(story.status or "") or _waiting_time(notice, gettext)
    return [
        block_kit.section(headline),
        *([block_kit.context(escaping.cut(status, MAX_LINE))] if status else []),
        *([block_kit.actions(elements)] if elements else []),
    ]


def _waiting_time(notice: Notice, gettext: partial[str]) -> str:
    if notice.item.state != "open":
        return ""
    formats, since = formats_for(notice), notice.item.since
    return gettext("Waiting since {moment}", moment=f"{formats.moment(since)} ({formats.age(since)})")
