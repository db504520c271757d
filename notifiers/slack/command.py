"""What is typed after ``/casebell``, and the answers to it, which only who typed sees. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from notifiers.slack import block_kit, escaping
from notifiers.slack.render import Message, Say, offer, render
from notifiers.slack.tables import Told, rows
from notifiers.text import one_line
from receiver.domain.notice import Notice
from receiver.domain.snooze import CHOICES

MAX_REFERENCE = 80
MAX_ROWS = 10
_UNTIL = re.compile(r"\d{4}-\d\d-\d\d|\d{1,3}[a-z]", re.ASCII)  # also what is none, so that it is said to be none

Word = Literal["find", "list", "snooze", "help"]


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """``about``: a reference, or its beginning. ``until``: how long to snooze, as ``domain.snooze`` takes it."""

    word: Word
    about: str = ""
    until: str = ""


def read(typed: str) -> SlashCommand:
    """What was meant; a word that is no command of ours is looked for."""
    line = one_line(typed)[: MAX_REFERENCE + 20]
    first, _, rest = line.partition(" ")
    about = rest.strip()[:MAX_REFERENCE]
    match first.lower():
        case "list":
            return SlashCommand("list")
        case "find" if about:
            return SlashCommand("find", about)
        case "snooze" if about:
            return _snooze(about)
        case "" | "help" | "find" | "snooze":
            return SlashCommand("help")
        case _:
            return SlashCommand("find", line[:MAX_REFERENCE])


def _snooze(typed: str) -> SlashCommand:
    """A reference may have spaces in it; the last word counts as a time if it looks like one."""
    about, _, last = typed.rpartition(" ")
    until = last.lower()
    if about and (until in CHOICES or _UNTIL.fullmatch(until)):
        return SlashCommand("snooze", about.strip(), until)
    return SlashCommand("snooze", typed)


def meant(notices: Sequence[Notice], about: str) -> Notice | None:
    """The only one there is, or the only one with exactly this reference."""
    chosen = [one for one in notices if is_exact(one, about)] or notices
    return chosen[0] if len(chosen) == 1 else None


def is_exact(notice: Notice, about: str) -> bool:
    """Whether this reference was typed whole: nothing is put off at once on the word of its beginning."""
    return (notice.item.snapshot.reference or "").lower() == about.lower()


def help_text(words: partial[str]) -> Message:
    """What can be typed."""
    lines = [
        ("/casebell find INV-1", words("shows what is about this reference, with its buttons")),
        ("/casebell list", words("shows what is yours and what waits longest")),
        ("/casebell snooze INV-1", words("asks how long to put it off")),
        (
            "/casebell snooze INV-1 4h",
            words("puts it off at once: 1h, 4h, tomorrow, monday or a day such as 2026-04-01"),
        ),
        ("/casebell help", words("shows this")),
    ]
    text = "\n".join(f"{typed}: {does}" for typed, does in lines)
    return Message(
        escaping.escape(text), block_kit.drawn([block_kit.bullets([(typed, None, does) for typed, does in lines])])
    )


def said(sentence: str) -> Message:
    """One sentence."""
    return Message(escaping.unstyled(escaping.cut(one_line(sentence), 600)), [])


def found(told: Sequence[Told], about: str, words: partial[str], say: Say) -> Message:
    """The whole message of the one there is, a row for each of several; one just resolved with its way back."""
    if not told:
        return said(words("Nothing here is about {about}.", about=about))
    if len(told) > 1:
        return listed(told, words("{count} are about {about}.", count=len(told), about=about), say)
    notice, story = told[0]
    return offer(notice, story, say) if "undo" in notice.verbs else render(notice, story, say)


def listed(told: Sequence[Told], title: str, say: Say) -> Message:
    """A row for each, under a sentence."""
    heading = escaping.cut(one_line(title), 300)
    return Message(escaping.escape(heading), block_kit.drawn([block_kit.section(heading), *rows(told[:MAX_ROWS], say)]))
