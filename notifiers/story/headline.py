"""The headline of an alert: kind, subject, debtor, reference and amount in one line. Pure.

The subject is what distinguishes an item from others of its kind, such as a dispute's reason or a plan's installments.
"""

from notifiers.i18n.vocabulary import value_of
from notifiers.story.context import StoryContext
from notifiers.story.sentences import CONFLICT_HEADLINES, CONFLICTS, KINDS, UNKNOWN, Sentences
from notifiers.story.twins import source_name
from notifiers.text import cut

MAX_HEADLINE = 140
MAX_PART = 40  # debtor or reference in a headline
MAX_COLON = 4  # characters of a colon and its spaces, in any language


def format_headline(context: StoryContext) -> str:
    """Such as "Dispute: Payment Already Made · INV-2024-001 · €1,500.00"; a long subject is cut, the amount is not."""
    snapshot, formats = context.snapshot, context.formats
    kind = formats.gettext(sentences_of(context).title, source=context.source)
    parts = [
        cut(context.debtor or "", MAX_PART) if snapshot.source == "debitura" else "",
        cut(context.reference or context.case_reference or "", MAX_PART),
        formats.money(snapshot.amount) if snapshot.amount else "",
    ]
    tail = "".join(f" · {part}" for part in parts if part)
    subject = cut(format_subject(context), MAX_HEADLINE - len(tail) - len(kind) - MAX_COLON)
    head = formats.gettext("{what}: {about}", what=kind, about=subject) if subject else kind
    return cut(f"{head}{tail}", MAX_HEADLINE)


def sentences_of(context: StoryContext) -> Sentences:
    """The sentences of the item's kind; of a conflict, those of its reason."""
    if context.snapshot.sides:
        return CONFLICTS.get(_conflict_reason(context), UNKNOWN)
    return KINDS.get(context.snapshot.kind, UNKNOWN)


def conflict_sides(context: StoryContext) -> dict[str, str]:
    """The names of the two systems of a conflict; ``one`` is the system that raises it."""
    return dict(zip(("one", "other"), map(source_name, context.snapshot.sides), strict=False))


def format_subject(context: StoryContext) -> str:
    """What distinguishes this item from others of its kind; empty when nothing does."""
    snapshot, title = context.snapshot, _short_title(context)
    match snapshot.kind:
        case "payment_plan":
            return _format_plan(context) or title
        case "agreement":
            return _format_agreement(context) or title
        case "hardship":
            detail = context.detail("employment_status")
            return title or value_of(context.formats, detail.text if detail else None)
        case "objection":
            detail = context.detail("objection_type")
            return title or value_of(context.formats, detail.text if detail else snapshot.theme)
        case "conflict" if _conflict_reason(context) in CONFLICT_HEADLINES:
            sentence = CONFLICT_HEADLINES[_conflict_reason(context)]
            return context.formats.gettext(sentence, **conflict_sides(context))
        case "overdue_installment" | "check_in":
            detail = context.detail("due_day")
            return context.formats.day(detail.day) if detail and detail.day else ""
        case "portal_dispute" | "ai_dispute":
            return title or context.line(snapshot.theme, MAX_HEADLINE)
        case kind if kind in KINDS and kind != "Generic":
            return title
        case _:
            return _title_with_type(context, title)


def _conflict_reason(context: StoryContext) -> str:
    detail = context.detail("conflict")
    return (detail.text if detail else None) or ""


def _short_title(context: StoryContext) -> str:
    """The source's title without the type and the debtor, where the rest of the headline shows them."""
    title, label = context.line(context.snapshot.title, MAX_HEADLINE), context.type_label()
    if context.snapshot.source != "debitura":
        return title
    if title.casefold().startswith(label.casefold()):
        title = title[len(label) :].lstrip(" :–-")
    return "" if title == context.debtor else title


def _title_with_type(context: StoryContext, title: str) -> str:
    """The source's label and title; its question when it has neither."""
    label = "" if context.type_label() == "Generic" else context.type_label()
    labelled = ", ".join(part for part in (label, title) if part)
    return labelled or context.line(context.snapshot.question, MAX_HEADLINE)


def _format_plan(context: StoryContext) -> str:
    """Such as "6 × €250.00"; empty without a monthly amount."""
    count, monthly = context.detail("number_of_installments"), context.detail("monthly_amount")
    if monthly is None or monthly.money is None:
        return ""
    amount = context.formats.money(monthly.money)
    if count is None or count.number is None:
        return context.formats.gettext("{amount} a month", amount=amount)
    return f"{context.formats.number(count.number)} × {amount}"


def _format_agreement(context: StoryContext) -> str:
    """The number of overdue installments, else the length of the plan."""
    formats, months = context.formats, context.detail("plan_months")
    if overdue := len(context.overdue_installments()):
        return formats.ngettext("{n} installment overdue", "{n} installments overdue", overdue)
    if months is None or months.number is None:
        return ""
    return formats.ngettext("{n} month", "{n} months", months.number)
