"""Step 6 for Slack: a notice becomes one message, a pure function of the item's state and version.

It may not ask for the time, the network or the database. What is most urgent is given room first, so that a debtor's
100,000 characters cost the quote its end and nobody the buttons.
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from slack_sdk.models.blocks import Block

from notifiers.slack import block_kit, escaping
from notifiers.slack.buttons import (
    LocalSay,
    buttons,
    doors,
    open_label,
    source_name,
    taking_back,
    voice_of,
    what_of,
)
from notifiers.story.sentences import file_name
from notifiers.text import clean, one_line
from receiver.domain.item import Item
from receiver.domain.notice import Notice, Story

# Slack refuses a message somewhere above 13,200 characters (contract A1). These and the buttons stay below 12,000.
ROOM = 10_300
MAX_TEXT = 1_000
MAX_FIELDS = 10
MAX_LINES_SHOWN = 3
MAX_LINE = 500
MAX_MEDIA = 5
MAX_STATUS = 1_500

LEADS = {"blocking": "🛑", "review": "🔶", "info": "🔵"}  # shapes differ too: colours are not seen by everybody
ACTING, RESOLVED, WARNING, PROPOSED, SNOOZED = "⏳", "✅", "⚠️", "👥", "💤"


class Say(Protocol):
    """``ports.Translator.say``."""

    def __call__(self, locale: str, message: str, **values: object) -> str: ...


@dataclass(frozen=True, slots=True)
class Message:
    """``text`` is what notifications show and screen readers read: never empty, one line, escaped."""

    text: str
    blocks: list[block_kit.Drawn]


class Room:
    """What is left of a message's length."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, text: str, most: int) -> str:
        """As much of the text as there is room for, and no longer than ``most``."""
        taken = escaping.cut(text, min(most, self._left))
        self._left -= escaping.weight(taken)
        return taken


def render(notice: Notice, story: Story, say: Say) -> Message:
    """The message for a notice; ``say`` is the teller's, spoken in the route's language."""
    words = partial(say, notice.route.locale)
    room = Room(ROOM)
    text = _text(notice, story)
    room.take(text, MAX_TEXT)
    headline = one_line(story.headline).replace(" · ", "\N{NO-BREAK SPACE}· ")  # no line begins with the dot
    header = block_kit.header(room.take(f"{lead_of(notice.item)} {headline}", block_kit.MAX_HEADER))
    status = _status(notice.item, story, words, room)
    bottom = _bottom(notice, story, words, room)
    # What is done takes little room and repeats nobody's words.
    middle = [] if notice.item.state == "resolved" else _open(notice.item, story, words, room)
    return Message(text, block_kit.drawn([header, *middle, *status, *bottom]))


def offer(notice: Notice, story: Story, say: Say) -> Message:
    """What only the person who decided sees: what came of it, and the way back for as long as there is one."""
    words, item = partial(say, notice.route.locale), notice.item
    done = escaping.cut(one_line(story.status or ""), 600)
    until = words("It can be undone until {moment}.", moment=voice_of(notice).clock(item.undo_until or notice.now))
    about = escaping.cut(f"{RESOLVED} {what_of(notice)}: {done}", 900)
    blocks = [block_kit.section(about), block_kit.actions(taking_back(notice, words)), block_kit.context(until)]
    return Message(escaping.escape(f"{about}. {until}"), block_kit.drawn(blocks))


def minimal(notice: Notice, story: Story) -> Message:
    """The same without blocks, for when Slack refuses them: an alert without buttons beats no alert (contract C4.9)."""
    told = [_text(notice, story)]
    if story.proposal:
        told.append(escaping.escape(escaping.cut(one_line(story.proposal), 500)))
    if story.problem:
        told.append(f"{WARNING} {escaping.unstyled(escaping.cut(one_line(story.problem), 500))}")
    told += [
        f"<{escaping.escape(link.url)}>"
        for what in ("solution", "twin", "item")
        for link in block_kit.openable(notice.links, what)[:1]
    ]
    return Message("\n".join(told), [])


def lead_of(item: Item) -> str:
    """The sign that tells state and urgency at a glance."""
    if item.proposal:
        return PROPOSED
    if item.snoozed_until:
        return SNOOZED
    if item.state == "open":
        return LEADS.get(item.snapshot.urgency, LEADS["review"])
    return ACTING if item.state == "acting" else RESOLVED


def _text(notice: Notice, story: Story) -> str:
    sentence = one_line(story.sentence) or one_line(story.headline) or notice.item.kind
    return f"{lead_of(notice.item)} {escaping.unstyled(escaping.cut(sentence, MAX_TEXT - 10))}"


def _open(item: Item, story: Story, words: LocalSay, room: Room) -> list[Block]:
    """What is asked, the facts, the debtor's own words and the conversation; facts get their room first."""
    proposal = room.take(clean(story.proposal or ""), 1_200)
    blocks: list[Block] = [block_kit.section(proposal)] if proposal else []
    facts = _facts(story, words, room)
    asked = room.take(clean(story.asked or ""), block_kit.MAX_BODY)
    quote = room.take(clean(story.quote or ""), block_kit.MAX_BODY)
    if asked:
        blocks.append(block_kit.section(asked))
    if quote:
        blocks.append(block_kit.rich([block_kit.quote(quote)]))
    return [
        *blocks,
        *conversation(item, story, words, room, MAX_LINES_SHOWN, MAX_LINE),
        *([block_kit.fields(facts)] if facts else []),
    ]


def _facts(story: Story, words: LocalSay, room: Room) -> list[str]:
    """One line each: without bold labels, which plain text has none of, two lines would read as one list of words."""
    facts = []
    for label, value in story.facts[:MAX_FIELDS]:
        name, shown = escaping.cut(one_line(label), 60), escaping.cut(one_line(value), 200)
        fact = words("{what}: {about}", what=name, about=shown) if name and shown else name or shown
        facts.append(room.take(fact, 280))
    return [fact for fact in facts if fact]


def conversation(item: Item, story: Story, words: LocalSay, room: Room, most: int, most_each: int) -> list[Block]:
    """The newest ``most`` messages, oldest first, each within ``most_each``, and a word about those left out."""
    lines = [line for line in story.conversation if clean(line[2])]
    parts: list[block_kit.Part] = []
    for who, when, text in reversed(lines[-most:]):  # the newest gets its room first
        quoted = room.take(clean(text), most_each)
        if quoted:
            heading = block_kit.said(room.take(one_line(who), 80) or "–", room.take(one_line(when), 40))
            parts[:0] = [heading, block_kit.quote(quoted)]
    earlier = max(len(lines), len(item.snapshot.conversation)) - len(lines[-most:])
    if earlier and parts:
        parts.insert(0, block_kit.aside(words("Earlier messages: {count}", count=earlier)))
    return [block_kit.rich(parts)] if parts else []


def _status(item: Item, story: Story, words: LocalSay, room: Room) -> list[Block]:
    """What is going on, and why the last attempt came back."""
    status = room.take(one_line(story.status or "") or _plain_status(item, words), MAX_STATUS)
    problem = room.take(one_line(story.problem or ""), 600)
    drawn = block_kit.context if item.state == "open" and not item.escalated_at else block_kit.section
    return [
        *([drawn(status)] if status else []),
        *([block_kit.section(f"{WARNING} {problem}")] if problem else []),
    ]


def _bottom(notice: Notice, story: Story, words: LocalSay, room: Room) -> list[Block]:
    """Evidence, buttons and footer; they get their room before anybody's words."""
    blocks: list[Block] = []
    if named := [(room.take(name, 60), url) for name, url in _named_links(notice, words)]:
        blocks.append(block_kit.links(named))
    if elements := buttons(notice, words):
        blocks.append(block_kit.actions(elements))
    if notice.maybe_duplicate:
        again = words("This may appear twice: Slack did not confirm the first copy.")
        blocks.append(block_kit.context(room.take(again, 300)))
    if footer := room.take(one_line(story.footer), 300):
        blocks.append(block_kit.context(footer))
    return blocks


def _plain_status(item: Item, words: LocalSay) -> str:
    """What to say when the story says nothing of it: a message without buttons must say why."""
    if item.state == "acting":
        return words("{source} is being asked…", source=source_name(item))
    return words("Resolved") if item.state == "resolved" else ""


def _named_links(notice: Notice, words: LocalSay) -> list[tuple[str, str]]:
    """Recordings and proofs while there is something to decide, then only the ways to look it up."""
    item = [(words("Show in Casebell"), link.url) for link in block_kit.openable(notice.links, "item")[:1]]
    if notice.item.state == "resolved":
        return [(open_label(notice, link, words), link.url) for link in doors(notice)] + item
    media = block_kit.openable(notice.links, "media")[:MAX_MEDIA]
    files = [(f"📎 {file_name(link.name, words)}", link.url) for link in media]
    twins = [link for link in block_kit.openable(notice.links, "twin")[:1] if link not in doors(notice)]
    return files + [(open_label(notice, link, words), link.url) for link in twins] + item
