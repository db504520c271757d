"""Measures, truncates and escapes text for Slack. Pure.

Slack counts some limits before escaping and some after (docs/vendors/slack.md#limits-of-messages-and-forms). Casebell
therefore measures the escaped text in UTF-16 units, which is never less than what Slack counts.
"""

import re

from receiver.domain.action import utf16_units

# Between letters or digits these characters have no effect, so INV_2024_001 stays unchanged.
_STYLING = re.compile(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])")
_JOINER = "\N{COMBINING GRAPHEME JOINER}"  # invisible; disables the character after it
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def strip_unstorable(text: str) -> str:
    """The text without NUL and lone surrogates, which databases and JSON parsers reject."""
    return _NOT_STORABLE.sub("", text).strip()


def escape(text: str) -> str:
    """Slack's three escapes; they disable mentions and disguised links (docs/vendors/slack.md#escaping)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_mrkdwn(text: str) -> str:
    """Escape, and disable bold, italic, strikethrough and code. For mrkdwn only; plain_text needs no escapes."""
    return _STYLING.sub(lambda mark: _JOINER + mark[0], escape(text))


def length(text: str) -> int:
    """UTF-16 units of the escaped text."""
    return utf16_units(escape(text))


def cut(text: str, limit: int) -> str:
    """The text, truncated to ``limit`` by ``length``; a truncated text ends in "…"."""
    if length(text) <= limit:
        return text
    left = limit - 1
    for end, character in enumerate(text):
        left -= length(character)
        if left < 0:
            return text[:end].rstrip() + "…" if limit > 0 else ""
    return text
