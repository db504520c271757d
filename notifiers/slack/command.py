"""Parses the text after ``/casebell`` and renders the answers, which are ephemeral. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from notifiers.i18n.formats import Say
from notifiers.slack import block_kit, escaping
from notifiers.slack.buttons import Gettext
from notifiers.slack.render import Message, render, render_undo_offer
from notifiers.slack.tables import Entry, rows
from notifiers.text import one_line
from receiver.domain.notice import Notice
from receiver.domain.snooze import CHOICES

MAX_REFERENCE = 80
MAX_ROWS = 10
_UNTIL = re.compile(r"\d{4}-\d\d-\d\d|\d{1,3}[a-z]", re.ASCII)  # invalid times too, so that they are reported

Subcommand = Literal["find", "list", "snooze", "help"]


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """``reference``: the whole reference or its beginning. ``until``: a snooze time as ``domain.snooze`` reads it."""

    subcommand: Subcommand
    reference: str = ""
    until: str = ""


def parse(text: str) -> SlashCommand:
    """The command; text that begins with no subcommand is a reference to find."""
    line = one_line(text)[: MAX_REFERENCE + 20]
    first, _, rest = line.partition(" ")
    reference = rest.strip()[:MAX_REFERENCE]
    match first.lower():
        case "list":
            return SlashCommand("list")
        case "find" if reference:
            return SlashCommand("find", reference)
        case "snooze" if reference:
            return _parse_snooze(reference)
        case "" | "help" | "find" | "snooze":
            return SlashCommand("help")
        case _:
            return SlashCommand("find", line[:MAX_REFERENCE])


def _parse_snooze(text: str) -> SlashCommand:
    """A reference may contain spaces, so only a last word that looks like a time is one."""
    reference, _, last = text.rpartition(" ")
    until = last.lower()
    if reference and (until in CHOICES or _UNTIL.fullmatch(until)):
        return SlashCommand("snooze", reference.strip(), until)
    return SlashCommand("snooze", text)


def find_unique(notices: Sequence[Notice], reference: str) -> Notice | None:
    """The only notice, or the only one with exactly this reference."""
    candidates = [notice for notice in notices if has_reference(notice, reference)] or notices
    return candidates[0] if len(candidates) == 1 else None


def has_reference(notice: Notice, reference: str) -> bool:
    """Whether the item has exactly this reference, regardless of case."""
    return (notice.item.snapshot.reference or "").lower() == reference.lower()


def render_help(gettext: Gettext) -> Message:
    """The list of commands."""
    lines = [
        ("/casebell find INV-1", gettext("shows what is about this reference, with its buttons")),
        ("/casebell list", gettext("shows what is yours and what waits longest")),
        ("/casebell snooze INV-1", gettext("asks how long to put it off")),
        (
            "/casebell snooze INV-1 4h",
            gettext("puts it off at once: 1h, 4h, tomorrow, monday or a day such as 2026-04-01"),
        ),
        ("/casebell help", gettext("shows this")),
    ]
    text = "\n".join(f"{usage}: {effect}" for usage, effect in lines)
    bullets = block_kit.bullets([(usage, None, effect) for usage, effect in lines])
    return Message(escaping.escape(text), block_kit.as_json([bullets]))


def render_sentence(sentence: str) -> Message:
    """A message of one sentence."""
    return Message(escaping.escape_mrkdwn(escaping.cut(one_line(sentence), 600)), [])


def render_matches(entries: Sequence[Entry], reference: str, gettext: Gettext, say: Say) -> Message:
    """The full message of a single match, with an undo button while it can be undone; a list of several matches."""
    if not entries:
        return render_sentence(gettext("Nothing here is about {about}.", about=reference))
    if len(entries) > 1:
        title = gettext("{count} are about {about}.", count=len(entries), about=reference)
        return render_list(entries, title, say)
    notice, story = entries[0]
    return render_undo_offer(notice, story, say) if "undo" in notice.verbs else render(notice, story, say)


def render_list(entries: Sequence[Entry], title: str, say: Say) -> Message:
    """A title and at most MAX_ROWS rows."""
    heading = escaping.cut(one_line(title), 300)
    blocks = [block_kit.section(heading), *rows(entries[:MAX_ROWS], say)]
    return Message(escaping.escape(heading), block_kit.as_json(blocks))
