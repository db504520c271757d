"""The facts of a story (step 6): label and value, the most telling first, in the reader's language. Pure.

The order is decided here, since a channel with little room shows the first ones.
"""

from collections.abc import Iterator

from notifiers.i18n.vocabulary import MAX_VALUE, value_of
from notifiers.story.context import StoryContext
from notifiers.story.twins import twins
from notifiers.text import pretty
from receiver.domain.item import Detail, Installment

MAX_LABEL = 60
MOST_FACTS = 40


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate this later"
    return message


# Details that have a label here, in the order in which they are read; others follow with their prettified name.
LABELS = {
    "due_day": N_("Due on"),
    "partner": N_("Collection partner"),
    "lifecycle": N_("Stage of the case"),
    "number_of_installments": N_("Installments proposed"),
    "monthly_amount": N_("Monthly amount"),
    "first_payment_amount": N_("First payment"),
    "start_date": N_("Start of the plan"),
    "plan_months": N_("Months of the plan"),
    "plan_start_date": N_("Start of the plan"),
    "employment_status": N_("Employment"),
    "is_temporary": N_("Temporary"),
    "expected_recovery_period": N_("Expected to recover within"),
    "check_in_due": N_("Check-in due"),
    "check_in_date": N_("Next check-in"),
    "objection_type": N_("Kind of objection"),
    "debt_count": N_("Debts covered"),
    "debts": N_("Invoices covered"),
    "debt_status": N_("Status of the debt"),
    "admin_notes": N_("Note at the source"),
    "source": N_("Found by"),
    "call": N_("Call"),
    "webhook": N_("Webhook"),
    "disabled_reason": N_("Reason"),
    "type_label": N_("Type of task"),
    "solution_link": N_("Link, not verified"),
}
_AS_WRITTEN = frozenset(
    {"admin_notes", "solution_link", "partner", "type_label", "call", "debts", "webhook", "disabled_reason"}
)
_TOLD_IN_THE_HEADLINE = frozenset({"type_label", "conflict"})


def facts(context: StoryContext) -> Iterator[tuple[str, str]]:
    """Label and value; nothing for what the source did not say."""
    for label, value in _all_facts(context):
        if value:
            yield context.line(label, MAX_LABEL), context.line(value, MAX_VALUE)


def deadline(context: StoryContext) -> str | None:
    """Such as "Wed 4 Mar, 10:00 (in 2 days)", or since when it is overdue."""
    at = context.snapshot.deadline_at
    if at is None:
        return None
    if at < context.voice.now and context.item.state != "resolved":
        return context.voice.words("overdue since {moment}", moment=context.voice.moment(at))
    return context.moment_and_age(at) if context.item.state != "resolved" else context.voice.moment(at)


def installments(context: StoryContext) -> str | None:
    """Such as "3 of 6 paid, next 15 Apr €250.00, 1 overdue"."""
    parts, voice = context.snapshot.installments, context.voice
    if not parts:
        return None
    overdue = len(context.overdue())
    coming = [part for part in context.unpaid() if part.due_on and part.due_on >= voice.today()]
    told = [
        voice.words("{paid} of {total} paid", paid=sum(part.is_paid for part in parts), total=len(parts)),
        _next(context, min(coming, key=lambda part: part.due_on or voice.today())) if coming else "",
        voice.numbered("{n} overdue", "{n} overdue", overdue) if overdue else "",
    ]
    return ", ".join(part for part in told if part)


def _all_facts(context: StoryContext) -> Iterator[tuple[str, str | None]]:
    said, voice = context.snapshot, context.voice
    if said.sides:  # of a conflict these are what it is about
        yield from twins(context)
    yield voice.words("Reference"), context.reference
    yield voice.words("Debtor"), context.debtor
    yield voice.words("Amount"), voice.money(said.amount) if said.amount else None
    if not said.sides:
        yield from twins(context)
    yield voice.words("Collection paused"), _paused(context)
    yield voice.words("Deadline"), deadline(context)
    yield voice.words("AI confidence"), None if said.confidence is None else voice.percent(said.confidence)
    yield voice.words("Theme"), pretty(said.theme) if said.theme else None
    yield voice.words("Severity"), value_of(voice, said.severity)
    yield from _case(context)
    yield from _details(context)
    yield voice.words("Note"), context.item.note if context.item.state != "open" else None  # else in the status


def _paused(context: StoryContext) -> str | None:
    """Getbill pauses collection when the debtor's request comes in (seed text, Debtor Requests)."""
    said, voice = context.snapshot, context.voice
    if said.is_collection_paused is None or context.item.state == "resolved":
        return None  # until somebody decides; what follows then is the source's affair
    if not said.is_collection_paused:
        return voice.words("No")
    if said.created_at is None:
        return voice.words("Yes")
    return voice.words("Yes, since {moment}", moment=voice.moment(said.created_at))


def _case(context: StoryContext) -> Iterator[tuple[str, str | None]]:
    is_debitura = context.snapshot.source == "debitura"
    label = context.voice.words("Debitura case") if is_debitura else context.voice.words("Case")
    if context.case_reference != context.reference:
        yield label, context.case_reference


def _details(context: StoryContext) -> Iterator[tuple[str, str | None]]:
    """Known names in their order, installments after the plan they belong to, unknown names last."""
    order = {name: place for place, name in enumerate(LABELS)}
    after_plan = order["employment_status"]
    known = sorted(context.snapshot.details[:MOST_FACTS], key=lambda detail: order.get(detail.name, len(order)))
    before = [detail for detail in known if order.get(detail.name, len(order)) < after_plan]
    yield from (_detail(context, detail) for detail in before)
    yield context.voice.words("Installments"), installments(context)
    yield from (_detail(context, detail) for detail in known[len(before) :] if not _is_told_already(context, detail))


def _is_told_already(context: StoryContext, detail: Detail) -> bool:
    if detail.name not in _TOLD_IN_THE_HEADLINE:
        return False
    said = context.line(detail.text, MAX_VALUE)
    return detail.name == "conflict" or said in (context.line(context.snapshot.title, MAX_VALUE), context.label())


def _detail(context: StoryContext, detail: Detail) -> tuple[str, str | None]:
    label = context.voice.words(LABELS[detail.name]) if detail.name in LABELS else pretty(detail.name[:MAX_VALUE])
    return label, _value(context, detail)


def _value(context: StoryContext, detail: Detail) -> str | None:
    voice = context.voice
    if detail.flag is not None:
        return voice.words("Yes") if detail.flag else voice.words("No")
    if detail.money is not None:
        return voice.money(detail.money)
    if detail.day is not None:
        return voice.day(detail.day)
    if detail.number is not None:
        return voice.number(detail.number)
    return detail.text if detail.name in _AS_WRITTEN else value_of(voice, detail.text)


def _next(context: StoryContext, part: Installment) -> str:
    voice = context.voice
    day = voice.day(part.due_on) if part.due_on else ""
    if part.amount is None:
        return voice.words("next {day}", day=day)
    return voice.words("next {day} {amount}", day=day, amount=voice.money(part.amount))
