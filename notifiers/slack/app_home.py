"""A person's own page in Slack, its Home tab: what is theirs, what waits longest, the day in figures. Pure."""

from collections.abc import Sequence
from functools import partial

from slack_sdk.models.blocks import Block, DividerBlock

from notifiers.i18n.formats import Formats, zone_of
from notifiers.i18n.translator import Translator, language_of
from notifiers.slack import block_kit, escaping
from notifiers.slack.render import Say
from notifiers.slack.tables import Told, rows
from notifiers.story.amounts import format_at_risk
from receiver.domain.overview import Overview
from receiver.domain.refusal import SENTENCES

Drawn = block_kit.Drawn


def home(overview: Overview, mine: Sequence[Told], waiting: Sequence[Told], say: Say) -> Drawn:
    """The page; ``mine`` and ``waiting`` are the overview's notices with their stories."""
    route = overview.route
    words = partial(say, route.locale)
    voice = Formats(Translator(), language_of(route.locale), zone_of(route.timezone), overview.now)
    nobodys = [one for one in waiting if one[0].item.id not in {told[0].item.id for told in mine}]
    blocks: list[Block] = [
        block_kit.header(f"🔔 {words('Today')}, {voice.day(overview.now)}"),
        block_kit.fields(_figures(overview, words, voice)),
        DividerBlock(),
        block_kit.header(words("Yours")),
        *(rows(mine, say) or [block_kit.context(words("Nothing assigned to you."))]),
        DividerBlock(),
        block_kit.header(words("Waiting longest")),
        *(rows(nobodys, say, len(mine)) or [block_kit.context(words("Nothing waits for anybody."))]),
    ]
    left = overview.totals.waiting + overview.totals.snoozed - len(mine) - len(nobodys)
    if left > 0:
        blocks.append(block_kit.context(voice.ngettext("and {n} more", "and {n} more", left)))
    return _view(blocks)


def refused(say: Say, locale: str) -> Drawn:
    """For who may not see any of it."""
    words = partial(say, locale)
    return _view([block_kit.header("🔔 Casebell"), block_kit.section(words(SENTENCES["not_allowed"]))])


def _figures(overview: Overview, words: partial[str], voice: Formats) -> list[str]:
    told = (
        (words("Open"), voice.number(overview.totals.waiting)),
        (words("Blocking"), voice.number(overview.totals.blocking)),
        (words("New today"), voice.number(overview.opened_today)),
        (words("Resolved today"), voice.number(overview.resolved_today)),
        (words("Amount at risk"), format_at_risk(overview.totals, voice)),
    )
    lines = [words("{what}: {about}", what=what, about=about) for what, about in told if about]
    snoozed = overview.totals.snoozed
    lines += [voice.ngettext("{n} snoozed", "{n} snoozed", snoozed)] if snoozed else []
    return [escaping.cut(line, 200) for line in lines]


def _view(blocks: Sequence[Block]) -> Drawn:
    return {"type": "home", "blocks": block_kit.drawn(blocks)}
