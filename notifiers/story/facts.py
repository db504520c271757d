"""The facts of a story: labels and values in the reader's language, most important first. Pure.

The order matters, because a channel with little room shows only the first facts.
"""

from collections.abc import Iterator

from notifiers.i18n.vocabulary import MAX_VALUE, value_of
from notifiers.story.context import StoryContext
from notifiers.story.twins import list_twins
from notifiers.text import humanize
from receiver.domain.item import Detail, Installment
from receiver.domain.refusal import N_

MAX_LABEL = 60
MAX_FACTS = 40

# In the order of reading. A detail without a label follows, under its own humanized name.
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
_VERBATIM = {"admin_notes", "solution_link", "partner", "type_label", "call", "debts", "webhook", "disabled_reason"}
_SHOWN_IN_HEADLINE = frozenset({"type_label", "conflict"})


def list_facts(context: StoryContext) -> Iterator[tuple[str, str]]:
    """Label and value of each fact that the source gave."""
    for label, value in _list_all_facts(context):
        if value:
            yield context.line(label, MAX_LABEL), context.line(value, MAX_VALUE)


def format_deadline(context: StoryContext) -> str | None:
    """Such as "Wed 4 Mar, 10:00 (in 2 days)", or "overdue since Tue 30 Dec, 10:00"; None without a deadline."""
    at = context.snapshot.deadline_at
    if at is None:
        return None
    if at < context.formats.now and context.item.state != "resolved":
        return context.formats.gettext("overdue since {moment}", moment=context.formats.moment(at))
    return context.moment_and_age(at) if context.item.state != "resolved" else context.formats.moment(at)


def format_installments(context: StoryContext) -> str | None:
    """Such as "3 of 6 paid, next 15 Apr €250.00, 1 overdue"."""
    installments, formats = context.snapshot.installments, context.formats
    if not installments:
        return None
    overdue = len(context.overdue_installments())
    upcoming = [one for one in context.unpaid_installments() if one.due_on and one.due_on >= formats.today()]
    paid = sum(one.is_paid for one in installments)
    parts = [
        formats.gettext("{paid} of {total} paid", paid=paid, total=len(installments)),
        _format_next(context, min(upcoming, key=lambda one: one.due_on or formats.today())) if upcoming else "",
        formats.ngettext("{n} overdue", "{n} overdue", overdue) if overdue else "",
    ]
    return ", ".join(part for part in parts if part)


def _list_all_facts(context: StoryContext) -> Iterator[tuple[str, str | None]]:
    snapshot, formats = context.snapshot, context.formats
    if snapshot.sides:  # of a conflict, the two sides come first
        yield from list_twins(context)
    yield formats.gettext("Reference"), context.reference
    yield formats.gettext("Debtor"), context.debtor
    yield formats.gettext("Amount"), formats.money(snapshot.amount) if snapshot.amount else None
    if not snapshot.sides:
        yield from list_twins(context)
    yield formats.gettext("Collection paused"), _format_paused(context)
    yield formats.gettext("Deadline"), format_deadline(context)
    confidence = None if snapshot.confidence is None else formats.percent(snapshot.confidence)
    yield formats.gettext("AI confidence"), confidence
    yield formats.gettext("Theme"), humanize(snapshot.theme) if snapshot.theme else None
    yield formats.gettext("Severity"), value_of(formats, snapshot.severity)
    yield from _case_fact(context)
    yield from _list_details(context)
    yield formats.gettext("Note"), context.item.note if context.item.state != "open" else None  # else in the status


def _format_paused(context: StoryContext) -> str | None:
    """Getbill pauses collection when a debtor makes a request: docs/vendors/getbill.md#todos."""
    snapshot, formats = context.snapshot, context.formats
    if snapshot.is_collection_paused is None or context.item.state == "resolved":
        return None  # the pause lasts until a decision; the source controls what follows
    if not snapshot.is_collection_paused:
        return formats.gettext("No")
    if snapshot.created_at is None:
        return formats.gettext("Yes")
    return formats.gettext("Yes, since {moment}", moment=formats.moment(snapshot.created_at))


def _case_fact(context: StoryContext) -> Iterator[tuple[str, str | None]]:
    is_debitura = context.snapshot.source == "debitura"
    label = context.formats.gettext("Debitura case") if is_debitura else context.formats.gettext("Case")
    if context.case_reference != context.reference:
        yield label, context.case_reference


def _list_details(context: StoryContext) -> Iterator[tuple[str, str | None]]:
    """Labelled details in their order, the installments after their plan, unlabelled details last."""
    order = {name: position for position, name in enumerate(LABELS)}
    after_plan = order["employment_status"]
    known = sorted(context.snapshot.details[:MAX_FACTS], key=lambda detail: order.get(detail.name, len(order)))
    before = [detail for detail in known if order.get(detail.name, len(order)) < after_plan]
    yield from (_format_detail(context, detail) for detail in before)
    yield context.formats.gettext("Installments"), format_installments(context)
    after = [detail for detail in known[len(before) :] if not _is_in_headline(context, detail)]
    yield from (_format_detail(context, detail) for detail in after)


def _is_in_headline(context: StoryContext, detail: Detail) -> bool:
    if detail.name not in _SHOWN_IN_HEADLINE:
        return False
    text = context.line(detail.text, MAX_VALUE)
    return detail.name == "conflict" or text in (context.line(context.snapshot.title, MAX_VALUE), context.type_label())


def _format_detail(context: StoryContext, detail: Detail) -> tuple[str, str | None]:
    label = context.formats.gettext(LABELS[detail.name]) if detail.name in LABELS else humanize(detail.name[:MAX_VALUE])
    return label, _format_value(context, detail)


def _format_value(context: StoryContext, detail: Detail) -> str | None:
    formats = context.formats
    if detail.flag is not None:
        return formats.gettext("Yes") if detail.flag else formats.gettext("No")
    if detail.money is not None:
        return formats.money(detail.money)
    if detail.day is not None:
        return formats.day(detail.day)
    if detail.number is not None:
        return formats.number(detail.number)
    return detail.text if detail.name in _VERBATIM else value_of(formats, detail.text)


def _format_next(context: StoryContext, installment: Installment) -> str:
    formats = context.formats
    day = formats.day(installment.due_on) if installment.due_on else ""
    if installment.amount is None:
        return formats.gettext("next {day}", day=day)
    return formats.gettext("next {day} {amount}", day=day, amount=formats.money(installment.amount))
