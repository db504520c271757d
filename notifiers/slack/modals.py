"""The forms that open on a press (step 8), with what they are about. Pure; opening them changes nothing.

A form holds item, version, verb and where it was opened, no debtor data (contract A6).
"""

from functools import partial
from typing import Any

from slack_sdk.models.blocks import Block, PlainTextObject
from slack_sdk.models.views import View

from notifiers.slack import block_kit, escaping, forms, wire
from notifiers.slack.buttons import LocalSay, label_of, what_of
from notifiers.slack.render import Room, Say, conversation
from notifiers.text import clean, one_line
from receiver.domain import plan
from receiver.domain.notice import Link, Notice, Story
from receiver.domain.refusal import N_

MAX_TITLE = 24  # also of submit and close (contract A1)
LINES_SHOWN = 8
LINE_SHOWN = 1_500
ROOM = 9_000

# verb -> title, button; both are keys of translations.
_FORMS = {
    "reject": (N_("Reject"), N_("Reject")),
    "reply": (N_("Reply"), N_("Send")),
    "note": (N_("Add a note"), N_("Save")),
    "reopen": (N_("Reopen"), N_("Reopen")),
    "snooze": (N_("Snooze"), N_("Snooze")),
    "assign": (N_("Assign"), N_("Assign")),
    "update_plan": (N_("Change the plan"), N_("Change the plan")),
}

_BRIEF = frozenset({"snooze", "assign", "note", "update_plan"})  # these need no second reading of the debtor's words

Drawn = dict[str, Any]


def form(press: wire.Press, notice: Notice, story: Story, say: Say) -> Drawn:
    """The form for a verb that needs more than a press, with what it is about."""
    words = partial(say, notice.route.locale)
    title, submit = _FORMS[press.verb]
    if press.verb == "reject":
        title = submit = label_of("reject", notice.item)
    return _view(
        words(title),
        [*_about(press, notice, story, words), *forms.fields(press.verb, notice, words)],
        close=words("Cancel"),
        submit=words(submit),
        held=wire.pack(press, _held(notice)),
    )


def _held(notice: Notice) -> wire.FormMetadata:
    """What the form must remember until it comes back: no debtor data (contract A6)."""
    said = notice.item.snapshot
    now = plan.as_typed(plan.current(said))
    return wire.FormMetadata(notice.route.locale, notice.route.timezone, said.amount, now if now.months else None)


def loading(words: LocalSay) -> Drawn:
    """Keeps the ticket, which lives three seconds, while the item is fetched (contract C4.7)."""
    return _view(
        words("One moment"), [block_kit.section(f"⏳ {words('The item is being fetched…')}")], close=words("Close")
    )


def sorry(sentence: str, links: tuple[Link, ...], words: LocalSay) -> Drawn:
    """Instead of a form: says why there is nothing to write any more."""
    shown = [(words("Show in Casebell"), link.url) for link in block_kit.openable(links, "item")[:1]]
    blocks = [block_kit.section(escaping.cut(one_line(sentence), 500)), *([block_kit.links(shown)] if shown else [])]
    return _view(words("Not any more"), blocks, close=words("Close"))


def failed(press: wire.Press, sentence: str, words: LocalSay) -> Drawn:
    """In place of a placeholder whose item never came."""
    return _view(
        words(_FORMS[press.verb][0]), [block_kit.section(escaping.cut(one_line(sentence), 500))], close=words("Close")
    )


def _about(press: wire.Press, notice: Notice, story: Story, words: LocalSay) -> list[Block]:
    """What the person answers to: the conversation for a reply, the debtor's words for a decision."""
    if press.verb in _BRIEF:
        headline = escaping.cut(one_line(story.headline), 300)
        return [block_kit.context(what_of(notice)), *([block_kit.section(headline)] if headline else [])]
    room = Room(ROOM)
    asked = room.take(clean(story.asked or "") or one_line(story.headline), block_kit.MAX_BODY)
    blocks = [block_kit.context(what_of(notice)), *([block_kit.section(asked)] if asked else [])]
    quote = room.take(clean(story.quote or ""), block_kit.MAX_BODY)
    if quote:
        blocks.append(block_kit.rich([block_kit.quote(quote)]))
    if press.verb == "reply":
        blocks += conversation(notice.item, story, words, room, LINES_SHOWN, LINE_SHOWN)
    return blocks


def _view(title: str, blocks: list[Block], *, close: str, submit: str | None = None, held: str | None = None) -> Drawn:
    drawn: Drawn = View(
        type="modal",
        title=_plain(title, MAX_TITLE),
        submit=_plain(submit, MAX_TITLE) if submit else None,
        close=_plain(close, MAX_TITLE),
        blocks=blocks,
        callback_id=wire.WORDS,
        private_metadata=held,
    ).to_dict()
    return drawn


def _plain(text: str, most: int) -> PlainTextObject:
    return PlainTextObject(text=escaping.cut(one_line(text), most) or "?", emoji=False)
