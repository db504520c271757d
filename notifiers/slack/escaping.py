"""Words on their way to Slack (step 6): measured the strictest way, cut, escaped. Pure.

Slack counts some limits before escaping and some after (contract A1, A8), so everything is measured escaped and in
UTF-16 units, which is never less than what Slack counts.
"""

import re

from receiver.domain.action import utf16_units

# Between letters and figures these style nothing, so that INV_2024_001 stays as it is.
_STYLING = re.compile(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])")
_JOINER = "\N{COMBINING GRAPHEME JOINER}"  # invisible; before a "*" it is one no more (contract A8)
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """What a person typed, without what no database and no JSON reader takes."""
    return _NOT_STORABLE.sub("", text).strip()


def escape(text: str) -> str:
    """Slack's three escapes, in Slack's order; they stop mentions and disguised links (contract A8)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unstyled(text: str) -> str:
    """Escaped, and none of it bold, italic, struck or code; for mrkdwn only, plain_text shows it as it is."""
    return _STYLING.sub(lambda mark: _JOINER + mark[0], escape(text))


def weight(text: str) -> int:
    """UTF-16 units of the escaped text."""
    return utf16_units(escape(text))


def cut(text: str, most: int) -> str:
    """The text within ``most`` by weight, ending in "…" where something is missing."""
    if weight(text) <= most:
        return text
    room = most - 1
    for end, character in enumerate(text):
        room -= weight(character)
        if room < 0:
            return text[:end].rstrip() + "…" if most > 0 else ""
    return text
