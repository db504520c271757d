"""The few Block Kit pieces Casebell draws with (step 6), built through slack_sdk's classes, which check most limits.

Words from outside go only into plain_text objects and plain rich text elements: there they can never become a mention,
a link or markup (contract A8). ``emoji`` stays off so that ":tada:" in a debtor's words stays what was written.
"""

import re
from collections.abc import Sequence
from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    HeaderBlock,
    Option,
    OverflowMenuElement,
    PlainTextObject,
    RichTextBlock,
    RichTextElementParts,
    RichTextListElement,
    RichTextPreformattedElement,
    RichTextQuoteElement,
    RichTextSectionElement,
    SectionBlock,
)

from notifiers.slack import escaping
from receiver.domain.notice import Link

MAX_HEADER = 150
MAX_BODY = 2_800  # of 3,000: room for what Slack counts otherwise (contract A1, Consequences)
MAX_LABEL = 30  # of 75; a confirm dialog's buttons take 30
MAX_URL = 1_000  # of 3,000 for a button; our own links are about 200
LINK_KINDS = (
    "solution",
    "twin",
    "media",
    "item",
)  # never a signed action link: link expanders fetch them (contract A6)

Drawn = dict[str, Any]
Part = RichTextSectionElement | RichTextQuoteElement | RichTextListElement
_URL = re.compile(r"https?://[^\s<>\"|\\^`{}\x00-\x20\x7f-\U0010ffff]+", re.ASCII)


def header(text: str) -> Block:
    return HeaderBlock(text=_plain(escaping.cut(text, MAX_HEADER)))


def section(text: str) -> Block:
    return SectionBlock(text=_plain(text))


def fields(pairs: Sequence[str]) -> Block:
    return SectionBlock(fields=[_plain(pair) for pair in pairs])


def context(text: str) -> Block:
    return ContextBlock(elements=[_plain(text)])


def actions(elements: Sequence[ButtonElement | OverflowMenuElement]) -> Block:
    return ActionsBlock(elements=list(elements))


def rich(elements: Sequence[Part]) -> Block:
    return RichTextBlock(elements=list(elements))


def quote(text: str) -> RichTextQuoteElement:
    return RichTextQuoteElement(elements=[_words(text)])


def said(who: str, when: str) -> RichTextSectionElement:
    """Who says the quote that follows, and when."""
    return RichTextSectionElement(elements=[_words(who, is_bold=True), _words(f"  {when}")])


def aside(text: str) -> RichTextSectionElement:
    return RichTextSectionElement(elements=[_words(text, is_italic=True)])


def bullets(lines: Sequence[tuple[str, str | None, str]]) -> Block:
    """A list; each line holds (what stands out, its link if it has one, the rest)."""
    items = []
    for first, url, rest in lines:
        style = RichTextElementParts.TextStyle(bold=True)
        head: RichTextElementParts.Text | RichTextElementParts.Link = RichTextElementParts.Text(text=first, style=style)
        if url is not None:
            head = RichTextElementParts.Link(url=url, text=first, style=style)
        items.append(RichTextSectionElement(elements=[head, *([_words(f"  {rest}")] if rest else [])]))
    return RichTextBlock(elements=[RichTextListElement(elements=items, style="bullet", indent=0)])


def preformatted(text: str) -> Block:
    """Letters of one width, as they stand."""
    return RichTextBlock(elements=[RichTextPreformattedElement(elements=[_words(text)], border=0)])


def heading(text: str) -> Block:
    return rich([RichTextSectionElement(elements=[_words(text, is_bold=True)])])


def links(named: Sequence[tuple[str, str]]) -> Block:
    """A line of named links; ``named`` holds (name, url)."""
    elements: list[RichTextElementParts.Text | RichTextElementParts.Link] = []
    for name, url in named:
        elements += [_words("   ")] if elements else []
        elements.append(RichTextElementParts.Link(url=url, text=name))
    return rich([RichTextSectionElement(elements=elements)])


def button(label: str, aloud: str, action_id: str, **more: Any) -> ButtonElement:
    """``aloud`` is what a screen reader says; ``more``: value, url, style, confirm."""
    return ButtonElement(text=_plain(label), accessibility_label=escaping.cut(aloud, 75), action_id=action_id, **more)


def confirm(title: str, text: str, yes: str, no: str) -> ConfirmObject:
    return ConfirmObject(
        title=_plain(escaping.cut(title, 100)),
        text=_plain(escaping.cut(text, 300)),
        confirm=_plain(escaping.cut(yes, MAX_LABEL)),
        deny=_plain(escaping.cut(no, MAX_LABEL)),
    )


def overflow(action_id: str, options: Sequence[tuple[str, str]]) -> OverflowMenuElement:
    """``options`` holds (label, value), one to five of them."""
    return OverflowMenuElement(
        action_id=action_id, options=[Option(text=_plain(label), value=value) for label, value in options]
    )


def openable(links: Sequence[Link], what: str) -> list[Link]:
    """The links of a kind that a person may be sent to: http and https, of sane length, no signed actions."""
    return [link for link in links if link.what == what and what in LINK_KINDS and is_openable(link.url)]


def is_openable(url: str) -> bool:
    return len(url) <= MAX_URL and _URL.fullmatch(url) is not None


def drawn(blocks: Sequence[Block]) -> list[Drawn]:
    """The blocks as JSON; slack_sdk raises for what breaks a limit it knows."""
    return [block.to_dict() for block in blocks]


def _plain(text: str) -> PlainTextObject:
    return PlainTextObject(text=text, emoji=False)


def _words(text: str, *, is_bold: bool = False, is_italic: bool = False) -> RichTextElementParts.Text:
    style = RichTextElementParts.TextStyle(bold=is_bold or None, italic=is_italic or None)
    return RichTextElementParts.Text(text=text, style=style if is_bold or is_italic else None)
