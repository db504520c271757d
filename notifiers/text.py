"""Makes text from outside fit to be shown: removes hidden characters, cuts, masks names. Pure.

It escapes no markup; each channel does that for its own format.
"""

import re
import unicodedata

MAX_INITIALS = 5
MAX_COMBINING = 16

# Controls, bidirectional marks and overrides, zero-width and blank characters, annotations, tags, lone surrogates: with
# them a name or a reference looks different from what it is. Removing zero-width joiners splits some emoji, no words.
_HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_BREAK = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_MANY_BREAKS = re.compile(r"\n(?:[^\S\n]*\n)+")
_BREAK_OR_SPACES = re.compile(r" *\n[ \n]*| {2,}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CODE = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*", re.ASCII)
_INITIAL = re.compile(r"[^\W_][^\s-]*")


def clean(text: str) -> str:
    """The text without hidden characters, with one kind of line break and at most one empty line in a row."""
    visible = _HIDDEN.sub("", _BREAK.sub("\n", text).replace("\t", " "))
    return _MANY_BREAKS.sub("\n\n", visible).strip()


def one_line(text: str) -> str:
    """The cleaned text on one line. No-break spaces stay, because they keep an amount together."""
    return _BREAK_OR_SPACES.sub(" ", clean(text))


def cut(text: str, limit: int, mark: str = "…") -> str:
    """At most ``limit`` characters, ending in ``mark`` where the text was cut; no accent loses its letter."""
    if len(text) <= limit:
        return text
    end = max(limit - len(mark), 0)
    for _ in range(MAX_COMBINING):
        if not end or not _belongs_to_previous(text, end):
            break
        end -= 1
    return f"{text[:end].rstrip()}{mark}" if end else mark[: max(limit, 0)]


def mask(name: str) -> str:
    """The initials of a person or a company: "Jane Roe" becomes "J. R."; "…" when there are none."""
    initials = [name_part[0].upper() for name_part in _INITIAL.findall(clean(name))[:MAX_INITIALS]]
    return " ".join(f"{initial}." for initial in initials) or "…"


def humanize(identifier: str) -> str:
    """An identifier in words: "ReplyToChat" becomes "Reply to chat". Text that is no identifier stays as it is."""
    line = one_line(identifier)
    if not _CODE.fullmatch(line):
        return line
    parts = re.split(r"[\s_-]+", _CAMEL.sub(" ", line))
    words = " ".join(part if part.isupper() and len(part) > 1 else part.lower() for part in parts)
    return words[:1].upper() + words[1:]


def with_full_stop(sentence: str) -> str:
    """The sentence with a full stop, unless it ends with punctuation."""
    return sentence if sentence.endswith((".", "!", "?", "…")) or not sentence else f"{sentence}."


def _belongs_to_previous(text: str, end: int) -> bool:
    """Whether a cut before ``end`` separates an accent from its letter, or splits an emoji or a surrogate pair."""
    following = text[end]
    is_pair = "\ud800" <= text[end - 1] <= "\udbff" and "\udc00" <= following <= "\udfff"
    is_tone = "\U0001f3fb" <= following <= "\U0001f3ff"
    return is_pair or is_tone or following == "\u200d" or unicodedata.category(following).startswith("M")
