"""Step 6 for Slack when alerts come in a storm: one message for all above what the channel rings for. Pure.

It counts what is still to be decided and lists the worst of it; each alert stands in the thread below with its own
buttons. Redrawn, it shows how things stand now.
"""

from notifiers.i18n.formats import Formats
from notifiers.slack import block_kit, escaping, wire
from notifiers.slack.buttons import voice_of
from notifiers.slack.render import Message, lead_of
from notifiers.story.amounts import format_at_risk
from notifiers.story.ranking import rank
from notifiers.text import one_line
from receiver.domain.burst import Burst
from receiver.domain.notice import Notice
from receiver.domain.totals import add_up
from receiver.ports import Translator

WORST = 5
MAX_LINE = 200
RAGING, OVER = "⛈️", "✅"


def render(storm: Burst, translator: Translator) -> Message:
    """The message as it is now."""
    voice = voice_of(Notice(storm.items[0], storm.route, (), (), storm.now))
    n, is_open = len(storm.items), storm.open
    lead = RAGING if is_open else OVER
    title = f"{lead} {voice.ngettext('{n} more alert at once', '{n} more alerts at once', n)}"
    totals = add_up(is_open, storm.now)
    standing, at_stake = _standing(len(is_open), n, voice), format_at_risk(totals, voice)
    lines = [_line(notice, translator) for notice in _worst(storm)]
    if len(is_open) > WORST:
        lines.append((voice.ngettext("and {n} more", "and {n} more", len(is_open) - WORST), None, ""))
    label = escaping.cut(voice.gettext("Open the inbox"), block_kit.MAX_LABEL)
    door = (
        [block_kit.button(label, label, wire.OPEN, url=storm.inbox_url)]
        if block_kit.is_openable(storm.inbox_url)
        else []
    )
    notes = [
        voice.gettext("Since {when}", when=voice.moment(storm.began_at)),
        voice.gettext("Each is in the thread below, with its buttons.") if is_open else "",
        voice.gettext("This may appear twice: Slack did not confirm the first copy.") if storm.maybe_duplicate else "",
    ]
    blocks = [
        block_kit.header(title),
        block_kit.section(" · ".join(filter(None, (standing, _urgencies(totals.blocking, voice), at_stake)))),
        *([block_kit.bullets(lines)] if lines else []),
        *([block_kit.actions(door)] if door else []),
        *(block_kit.context(note) for note in notes if note),
    ]
    sentence = f"{title}. {standing}{f' ({at_stake})' if at_stake else ''}."
    return Message(escaping.escape(escaping.cut(one_line(sentence), 900)), block_kit.drawn(blocks))


def _standing(n_open: int, n: int, voice: Formats) -> str:
    if n_open == 0:
        return voice.gettext("All of them are decided")
    if n_open == n:
        return voice.ngettext("{n} to decide", "{n} to decide", n)
    return voice.ngettext("{n} of {all} still to decide", "{n} of {all} still to decide", n_open, all=voice.number(n))


def _urgencies(n: int, voice: Formats) -> str:
    """How many hold up a collection, which is what tells one storm from another at a glance."""
    return voice.ngettext("{n} decision holds up collection", "{n} decisions hold up collection", n) if n else ""


def _worst(storm: Burst) -> list[Notice]:
    worst = sorted(storm.open, key=rank)[:WORST]
    return [Notice(item, storm.route, (), (), storm.now) for item in worst]


def _line(notice: Notice, translator: Translator) -> tuple[str, str | None, str]:
    story = translator.story(notice)
    return escaping.cut(f"{lead_of(notice.item)} {one_line(story.headline)}", MAX_LINE), None, ""
