"""A digest in a person's language (step 6): what mail and Slack both tell, first things first. Plain text, pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from babel.numbers import format_compact_currency

from notifiers.i18n.formats import Formats, zone_of
from notifiers.i18n.translator import N_, Translator, language_of
from notifiers.story import amounts
from notifiers.story.build import headline, status
from notifiers.story.context import StoryContext
from notifiers.story.facts import deadline, installments
from notifiers.story.sentences import KINDS
from notifiers.text import cut, one_line
from receiver.domain.digest import Digest, Entry, Part, Silence, SourceFigures
from receiver.domain.item import Item
from receiver.domain.money import Money
from receiver.domain.notice import Notice, verbs_for
from receiver.domain.routing import Route
from receiver.domain.totals import AtRisk, began_at

MAX_TITLE = 110
MAX_DETAIL = 160
MOST_BESIDE = 140
DAYS_OF_A_BAR = 7
MOST_SUBJECT = 115  # without what stands between the title and the amounts
MOST_ROWS = {  # what has to be decided gets most of the room
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
AGES = (N_("Under 2 days"), N_("2–7 days"), N_("8–14 days"), N_("15–30 days"), N_("Over 30 days"))
FIGURES = {
    "debtor_requests": N_("Debtor requests"),
    "ai_detections": N_("AI detections"),
    "agreements": N_("Agreements"),
    "agreements_overdue": N_("of these overdue"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One item. ``mark`` is "New" or empty; ``item_id`` finds its link."""

    item_id: str
    mark: str
    title: str
    detail: str
    amount: str
    source: str


@dataclass(frozen=True, slots=True)
class Section:
    """``tone`` is the part's name; ``more`` says how many are not among the rows, or is empty."""

    tone: str
    is_to_decide: bool
    title: str
    count: int
    rows: tuple[Row, ...]
    more: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Open claims of one age; ``share`` of the longest bar, 0 to 1."""

    label: str
    amount: str
    short: str
    claims: int
    share: float


@dataclass(frozen=True, slots=True)
class Ages:
    """Open amount by age in one currency."""

    title: str
    bars: tuple[Bar, ...]

    def sentence(self) -> str:
        return f"{self.title}: " + ", ".join(f"{bar.label} {bar.amount} ({bar.claims})" for bar in self.bars)


@dataclass(frozen=True, slots=True)
class Flow:
    """Opened against resolved: (label, opened, resolved) of each day and of each seven days, oldest first."""

    title: str
    opened: str
    resolved: str
    days: tuple[tuple[str, int, int], ...]
    weeks: tuple[tuple[str, int, int], ...]

    @property
    def totals(self) -> tuple[int, int]:
        return sum(opened for _, opened, _ in self.days), sum(resolved for _, _, resolved in self.days)

    def share(self, count: int) -> float:
        """Of the highest count of any seven days, 0 to 1."""
        return count / max([1, *(max(opened, resolved) for _, opened, resolved in self.weeks)])


@dataclass(frozen=True, slots=True)
class Told:
    """All a channel shows of a digest, but for links. ``key_figures``: label, figure, what belongs to it."""

    locale: str
    date: str
    title: str
    subject: str
    summary: str
    key_figures: tuple[tuple[str, str, str], ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    ages: tuple[Ages, ...]
    flow: Flow
    sources: tuple[str, ...]
    next_at: str

    @property
    def has_charts(self) -> bool:
        return bool(self.ages) or any(self.flow.totals)


def tell(digest: Digest, share: float = 1.0) -> Told:
    """The digest within a ``share`` of the usual rows; one of each part stays."""
    voice = Formats(Translator(), language_of(digest.locale), zone_of(digest.timezone), digest.until)
    return _Telling(digest, voice).told(share)


class _Telling:
    def __init__(self, digest: Digest, voice: Formats) -> None:
        self._digest, self._voice = digest, voice

    def told(self, share: float) -> Told:
        digest, voice = self._digest, self._voice
        title = self._title()
        at_risk = amounts.at_risk(digest.totals, voice, MOST_SUBJECT - len(title))
        return Told(
            locale=voice.language,
            date=voice.moment(digest.until),
            title=title,
            subject=f"{title} · {at_risk}" if at_risk else title,
            summary=self._summary(),
            key_figures=tuple(self._key_figures()),
            warnings=tuple(self._silence(one) for one in digest.silent),
            sections=tuple(self._section(part, share) for part in digest.parts),
            ages=tuple(self._ages(one) for one in digest.totals.at_risk),
            flow=self._flow(),
            sources=tuple(self._figures(one) for one in digest.figures if one.counts),
            next_at=self._next_at(),
        )

    def _title(self) -> str:
        blocking, to_decide = self._digest.totals.blocking, self._digest.totals.to_decide
        if blocking:
            return self._voice.numbered(
                "{n} decision holds up collection", "{n} decisions hold up collection", blocking
            )
        if to_decide:
            return self._voice.numbered("{n} decision is waiting", "{n} decisions are waiting", to_decide)
        return self._voice.words("Nothing is waiting for a decision")

    def _summary(self) -> str:
        voice, digest = self._voice, self._digest
        said = [
            voice.numbered("{n} to decide", "{n} to decide", digest.totals.to_decide),
            voice.numbered("{n} new", "{n} new", digest.new) if digest.new else "",
            self._resolved() if digest.part("resolved").count else "",
            voice.numbered("{n} snoozed", "{n} snoozed", digest.totals.snoozed) if digest.totals.snoozed else "",
        ]
        since = voice.words("since {moment}", moment=voice.moment(digest.since))
        return f"{', '.join(part for part in said if part)} ({since})"

    def _resolved(self) -> str:
        return self._voice.numbered("{n} resolved", "{n} resolved", self._digest.part("resolved").count)

    def _key_figures(self) -> Iterator[tuple[str, str, str]]:
        digest, voice, totals = self._digest, self._voice, self._digest.totals
        if totals.at_risk or totals.unknown:
            first, beside = "–", amounts.beside_the_first(totals, voice, MOST_BESIDE)
            if totals.at_risk:
                claims = voice.numbered("{n} claim", "{n} claims", sum(one.claims for one in totals.at_risk))
                first, beside = voice.money(totals.at_risk[0].total), f"+ {beside}" if beside else claims
            yield voice.words("Amount at risk"), first, beside
        new = voice.numbered("{n} new", "{n} new", digest.new)
        yield voice.words("To decide"), voice.number(totals.to_decide), new
        if totals.oldest_at:
            days = max((digest.until - totals.oldest_at).days, 0)
            since = voice.words("since {moment}", moment=voice.day(totals.oldest_at))
            yield voice.words("Oldest"), voice.numbered("{n} day", "{n} days", days), since
        since = voice.words("since {moment}", moment=voice.moment(digest.since))
        yield voice.words("Resolved"), voice.number(digest.part("resolved").count), since

    def _section(self, part: Part, share: float) -> Section:
        most = max(round(MOST_ROWS[part.name] * share), 1)
        rows = tuple(self._row(part, entry) for entry in part.entries[:most])
        left = part.count - len(rows)
        more = self._voice.numbered("and {n} more", "and {n} more", left) if left else ""
        return Section(part.name, part.is_to_decide, self._voice.words(TITLES[part.name]), part.count, rows, more)

    def _row(self, part: Part, entry: Entry) -> Row:
        said = entry.item.snapshot
        unpriced = replace(entry.item, snapshot=replace(said, amount=None))
        context = self._about(entry.item, is_masked=entry.is_masked)
        mark = self._voice.words("New") if entry.is_new and part.is_to_decide else ""
        return Row(
            item_id=entry.item.id,
            mark=mark,
            title=cut(headline(self._about(unpriced, is_masked=entry.is_masked)), MAX_TITLE),
            detail=cut(" · ".join(part_ for part_ in self._details(part, context) if part_), MAX_DETAIL),
            amount=self._voice.money(said.amount) if said.amount else "",
            source=context.source,
        )

    def _about(self, item: Item, *, is_masked: bool) -> StoryContext:
        route = Route(self._digest.name, locale=self._digest.locale, mask_debtor=is_masked)
        return StoryContext(Notice(item, route, verbs_for(item), (), self._digest.until), self._voice)

    def _details(self, part: Part, context: StoryContext) -> Iterator[str]:
        said, voice = context.snapshot, self._voice
        if part.name == "resolved":
            yield status(context) or ""
            return
        if said.source != "debitura" or said.kind not in KINDS:  # Debitura's headlines name the debtor
            yield context.debtor or ""
        if part.name == "installments":
            yield installments(context) or ""
            return
        yield self._check_in(context)
        if part.name == "check_ins":
            return
        due = deadline(context)
        if due:
            yield voice.words("due {moment}", moment=due) if said.deadline_at and said.deadline_at >= voice.now else due
        yield voice.words("opened {age}", age=voice.age(began_at(context.item)))
        yield status(context) or ""

    def _check_in(self, context: StoryContext) -> str:
        """When somebody should ask how the debtor is doing."""
        if context.snapshot.kind != "hardship":
            return ""
        due, date = context.detail("check_in_due"), context.detail("check_in_date")
        if due and due.flag:
            return self._voice.words("check-in due")
        if date is None or date.day is None:
            return ""
        return self._voice.words("check-in on {day}", day=self._voice.day(date.day))

    def _ages(self, one: AtRisk) -> Ages:
        voice, longest = self._voice, max((bucket.amount for bucket in one.buckets), default=Decimal())
        currency = one.total.currency
        label = voice.words("Open amount by age")
        bars = [
            Bar(
                voice.words(age),
                voice.money(Money(bucket.amount, currency)),
                self._short(Money(bucket.amount, currency)),
                bucket.claims,
                float(bucket.amount / longest) if longest else 0.0,
            )
            for age, bucket in zip(AGES, one.buckets, strict=False)
        ]
        return Ages(f"{label}, {currency}", tuple(bars))

    def _short(self, money: Money) -> str:
        """Short enough to stand beside a bar: "€48K"."""
        locale = {"en": "en_GB"}.get(self._voice.language, self._voice.language)
        return str(format_compact_currency(money.amount, money.currency or "", locale=locale, fraction_digits=1))

    def _flow(self) -> Flow:
        voice, flow = self._voice, self._digest.flow
        days = tuple((voice.day(day.day), day.opened, day.resolved) for day in flow)
        ends = range(len(flow), 0, -DAYS_OF_A_BAR)  # the newest bar has all its days, the oldest what remains
        weeks = [flow[max(end - DAYS_OF_A_BAR, 0) : end] for end in reversed(ends)]
        return Flow(
            voice.words("Opened and resolved, last 30 days"),
            voice.words("opened"),
            voice.words("resolved"),
            days,
            tuple(
                (
                    voice.days(week[0].day, week[-1].day),
                    sum(day.opened for day in week),
                    sum(day.resolved for day in week),
                )
                for week in weeks
            ),
        )

    def _figures(self, one: SourceFigures) -> str:
        voice = self._voice
        counted = [f"{voice.words(FIGURES.get(name, name))} {voice.number(n)}" for name, n in one.counts]
        where = one_line(f"{one.source.capitalize()} {one.account}")
        told = ", ".join(counted)
        return voice.words("{what}: {about}", what=voice.words("{source}, last month", source=where), about=told)

    def _silence(self, one: Silence) -> str:
        where = one_line(f"{one.source.capitalize()} {one.account}")
        if one.heard_at is None:
            return self._voice.words("{source} has never been heard out: what is said here lacks it.", source=where)
        moment = self._voice.moment(one.heard_at)
        return self._voice.words(
            "Nothing heard from {source} since {moment}: this may be out of date.", source=where, moment=moment
        )

    def _next_at(self) -> str:
        if self._digest.next_at is None:
            return ""
        return self._voice.words("Next digest: {moment}", moment=self._voice.moment(self._digest.next_at))
