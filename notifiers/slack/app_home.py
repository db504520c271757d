"""Renders the app's Home tab: the user's items, those that wait longest, and the figures of the day. Pure."""

from collections.abc import Sequence
from functools import partial

from slack_sdk.models.blocks import Block, DividerBlock

from notifiers.i18n.formats import Formats, Say
from notifiers.i18n.translator import formats_for
from notifiers.slack import block_kit, escaping
from notifiers.slack.tables import Entry, rows
from notifiers.story.amounts import format_at_risk
from receiver.domain.overview import Overview
from receiver.domain.refusal import SENTENCES


def render_home(overview: Overview, mine: Sequence[Entry], waiting: Sequence[Entry], say: Say) -> block_kit.Json:
    """The view; ``mine`` and ``waiting`` are the overview's notices with their stories."""
    route = overview.route
    gettext = partial(say, route.locale)
    formats = formats_for(route.locale, route.timezone, overview.now)
    my_ids = {notice.item.id for notice, _ in mine}
    others = [entry for entry in waiting if entry[0].item.id not in my_ids]
    blocks: list[Block] = [
        block_kit.header(f"🔔 {gettext('Today')}, {formats.day(overview.now)}"),
        block_kit.fields(_figures(overview, gettext, formats)),
        DividerBlock(),
        block_kit.header(gettext("Yours")),
        *(rows(mine, say) or [block_kit.context(gettext("Nothing assigned to you."))]),
        DividerBlock(),
        block_kit.header(gettext("Waiting longest")),
        *(rows(others, say, len(mine)) or [block_kit.context(gettext("No item waits for a decision."))]),
    ]
    more = overview.totals.waiting + overview.totals.snoozed - len(mine) - len(others)
    if more > 0:
        blocks.append(block_kit.context(formats.ngettext("and {n} more", "and {n} more", more)))
    return _view(blocks)


def render_refusal(say: Say, locale: str) -> block_kit.Json:
    """The view for a user who may not see items."""
    sentence = say(locale, SENTENCES["not_allowed"])
    return _view([block_kit.header("🔔 Casebell"), block_kit.section(sentence)])


def _figures(overview: Overview, gettext: partial[str], formats: Formats) -> list[str]:
    figures = (
        (gettext("Open"), formats.number(overview.totals.waiting)),
        (gettext("Blocking"), formats.number(overview.totals.blocking)),
        (gettext("New today"), formats.number(overview.opened_today)),
        (gettext("Resolved today"), formats.number(overview.resolved_today)),
        (gettext("Amount at risk"), format_at_risk(overview.totals, formats)),
    )
    lines = [gettext("{what}: {about}", what=label, about=figure) for label, figure in figures if figure]
    snoozed = overview.totals.snoozed
    lines += [formats.ngettext("{n} snoozed", "{n} snoozed", snoozed)] if snoozed else []
    return [escaping.cut(line, 200) for line in lines]


def _view(blocks: Sequence[Block]) -> block_kit.Json:
    return {"type": "home", "blocks": block_kit.as_json(blocks)}
