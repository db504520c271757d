"""Builds the Block Kit elements that Casebell uses, with slack_sdk's classes, which check most limits. Pure.

Text from outside goes only into plain_text objects and rich text elements, where it cannot become a mention, a link or
markup (docs/vendors/slack.md#escaping). ``emoji`` is off, so ":tada:" in a debtor's text stays as written.
"""

import re
from collections.abc import Sequence
from typing import Any

from slack_sdk.models import blocks as kit

from notifiers.slack import escaping
from notifiers.text import one_line
from receiver.domain.notice import Link

MAX_HEADER = 150
MAX_BODY = 2_800  # below Slack's 3,000, for characters that Slack counts differently
MAX_LABEL = 30  # a button allows 75, a confirmation dialog 30
MAX_URL = 1_000  # below Slack's 3,000; Casebell's own links have about 200
# No signed action links: link previews fetch them (docs/vendors/slack.md#messages-and-threads).
LINK_KINDS = ("solution", "twin", "media", "item")

Json = dict[str, Any]
RichTextPart = kit.RichTextSectionElement | kit.RichTextQuoteElement | kit.RichTextListElement
_URL = re.compile(r"https?://[^\s<>\"|\\^`{}\x00-\x20\x7f-\U0010ffff]+", re.ASCII)


def plain(text: str, limit: int) -> kit.PlainTextObject:
    """The text on one line, truncated to ``limit``; never empty."""
    return _plain(escaping.cut(one_line(text), limit) or "?")


def header(text: str) -> kit.Block:
    return kit.HeaderBlock(text=_plain(escaping.cut(text, MAX_HEADER)))


def section(text: str) -> kit.Block:
    return kit.SectionBlock(text=_plain(text))


def fields(texts: Sequence[str]) -> kit.Block:
    return kit.SectionBlock(fields=[_plain(text) for text in texts])


def context(text: str) -> kit.Block:
    return kit.ContextBlock(elements=[_plain(text)])


def actions(elements: Sequence[kit.ButtonElement | kit.OverflowMenuElement]) -> kit.Block:
    return kit.ActionsBlock(elements=list(elements))


def rich(elements: Sequence[RichTextPart]) -> kit.Block:
    return kit.RichTextBlock(elements=list(elements))


def quote(text: str) -> kit.RichTextQuoteElement:
    return kit.RichTextQuoteElement(elements=[_text(text)])


def byline(author: str, moment: str) -> kit.RichTextSectionElement:
    """Author and time of the quote that follows."""
    return kit.RichTextSectionElement(elements=[_text(author, is_bold=True), _text(f"  {moment}")])


def italic(text: str) -> kit.RichTextSectionElement:
    return kit.RichTextSectionElement(elements=[_text(text, is_italic=True)])


def bullets(lines: Sequence[tuple[str, str | None, str]]) -> kit.Block:
    """A bulleted list; each line is (bold text, its URL or None, further text)."""
    items, parts = [], kit.RichTextElementParts
    for title, url, rest in lines:
        style = parts.TextStyle(bold=True)
        head = parts.Text(text=title, style=style) if url is None else parts.Link(url=url, text=title, style=style)
        items.append(kit.RichTextSectionElement(elements=[head, *([_text(f"  {rest}")] if rest else [])]))
    return kit.RichTextBlock(elements=[kit.RichTextListElement(elements=items, style="bullet", indent=0)])


def preformatted(text: str) -> kit.Block:
    """Text in a fixed-width font, unchanged."""
    return kit.RichTextBlock(elements=[kit.RichTextPreformattedElement(elements=[_text(text)], border=0)])


def heading(text: str) -> kit.Block:
    return rich([kit.RichTextSectionElement(elements=[_text(text, is_bold=True)])])


def links(names_and_urls: Sequence[tuple[str, str]]) -> kit.Block:
    """A line of links."""
    elements: list[kit.RichTextElementParts.Text | kit.RichTextElementParts.Link] = []
    for name, url in names_and_urls:
        elements += [_text("   ")] if elements else []
        elements.append(kit.RichTextElementParts.Link(url=url, text=name))
    return rich([kit.RichTextSectionElement(elements=elements)])


def button(label: str, accessibility_label: str, action_id: str, **options: Any) -> kit.ButtonElement:
    """``options``: value, url, style, confirm."""
    spoken = escaping.cut(accessibility_label, 75)
    return kit.ButtonElement(text=_plain(label), accessibility_label=spoken, action_id=action_id, **options)


def confirm(title: str, text: str, yes: str, no: str) -> kit.ConfirmObject:
    return kit.ConfirmObject(
        title=_plain(escaping.cut(title, 100)),
        text=_plain(escaping.cut(text, 300)),
        confirm=_plain(escaping.cut(yes, MAX_LABEL)),
        deny=_plain(escaping.cut(no, MAX_LABEL)),
    )


def overflow(action_id: str, options: Sequence[tuple[str, str]]) -> kit.OverflowMenuElement:
    """A menu of one to five options, each (label, value)."""
    return kit.OverflowMenuElement(
        action_id=action_id, options=[kit.Option(text=_plain(label), value=value) for label, value in options]
    )


def safe_links(links: Sequence[Link], kind: str) -> list[Link]:
    """The links of a kind in LINK_KINDS whose URL is safe."""
    return [link for link in links if link.what == kind and kind in LINK_KINDS and is_safe_url(link.url)]


def is_safe_url(url: str) -> bool:
    """Whether the URL is http or https, of valid characters, and not too long."""
    return len(url) <= MAX_URL and _URL.fullmatch(url) is not None


def as_json(blocks: Sequence[kit.Block]) -> list[Json]:
    """The blocks as JSON. Raises SlackObjectFormationError for a limit that slack_sdk checks."""
    return [block.to_dict() for block in blocks]


def _plain(text: str) -> kit.PlainTextObject:
    return kit.PlainTextObject(text=text, emoji=False)


def _text(text: str, *, is_bold: bool = False, is_italic: bool = False) -> kit.RichTextElementParts.Text:
    style = kit.RichTextElementParts.TextStyle(bold=is_bold or None, italic=is_italic or None)
    return kit.RichTextElementParts.Text(text=text, style=style if is_bold or is_italic else None)
