"""The menu of reply templates in a reply form, and the text of a template for an item. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import ActionsBlock, Block, Option, StaticSelectElement

from notifiers.i18n.translator import formats_for, language_of
from notifiers.slack import block_kit, escaping, wire
from notifiers.slack.buttons import Gettext
from notifiers.slack.forms import MAX_INPUT
from notifiers.story.context import StoryContext
from notifiers.text import clean, one_line
from receiver.domain.notice import Notice
from receiver.domain.reply_template import PLACEHOLDERS, ReplyTemplate

TEMPLATE = "template"  # block_id and action_id of the menu
MAX_OPTIONS = 100  # docs/vendors/slack.md#limits-of-messages-and-forms
MAX_LABEL = 75
MISSING = "…"  # for a value that the source does not have; the user edits it

_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


@dataclass(frozen=True, slots=True)
class Refill:
    """A chosen template. ``count``: how often a template has been chosen in this form, this time included."""

    template: ReplyTemplate
    count: int


def add_menu(
    form: block_kit.Json,
    templates: Sequence[ReplyTemplate],
    notice: Notice,
    gettext: Gettext,
    refill: Refill | None,
) -> block_kit.Json:
    """The reply form with the menu above its text input; with ``refill``, the text of the chosen template."""
    if not templates:
        return form
    *context, text = form["blocks"]
    if refill:
        element = text["element"] | {"initial_value": escaping.cut(fill_in(refill.template, notice), MAX_INPUT)}
        # Slack keeps the typed text of a block that has the same block_id.
        text = text | {"block_id": f"{wire.TEXT_INPUT}.{refill.count}", "element": element}
    return form | {"blocks": [*context, *block_kit.as_json([_menu(templates, notice, gettext)]), text]}


def find_template(templates: Sequence[ReplyTemplate], name: str | None) -> ReplyTemplate | None:
    """The template with this name."""
    return next((template for template in templates if template.name == name), None)


def fill_in(template: ReplyTemplate, notice: Notice) -> str:
    """The template with the item's values. Values are inserted once, so a value cannot contain a placeholder."""
    snapshot, route = notice.item.snapshot, notice.route
    formats = formats_for(template.locale or route.locale, route.timezone, notice.now)
    values = {
        "reference": snapshot.reference,
        "case_reference": snapshot.case_reference,
        "debtor": StoryContext(notice, formats).debtor,
        "amount": formats.money(snapshot.amount) if snapshot.amount else None,
        "deadline": formats.day(snapshot.deadline_at) if snapshot.deadline_at else None,
    }
    return clean(_PLACEHOLDER.sub(lambda match: one_line(values[match[1]] or "") or MISSING, template.text))


def _menu(templates: Sequence[ReplyTemplate], notice: Notice, gettext: Gettext) -> Block:
    """The templates in the route's language first."""
    language = language_of(notice.route.locale)
    ordered = sorted(templates, key=lambda template: language_of(template.locale or notice.route.locale) != language)
    options = [
        Option(value=template.name, text=block_kit.plain(template.name, MAX_LABEL))
        for template in ordered[:MAX_OPTIONS]
    ]
    placeholder = block_kit.plain(gettext("Start from a template"), MAX_LABEL)
    select = StaticSelectElement(action_id=TEMPLATE, placeholder=placeholder, options=options)
    return ActionsBlock(block_id=TEMPLATE, elements=[select])
