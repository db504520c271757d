"""Formats a digest in the recipients' language: what mail and Slack both show. Plain text, pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from notifiers.i18n.formats import Formats
from notifiers.i18n.translator import formats_for
from notifiers.story import amounts
from notifiers.story.context import StoryContext
from notifiers.story.digest_charts import AgeChart, FlowChart, build_age_chart, build_flow_chart
from notifiers.story.facts import format_deadline, format_installments
from notifiers.story.headline import format_headline
from notifiers.story.sentences import KINDS
from notifiers.story.status import format_status
from notifiers.text import cut, one_line
from receiver.domain.digest import Digest, Entry, Part, Silence, SourceFigures
from receiver.domain.item import Item
from receiver.domain.notice import Notice, verbs_for
from receiver.domain.refusal import N_
from receiver.domain.routing import Route
from receiver.domain.totals import began_at

MAX_TITLE = 110
MAX_DETAIL = 160
MAX_NOTE = 140  # beside a key figure
MAX_SUBJECT = 115  # characters of title and amounts, without the separator
MAX_ROWS = {  # parts that need a decision get more rows than the others
    "blocking": 12,
    "deadline": 10,
    "review": 10,
    "installments": 8,
    "check_ins": 8,
    "information": 5,
    "resolved": 8,
}

TITLES = {
    "blocking": N_("Collection waits for these"),
    "deadline": N_("Deadlines"),
    "review": N_("To review"),
    "installments": N_("Overdue installments"),
    "check_ins": N_("Hardship check-ins"),
    "information": N_("New, for your information"),
    "resolved": N_("Resolved since the last digest"),
}
FIGURES = {
    "debtor_requests": N_("Debtor requests"),
    "ai_detections": N_("AI detections"),
    "agreements": N_("Agreements"),
    "agreements_overdue": N_("of these overdue"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One item. ``mark`` is "New" or empty; the channel finds its link by ``item_id``."""

    item_id: str
    mark: str
    title: str
    detail: str
    amount: str
    source: str


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the digest. ``tone`` is the part's name; ``more`` counts the items without a row, or is empty."""

    tone: str
    is_to_decide: bool
    title: str
    count: int
    rows: tuple[Row, ...]
    more: str


@dataclass(frozen=True, slots=True)
class DigestText:
    """All texts of a digest; it has no links. A key figure is a label, a figure and a note."""

    locale: str
    date: str
    title: str
    subject: str
    summary: str
    key_figures: tuple[tuple[str, str, str], ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    ages: tuple[AgeChart, ...]
    flow: FlowChart
    sources: tuple[str, ...]
    next_at: str

    @property
    def has_charts(self) -> bool:
        return bool(self.ages) or any(self.flow.totals)


def format_digest(digest: Digest, share: float = 1.0) -> DigestText:
    """The digest with a ``share`` (0 to 1) of the usual rows; each section keeps at least one row."""
    return _DigestFormatter(digest, formats_for(digest.locale, digest.timezone, digest.until)).format(share)


class _DigestFormatter:
    def __init__(self, digest: Digest, formats: Formats) -> None:
        self._digest, self._formats = digest, formats

    def format(self, share: float) -> DigestText:
        digest, formats = self._digest, self._formats
        title = self._format_title()
        at_risk = amounts.format_at_risk(digest.totals, formats, MAX_SUBJECT - len(title))
        return DigestText(
            locale=formats.language,
            date=formats.moment(digest.until),
            title=title,
            subject=f"{title} · {at_risk}" if at_risk else title,
            summary=self._format_summary(),
            key_figures=tuple(self._list_key_figures()),
            warnings=tuple(self._format_silence(silence) for silence in digest.silent),
            sections=tuple(self._build_section(part, share) for part in digest.parts),
            ages=tuple(build_age_chart(currency, formats) for currency in digest.totals.at_risk),
            flow=build_flow_chart(digest.flow, formats),
            sources=tuple(self._format_figures(figures) for figures in digest.figures if figures.counts),
            next_at=self._format_next_at(),
        )

    def _format_title(self) -> str:
        blocking, to_decide = self._digest.totals.blocking, self._digest.totals.to_decide
        if blocking:
            return self._formats.ngettext(
                "{n} decision holds up collection", "{n} decisions hold up collection", blocking
            )
        if to_decide:
            return self._formats.ngettext("{n} decision is waiting", "{n} decisions are waiting", to_decide)
        return self._formats.gettext("Nothing is waiting for a decision")

    def _format_summary(self) -> str:
        formats, digest = self._formats, self._digest
        resolved, snoozed = digest.part("resolved").count, digest.totals.snoozed
        counts = [
            formats.ngettext("{n} to decide", "{n} to decide", digest.totals.to_decide),
            formats.ngettext("{n} new", "{n} new", digest.new) if digest.new else "",
            formats.ngettext("{n} resolved", "{n} resolved", resolved) if resolved else "",
            formats.ngettext("{n} snoozed", "{n} snoozed", snoozed) if snoozed else "",
        ]
        since = formats.gettext("since {moment}", moment=formats.moment(digest.since))
        return f"{', '.join(filter(None, counts))} ({since})"

    def _list_key_figures(self) -> Iterator[tuple[str, str, str]]:
        digest, formats, totals = self._digest, self._formats, self._digest.totals
        if totals.at_risk or totals.unknown:
            amount, note = "–", amounts.format_other_currencies(totals, formats, MAX_NOTE)
            if totals.at_risk:
                claims = sum(at_risk.claims for at_risk in totals.at_risk)
                amount = formats.money(totals.at_risk[0].total)
                note = f"+ {note}" if note else formats.ngettext("{n} claim", "{n} claims", claims)
            yield formats.gettext("Amount at risk"), amount, note
        new = formats.ngettext("{n} new", "{n} new", digest.new)
        yield formats.gettext("To decide"), formats.number(totals.to_decide), new
        if totals.oldest_at:
            days = max((digest.until - totals.oldest_at).days, 0)
            since = formats.gettext("since {moment}", moment=formats.day(totals.oldest_at))
            yield formats.gettext("Oldest"), formats.ngettext("{n} day", "{n} days", days), since
        since = formats.gettext("since {moment}", moment=formats.moment(digest.since))
        yield formats.gettext("Resolved"), formats.number(digest.part("resolved").count), since

    def _build_section(self, part: Part, share: float) -> Section:
        max_rows = max(round(MAX_ROWS[part.name] * share), 1)
        rows = tuple(self._build_row(part, entry) for entry in part.entries[:max_rows])
        left = part.count - len(rows)
        more = self._formats.ngettext("and {n} more", "and {n} more", left) if left else ""
        return Section(part.name, part.is_to_decide, self._formats.gettext(TITLES[part.name]), part.count, rows, more)

    def _build_row(self, part: Part, entry: Entry) -> Row:
        snapshot = entry.item.snapshot
        unpriced = replace(entry.item, snapshot=replace(snapshot, amount=None))  # the amount has its own column
        context = self._context(entry.item, is_masked=entry.is_masked)
        mark = self._formats.gettext("New") if entry.is_new and part.is_to_decide else ""
        return Row(
            item_id=entry.item.id,
            mark=mark,
            title=cut(format_headline(self._context(unpriced, is_masked=entry.is_masked)), MAX_TITLE),
            detail=cut(" · ".join(filter(None, self._list_details(part, context))), MAX_DETAIL),
            amount=self._formats.money(snapshot.amount) if snapshot.amount else "",
            source=context.source,
        )

    def _context(self, item: Item, *, is_masked: bool) -> StoryContext:
        route = Route(self._digest.name, locale=self._digest.locale, mask_debtor=is_masked)
        return StoryContext(Notice(item, route, verbs_for(item), (), self._digest.until), self._formats)

    def _list_details(self, part: Part, context: StoryContext) -> Iterator[str]:
        snapshot, formats = context.snapshot, self._formats
        if part.name == "resolved":
            yield format_status(context) or ""
            return
        if snapshot.source != "debitura" or snapshot.kind not in KINDS:  # Debitura's headlines name the debtor
            yield context.debtor or ""
        if part.name == "installments":
            yield format_installments(context) or ""
            return
        yield self._format_check_in(context)
        if part.name == "check_ins":
            return
        if deadline := format_deadline(context):
            is_ahead = snapshot.deadline_at and snapshot.deadline_at >= formats.now
            yield formats.gettext("due {moment}", moment=deadline) if is_ahead else deadline
        yield formats.gettext("opened {age}", age=formats.age(began_at(context.item)))
        yield format_status(context) or ""

    def _format_check_in(self, context: StoryContext) -> str:
        """The date on which somebody should contact a debtor in hardship; empty for every other kind."""
        if context.snapshot.kind != "hardship":
            return ""
        due, date = context.detail("check_in_due"), context.detail("check_in_date")
        if due and due.flag:
            return self._formats.gettext("check-in due")
        if date is None or date.day is None:
            return ""
        return self._formats.gettext("check-in on {day}", day=self._formats.day(date.day))

    def _format_figures(self, figures: SourceFigures) -> str:
        formats = self._formats
        counts = ", ".join(
            f"{formats.gettext(FIGURES.get(name, name))} {formats.number(n)}" for name, n in figures.counts
        )
        account = one_line(f"{figures.source.capitalize()} {figures.account}")
        title = formats.gettext("{source}, last month", source=account)
        return formats.gettext("{what}: {about}", what=title, about=counts)

    def _format_silence(self, silence: Silence) -> str:
        account = one_line(f"{silence.source.capitalize()} {silence.account}")
        if silence.heard_at is None:
            return self._formats.gettext(
                "No complete sync with {source} yet: its items are missing here.", source=account
            )
        moment = self._formats.moment(silence.heard_at)
        return self._formats.gettext(
            "No complete sync with {source} since {moment}: this may be out of date.", source=account, moment=moment
        )

    def _format_next_at(self) -> str:
        if self._digest.next_at is None:
            return ""
        return self._formats.gettext("Next digest: {moment}", moment=self._formats.moment(self._digest.next_at))
