"""Renders a notice as one Slack message. Pure: no clock, no network, no database.

All texts of a message share one length budget (docs/vendors/slack.md#limits-of-messages-and-forms). Buttons and facts
take their part first, so that a very long text from outside is truncated and removes no button.
"""

from dataclasses import dataclass
from functools import partial

from slack_sdk.models.blocks import Block

from notifiers.i18n.formats import Say
from notifiers.slack import block_kit, escaping
from notifiers.slack.buttons import (
    Gettext,
    buttons,
    case_label,
    formats_for,
    link_label,
    source_links,
    source_name,
    undo_buttons,
)
from notifiers.story.sentences import file_name
from notifiers.text import clean, one_line
from receiver.domain.item import Item
from receiver.domain.notice import Notice, Story

MAX_MESSAGE = 10_300  # with the buttons below 12,000; Slack rejects a message above about 13,200
MAX_TEXT = 1_000
MAX_FIELDS = 10
MAX_CONVERSATION = 3
MAX_LINE = 500
MAX_MEDIA = 5
MAX_STATUS = 1_500

URGENCY_EMOJI = {"blocking": "🛑", "review": "🔶", "info": "🔵"}  # shapes differ, for readers who do not see colours
ACTING, RESOLVED, WARNING, PROPOSED, SNOOZED = "⏳", "✅", "⚠️", "👥", "💤"


@dataclass(frozen=True, slots=True)
class Message:
    """``text`` is for notifications and screen readers: never empty, escaped for mrkdwn."""

    text: str
    blocks: list[block_kit.Json]


class TextBudget:
    """What is left of a message's length."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, text: str, limit: int) -> str:
        """The text, truncated to ``limit`` and to the budget, which it reduces."""
        taken = escaping.cut(text, min(limit, self._left))
        self._left -= escaping.length(taken)
        return taken


def render(notice: Notice, story: Story, say: Say) -> Message:
    """The message for a notice, in the language of its route."""
    gettext = partial(say, notice.route.locale)
    budget = TextBudget(MAX_MESSAGE)
    text = _text(notice, story)
    budget.take(text, MAX_TEXT)
    headline = one_line(story.headline).replace(" · ", "\N{NO-BREAK SPACE}· ")  # no line begins with the dot
    header = block_kit.header(budget.take(f"{status_emoji(notice.item)} {headline}", block_kit.MAX_HEADER))
    status = _status(notice.item, story, gettext, budget)
    controls = _controls(notice, story, gettext, budget)
    # A resolved item needs no facts and no quotes.
    body = [] if notice.item.state == "resolved" else _body(notice.item, story, gettext, budget)
    return Message(text, block_kit.as_json([header, *body, *status, *controls]))


def render_undo_offer(notice: Notice, story: Story, say: Say) -> Message:
    """The ephemeral message for the person who decided: the outcome, and an undo button with its time limit."""
    gettext, item = partial(say, notice.route.locale), notice.item
    outcome = escaping.cut(one_line(story.status or ""), 600)
    moment = formats_for(notice).clock(item.undo_until or notice.now)
    until = gettext("It can be undone until {moment}.", moment=moment)
    summary = escaping.cut(f"{RESOLVED} {case_label(notice)}: {outcome}", 900)
    actions = block_kit.actions(undo_buttons(notice, gettext))
    blocks = [block_kit.section(summary), actions, block_kit.context(until)]
    return Message(escaping.escape(f"{summary}. {until}"), block_kit.as_json(blocks))


def render_text_only(notice: Notice, story: Story) -> Message:
    """The notice without blocks, for when Slack rejects them: an alert without buttons is better than none."""
    lines = [_text(notice, story)]
    if story.proposal:
        lines.append(escaping.escape(escaping.cut(one_line(story.proposal), 500)))
    if story.problem:
        lines.append(f"{WARNING} {escaping.escape_mrkdwn(escaping.cut(one_line(story.problem), 500))}")
    lines += [
        f"<{escaping.escape(link.url)}>"
        for kind in ("solution", "twin", "item")
        for link in block_kit.safe_links(notice.links, kind)[:1]
    ]
    return Message("\n".join(lines), [])


def status_emoji(item: Item) -> str:
    """The emoji for state and urgency that begins a headline."""
    if item.proposal:
        return PROPOSED
    if item.snoozed_until:
        return SNOOZED
    if item.state == "open":
        return URGENCY_EMOJI.get(item.snapshot.urgency, URGENCY_EMOJI["review"])
    return ACTING if item.state == "acting" else RESOLVED


def conversation(
    item: Item, story: Story, gettext: Gettext, budget: TextBudget, *, max_messages: int, max_length: int
) -> list[Block]:
    """The newest messages of the conversation, oldest first, and the number of earlier ones."""
    lines = [line for line in story.conversation if clean(line[2])]
    parts: list[block_kit.RichTextPart] = []
    for author, moment, text in reversed(lines[-max_messages:]):  # the newest takes its part of the budget first
        quoted = budget.take(clean(text), max_length)
        if quoted:
            byline = block_kit.byline(budget.take(one_line(author), 80) or "–", budget.take(one_line(moment), 40))
            parts[:0] = [byline, block_kit.quote(quoted)]
    earlier = max(len(lines), len(item.snapshot.conversation)) - len(lines[-max_messages:])
    if earlier and parts:
        parts.insert(0, block_kit.italic(gettext("Earlier messages: {count}", count=earlier)))
    return [block_kit.rich(parts)] if parts else []


def _text(notice: Notice, story: Story) -> str:
    sentence = one_line(story.sentence) or one_line(story.headline) or notice.item.kind
    return f"{status_emoji(notice.item)} {escaping.escape_mrkdwn(escaping.cut(sentence, MAX_TEXT - 10))}"


def _body(item: Item, story: Story, gettext: Gettext, budget: TextBudget) -> list[Block]:
    """Proposal, question, the debtor's words, conversation and facts."""
    proposal = budget.take(clean(story.proposal or ""), 1_200)
    blocks: list[Block] = [block_kit.section(proposal)] if proposal else []
    facts = _facts(story, gettext, budget)
    question = budget.take(clean(story.question or ""), block_kit.MAX_BODY)
    quote = budget.take(clean(story.quote or ""), block_kit.MAX_BODY)
    if question:
        blocks.append(block_kit.section(question))
    if quote:
        blocks.append(block_kit.rich([block_kit.quote(quote)]))
    return [
        *blocks,
        *conversation(item, story, gettext, budget, max_messages=MAX_CONVERSATION, max_length=MAX_LINE),
        *([block_kit.fields(facts)] if facts else []),
    ]


def _facts(story: Story, gettext: Gettext, budget: TextBudget) -> list[str]:
    """One line for each fact, as plain text has no bold labels to separate label and value."""
    facts = []
    for label, value in story.facts[:MAX_FIELDS]:
        name, content = escaping.cut(one_line(label), 60), escaping.cut(one_line(value), 200)
        fact = gettext("{what}: {about}", what=name, about=content) if name and content else name or content
        facts.append(budget.take(fact, 280))
    return [fact for fact in facts if fact]


def _status(item: Item, story: Story, gettext: Gettext, budget: TextBudget) -> list[Block]:
    """The present state, and why the last attempt failed."""
    status = budget.take(one_line(story.status or "") or _default_status(item, gettext), MAX_STATUS)
    problem = budget.take(one_line(story.problem or ""), 600)
    block_of = block_kit.context if item.state == "open" and not item.escalated_at else block_kit.section
    return [
        *([block_of(status)] if status else []),
        *([block_kit.section(f"{WARNING} {problem}")] if problem else []),
    ]


def _controls(notice: Notice, story: Story, gettext: Gettext, budget: TextBudget) -> list[Block]:
    """Links, buttons, the note about a possible duplicate, and the footer."""
    blocks: list[Block] = []
    if links := [(budget.take(name, 60), url) for name, url in _links(notice, gettext)]:
        blocks.append(block_kit.links(links))
    if elements := buttons(notice, gettext):
        blocks.append(block_kit.actions(elements))
    if notice.maybe_duplicate:
        duplicate = gettext("This may appear twice: Slack did not confirm the first copy.")
        blocks.append(block_kit.context(budget.take(duplicate, 300)))
    if footer := budget.take(one_line(story.footer), 300):
        blocks.append(block_kit.context(footer))
    return blocks


def _default_status(item: Item, gettext: Gettext) -> str:
    """A status where the story has none: a message without buttons must say why."""
    if item.state == "acting":
        return gettext("{source} is being asked…", source=source_name(item))
    return gettext("Resolved") if item.state == "resolved" else ""


def _links(notice: Notice, gettext: Gettext) -> list[tuple[str, str]]:
    """Names and URLs: files and the other system while the item is open, afterwards the sources; always the inbox."""
    inbox = [(gettext("Show in Casebell"), link.url) for link in block_kit.safe_links(notice.links, "item")[:1]]
    sources = source_links(notice)
    if notice.item.state == "resolved":
        return [(link_label(notice, link, gettext), link.url) for link in sources] + inbox
    media = block_kit.safe_links(notice.links, "media")[:MAX_MEDIA]
    files = [(f"📎 {file_name(link.name, gettext)}", link.url) for link in media]
    twins = [link for link in block_kit.safe_links(notice.links, "twin")[:1] if link not in sources]
    return files + [(link_label(notice, link, gettext), link.url) for link in twins] + inbox
