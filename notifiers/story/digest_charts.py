"""The charts of a digest as figures and labels: open amounts by age, and opened against resolved items. Pure.

Each channel draws the bars itself; a share of 1 is the longest bar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_compact_currency

from notifiers.i18n.formats import Formats
from receiver.domain.digest import Day
from receiver.domain.money import Money
from receiver.domain.refusal import N_
from receiver.domain.totals import AtRisk

DAYS_PER_BAR = 7
AGES = (N_("Under 2 days"), N_("2–7 days"), N_("8–14 days"), N_("15–30 days"), N_("Over 30 days"))


@dataclass(frozen=True, slots=True)
class Bar:
    """Open claims of one age. ``short`` is the amount with two or three digits; ``share`` is from 0 to 1."""

    label: str
    amount: str
    short: str
    claims: int
    share: float


@dataclass(frozen=True, slots=True)
class AgeChart:
    """Open amount by age in one currency."""

    title: str
    bars: tuple[Bar, ...]

    def sentence(self) -> str:
        return f"{self.title}: " + ", ".join(f"{bar.label} {bar.amount} ({bar.claims})" for bar in self.bars)


@dataclass(frozen=True, slots=True)
class FlowChart:
    """Opened against resolved items: (label, opened, resolved) of each day and of each seven days, oldest first."""

    title: str
    opened: str
    resolved: str
    days: tuple[tuple[str, int, int], ...]
    weeks: tuple[tuple[str, int, int], ...]

    @property
    def totals(self) -> tuple[int, int]:
        return sum(opened for _, opened, _ in self.days), sum(resolved for _, _, resolved in self.days)

    def share(self, count: int) -> float:
        """``count`` divided by the highest count of any seven days."""
        return count / max([1, *(max(opened, resolved) for _, opened, resolved in self.weeks)])


def build_age_chart(at_risk: AtRisk, formats: Formats) -> AgeChart:
    longest = max((bucket.amount for bucket in at_risk.buckets), default=Decimal())
    currency = at_risk.total.currency
    label = formats.gettext("Open amount by age")
    bars = [
        Bar(
            formats.gettext(age),
            formats.money(Money(bucket.amount, currency)),
            _format_compact(Money(bucket.amount, currency), formats),
            bucket.claims,
            float(bucket.amount / longest) if longest else 0.0,
        )
        for age, bucket in zip(AGES, at_risk.buckets, strict=False)
    ]
    return AgeChart(f"{label}, {currency}", tuple(bars))


def build_flow_chart(flow: Sequence[Day], formats: Formats) -> FlowChart:
    days = tuple((formats.day(day.day), day.opened, day.resolved) for day in flow)
    ends = range(len(flow), 0, -DAYS_PER_BAR)  # the newest bar has seven days, the oldest has the remainder
    weeks = [flow[max(end - DAYS_PER_BAR, 0) : end] for end in reversed(ends)]
    return FlowChart(
        formats.gettext("Opened and resolved, last 30 days"),
        formats.gettext("opened"),
        formats.gettext("resolved"),
        days,
        tuple(
            (
                formats.days(week[0].day, week[-1].day),
                sum(day.opened for day in week),
                sum(day.resolved for day in week),
            )
            for week in weeks
        ),
    )


def _format_compact(money: Money, formats: Formats) -> str:
    """Short enough for the end of a bar: "€48K"."""
    locale = {"en": "en_GB"}.get(formats.language, formats.language)
    return str(format_compact_currency(money.amount, money.currency or "", locale=locale, fraction_digits=1))
