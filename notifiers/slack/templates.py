"""The menu of reply templates in the form of a reply, and a template filled in for an item (step 8). Pure."""

import re
from collections.abc import Sequence
from functools import partial

from slack_sdk.models.blocks import ActionsBlock, Block, Option, PlainTextObject, StaticSelectElement

from notifiers.i18n.formats import Formats, zone_of
from notifiers.i18n.translator import Translator, language_of
from notifiers.slack import block_kit, escaping, wire
from notifiers.slack.buttons import voice_of
from notifiers.slack.forms import MAX_INPUT
from notifiers.story.context import StoryContext
from notifiers.text import clean, one_line
from receiver.domain.notice import Notice
from receiver.domain.reply_template import PLACEHOLDERS, ReplyTemplate

TEMPLATE = "template"  # block and action id of the menu
MOST = 100  # options of a menu (contract A1)
MAX_LABEL = 75
MISSING = "…"  # where the source did not say; the person sees it and writes it

_PLACE = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


def menu(templates: Sequence[ReplyTemplate], notice: Notice, words: partial[str]) -> list[Block]:
    """What can be chosen, in the route's language first; no menu where there is no template."""
    if not templates:
        return []
    language = language_of(notice.route.locale)
    ordered = sorted(templates, key=lambda one: language_of(one.locale or notice.route.locale) != language)
    options = [Option(value=one.name, text=_plain(one.name)) for one in ordered[:MOST]]
    asks = _plain(words("Start from a template"))
    select = StaticSelectElement(action_id=TEMPLATE, placeholder=asks, options=options)
    return [ActionsBlock(block_id=TEMPLATE, elements=[select])]


def offered(
    form: block_kit.Drawn,
    templates: Sequence[ReplyTemplate],
    notice: Notice,
    words: partial[str],
    begun: tuple[ReplyTemplate, int] | None,
) -> block_kit.Drawn:
    """The form of a reply with the menu above its text; ``begun``: the template it begins with, and for which time."""
    if not templates:
        return form
    *above, text = form["blocks"]
    if begun:
        element = text["element"] | {"initial_value": escaping.cut(filled(begun[0], notice), MAX_INPUT)}
        text = text | {"block_id": f"{wire.WORDS}.{begun[1]}", "element": element}
    return form | {"blocks": [*above, *block_kit.drawn(menu(templates, notice, words)), text]}


def named(templates: Sequence[ReplyTemplate], name: str | None) -> ReplyTemplate | None:
    return next((one for one in templates if one.name == name), None)


def filled(template: ReplyTemplate, notice: Notice) -> str:
    """The text for this item; what a placeholder stands for is never read for placeholders again."""
    said, route = notice.item.snapshot, notice.route
    voice = voice_of(notice)
    if template.locale:
        voice = Formats(Translator(), language_of(template.locale), zone_of(route.timezone), notice.now)
    values = {
        "reference": said.reference,
        "case_reference": said.case_reference,
        "debtor": StoryContext(notice, voice).debtor,
        "amount": voice.money(said.amount) if said.amount else None,
        "deadline": voice.day(said.deadline_at) if said.deadline_at else None,
    }
    return clean(_PLACE.sub(lambda place: one_line(values[place[1]] or "") or MISSING, template.text))


def _plain(text: str) -> PlainTextObject:
    return PlainTextObject(text=escaping.cut(one_line(text), MAX_LABEL) or "?", emoji=False)
