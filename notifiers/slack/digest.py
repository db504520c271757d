"""Step 6 for Slack: a digest becomes one message, a pure function of what it is given.

It is never redrawn: it says how things stood when it was made. It has no buttons and no link that decides; those belong
to an item's own message, which shows how things stand now.
"""

from slack_sdk.models.blocks import Block

from notifiers.slack import block_kit, escaping
from notifiers.slack.render import ROOM, WARNING, Message
from notifiers.story.digest_charts import AgeChart
from notifiers.story.digest_text import DigestText, Section, format_digest
from receiver.domain.digest import Edition

MAX_TEXT = 1_000
SHARES = (0.7, 0.5, 0.3, 0.1, 0.0)  # of a mail's rows: a channel is read in passing
CELLS = 12  # of a bar
FULL, EMPTY = "█", "░"
LEADS = {
    "blocking": "🛑",
    "deadline": "⏰",
    "review": "🔶",
    "installments": "💶",
    "check_ins": "📅",
    "information": "🔵",
    "resolved": "✅",
}


def render_digest(edition: Edition) -> Message:
    """The message, with as many rows as there is room for."""
    message = _drawn(edition, SHARES[0])
    for share in SHARES[1:]:
        if _weight(message.blocks) <= ROOM:
            break
        message = _drawn(edition, share)
    return message


def _drawn(edition: Edition, share: float) -> Message:
    told = format_digest(edition.digest, share)
    figures = [f"{label}: {figure}{f' ({beside})' if beside else ''}" for label, figure, beside in told.key_figures]
    blocks: list[Block] = [
        block_kit.header(f"🔔 {told.title}"),
        block_kit.context(escaping.cut(told.summary, 300)),
        *(block_kit.section(f"{WARNING} {escaping.cut(warning, 300)}") for warning in told.warnings[:5]),
        block_kit.fields([escaping.cut(figure, 200) for figure in figures]),
    ]
    for section in told.sections:
        blocks += _section(section, edition)
    if told.ages:
        blocks.append(block_kit.preformatted(_bars(told.ages[0])))
    blocks += [block_kit.context(escaping.cut(line, 300)) for line in _last_lines(told) if line]
    text = escaping.escape(escaping.cut(f"{told.title}. {told.summary}", MAX_TEXT))
    return Message(text, block_kit.drawn(blocks))


def _section(section: Section, edition: Edition) -> list[Block]:
    lines = []
    for row in section.rows:
        first = " ".join(part for part in (row.mark, escaping.cut(row.title, 120)) if part)
        rest = " · ".join(part for part in (row.amount, escaping.cut(row.detail, 160)) if part)
        lines.append((first, _link(edition.source_links.get(row.item_id)), rest))
    if section.more:
        lines.append((section.more, _link(edition.inbox_url), ""))
    return [
        block_kit.heading(f"{LEADS.get(section.tone, '')} {section.title} ({section.count})"),
        block_kit.bullets(lines),
    ]


def _link(url: str | None) -> str | None:
    return url if url and block_kit.is_openable(url) else None


def _bars(ages: AgeChart) -> str:
    widest = max(len(bar.label) for bar in ages.bars)
    lines = [ages.title]
    for bar in ages.bars:
        full = round(bar.share * CELLS) if not bar.share else max(round(bar.share * CELLS), 1)
        lines.append(f"{bar.label:<{widest}}  {FULL * full}{EMPTY * (CELLS - full)}  {bar.short}")
    return "\n".join(lines)


def _last_lines(told: DigestText) -> list[str]:
    opened, resolved = told.flow.totals
    flow = f"{told.flow.title}: {opened} {told.flow.opened}, {resolved} {told.flow.resolved}"
    return [flow if opened or resolved else "", *told.sources[:5], told.next_at]


def _weight(blocks: list[block_kit.Drawn]) -> int:
    """Characters of all texts, the strictest way Slack might count them."""

    def texts(value: object) -> int:
        if isinstance(value, dict):
            own = value.get("text")
            mine = escaping.weight(own) if isinstance(own, str) else 0
            return mine + sum(texts(held) for held in value.values())
        return sum(texts(held) for held in value) if isinstance(value, list) else 0

    return texts(blocks)
