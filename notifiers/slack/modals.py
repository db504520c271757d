"""Renders the modals that a click opens: forms, their placeholder and their error pages. Pure.

Opening a modal changes no item, and its ``private_metadata`` holds no personal data.
"""

from functools import partial

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from notifiers.i18n.formats import Say
from notifiers.slack import block_kit, escaping, forms, wire
from notifiers.slack.buttons import Gettext, case_label, label_of
from notifiers.slack.render import TextBudget, conversation
from notifiers.text import clean, one_line
from receiver.domain import plan
from receiver.domain.notice import Link, Notice, Story
from receiver.domain.refusal import N_

MAX_TITLE = 24  # of title, submit and close (docs/vendors/slack.md#limits-of-messages-and-forms)
MAX_CONVERSATION = 8
MAX_LINE = 1_500
MAX_CONTEXT = 9_000

# verb -> title and submit button; keys of the translations
_FORMS = {
    "reject": (N_("Reject"), N_("Reject")),
    "reply": (N_("Reply"), N_("Send")),
    "note": (N_("Add a note"), N_("Save")),
    "reopen": (N_("Reopen"), N_("Reopen")),
    "snooze": (N_("Snooze"), N_("Snooze")),
    "assign": (N_("Assign"), N_("Assign")),
    "update_plan": (N_("Change the plan"), N_("Change the plan")),
}

_WITHOUT_QUOTE = frozenset({"snooze", "assign", "note", "update_plan"})


def form(action: wire.ItemAction, notice: Notice, story: Story, say: Say) -> block_kit.Json:
    """The form for a verb that needs input, below what it is about."""
    gettext = partial(say, notice.route.locale)
    title, submit = _FORMS[action.verb]
    if action.verb == "reject":
        title = submit = label_of("reject", notice.item)
    return _view(
        gettext(title),
        [*_context(action, notice, story, gettext), *forms.fields(action.verb, notice, gettext)],
        close=gettext("Cancel"),
        submit=gettext(submit),
        private_metadata=wire.pack_metadata(action, _metadata(notice)),
    )


def loading(gettext: Gettext) -> block_kit.Json:
    """A placeholder that uses the ``trigger_id`` before it expires, while the item is read."""
    sentence = f"⏳ {gettext('The item is being fetched…')}"
    return _view(gettext("One moment"), [block_kit.section(sentence)], close=gettext("Close"))


def unavailable(sentence: str, links: tuple[Link, ...], gettext: Gettext) -> block_kit.Json:
    """Instead of a form, when the action is not possible any more."""
    inbox = [(gettext("Show in Casebell"), link.url) for link in block_kit.safe_links(links, "item")[:1]]
    blocks = [block_kit.section(escaping.cut(one_line(sentence), 500)), *([block_kit.links(inbox)] if inbox else [])]
    return _view(gettext("Not any more"), blocks, close=gettext("Close"))


def load_error(action: wire.ItemAction, sentence: str, gettext: Gettext) -> block_kit.Json:
    """Replaces the placeholder when the item could not be read."""
    blocks = [block_kit.section(escaping.cut(one_line(sentence), 500))]
    return _view(gettext(_FORMS[action.verb][0]), blocks, close=gettext("Close"))


def _metadata(notice: Notice) -> wire.FormMetadata:
    snapshot = notice.item.snapshot
    present = plan.as_input(plan.current_plan(snapshot))
    present_plan = present if present.months else None
    return wire.FormMetadata(notice.route.locale, notice.route.timezone, snapshot.amount, present_plan)


def _context(action: wire.ItemAction, notice: Notice, story: Story, gettext: Gettext) -> list[Block]:
    """The case and, for a decision, the debtor's words; for a reply, the conversation too."""
    if action.verb in _WITHOUT_QUOTE:
        headline = escaping.cut(one_line(story.headline), 300)
        return [block_kit.context(case_label(notice)), *([block_kit.section(headline)] if headline else [])]
    budget = TextBudget(MAX_CONTEXT)
    question = budget.take(clean(story.question or "") or one_line(story.headline), block_kit.MAX_BODY)
    blocks = [block_kit.context(case_label(notice)), *([block_kit.section(question)] if question else [])]
    quote = budget.take(clean(story.quote or ""), block_kit.MAX_BODY)
    if quote:
        blocks.append(block_kit.rich([block_kit.quote(quote)]))
    if action.verb == "reply":
        blocks += conversation(notice.item, story, gettext, budget, max_messages=MAX_CONVERSATION, max_length=MAX_LINE)
    return blocks


def _view(
    title: str, blocks: list[Block], *, close: str, submit: str | None = None, private_metadata: str | None = None
) -> block_kit.Json:
    view: block_kit.Json = View(
        type="modal",
        title=block_kit.plain(title, MAX_TITLE),
        submit=block_kit.plain(submit, MAX_TITLE) if submit else None,
        close=block_kit.plain(close, MAX_TITLE),
        blocks=blocks,
        callback_id=wire.TEXT_INPUT,
        private_metadata=private_metadata,
    ).to_dict()
    return view
