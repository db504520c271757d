"""Renders a digest as one Slack message. Pure.

A digest shows the state at its own time and is never updated. It has no buttons and no action links: those belong to
the message of each item, which shows the present state.
"""

from slack_sdk.models.blocks import Block

from notifiers.slack import block_kit, escaping
from notifiers.slack.render import MAX_MESSAGE, WARNING, Message
from notifiers.story.digest_charts import AgeChart
from notifiers.story.digest_text import Section, format_digest
from receiver.domain.digest import Edition

MAX_TEXT = 1_000
SHARES = (0.7, 0.5, 0.3, 0.1, 0.0)  # of the rows that a mail shows, tried until the message fits
BAR_CELLS = 12
FULL, EMPTY = "█", "░"
SECTION_EMOJI = {
    "blocking": "🛑",
    "deadline": "⏰",
    "review": "🔶",
    "installments": "💶",
    "check_ins": "📅",
    "information": "🔵",
    "resolved": "✅",
}


def render_digest(edition: Edition) -> Message:
    """The message with as many rows as fit."""
    message = _render(edition, SHARES[0])
    for share in SHARES[1:]:
        if _length(message.blocks) <= MAX_MESSAGE:
            break
        message = _render(edition, share)
    return message


def _render(edition: Edition, share: float) -> Message:
    content = format_digest(edition.digest, share)
    figures = [f"{label}: {figure}{f' ({note})' if note else ''}" for label, figure, note in content.key_figures]
    blocks: list[Block] = [
        block_kit.header(f"🔔 {content.title}"),
        block_kit.context(escaping.cut(content.summary, 300)),
        *(block_kit.section(f"{WARNING} {escaping.cut(warning, 300)}") for warning in content.warnings[:5]),
        block_kit.fields([escaping.cut(figure, 200) for figure in figures]),
    ]
    for section in content.sections:
        blocks += _section(section, edition)
    if content.ages:
        blocks.append(block_kit.preformatted(_bar_chart(content.ages[0])))
    opened, resolved = content.flow.totals
    flow = f"{content.flow.title}: {opened} {content.flow.opened}, {resolved} {content.flow.resolved}"
    closing = [flow if opened or resolved else "", *content.sources[:5], content.next_at]
    blocks += [block_kit.context(escaping.cut(line, 300)) for line in closing if line]
    text = escaping.escape(escaping.cut(f"{content.title}. {content.summary}", MAX_TEXT))
    return Message(text, block_kit.as_json(blocks))


def _section(section: Section, edition: Edition) -> list[Block]:
    lines = []
    for row in section.rows:
        title = " ".join(part for part in (row.mark, escaping.cut(row.title, 120)) if part)
        rest = " · ".join(part for part in (row.amount, escaping.cut(row.detail, 160)) if part)
        lines.append((title, _safe_url(edition.source_links.get(row.item_id)), rest))
    if section.more:
        lines.append((section.more, _safe_url(edition.inbox_url), ""))
    return [
        block_kit.heading(f"{SECTION_EMOJI.get(section.tone, '')} {section.title} ({section.count})"),
        block_kit.bullets(lines),
    ]


def _safe_url(url: str | None) -> str | None:
    return url if url and block_kit.is_safe_url(url) else None


def _bar_chart(ages: AgeChart) -> str:
    width = max(len(bar.label) for bar in ages.bars)
    lines = [ages.title]
    for bar in ages.bars:
        full = max(round(bar.share * BAR_CELLS), 1) if bar.share else 0
        lines.append(f"{bar.label:<{width}}  {FULL * full}{EMPTY * (BAR_CELLS - full)}  {bar.short}")
    return "\n".join(lines)


def _length(value: object) -> int:
    """The length of all texts in the JSON of blocks."""
    if isinstance(value, dict):
        text = value.get("text")
        own = escaping.length(text) if isinstance(text, str) else 0
        return own + sum(_length(child) for child in value.values())
    return sum(_length(child) for child in value) if isinstance(value, list) else 0
