"""Builds the story of a notice: everything a channel shows of an item, most important first, in one language. Pure.

The source's texts stay as written, cleaned of hidden characters; every other sentence is Casebell's and translated.
A story has no markup, and the MAX_ constants limit each part whatever its input.
"""

from collections.abc import Iterator

from notifiers.story.context import MAX_NAME, StoryContext
from notifiers.story.facts import MAX_FACTS, format_deadline, list_facts
from notifiers.story.headline import conflict_sides, format_headline, format_subject, sentences_of
from notifiers.story.sentences import QUESTIONS_WITHOUT_VERBS, REMINDERS, SIDES, UNKNOWN
from notifiers.story.status import format_problem, format_proposal, format_status, person_name
from notifiers.text import cut, one_line, with_full_stop
from receiver.domain.action import DECIDING_VERBS
from receiver.domain.item import Line
from receiver.domain.notice import Reminder, Story

MAX_SENTENCE = 400
MAX_ASKED = 2_500
MAX_QUOTE = 2_500
MAX_LINE = 1_000
MAX_LINES = 5
MAX_REPEATED = 500  # a longer question is shown even if the conversation contains it
MAX_ACCOUNT = 40


def build_story(context: StoryContext) -> Story:
    """The story in the language and the timezone of ``context``."""
    headline, status, problem = format_headline(context), format_status(context), format_problem(context)
    return Story(
        headline=headline,
        sentence=_format_sentence(context, headline, status, problem),
        question=_format_question(context),
        quote=context.text(context.snapshot.quote, MAX_QUOTE) or None,
        facts=tuple(list_facts(context))[:MAX_FACTS],
        conversation=tuple(_list_conversation(context)),
        status=status,
        problem=problem,
        footer=_format_footer(context),
        proposal=format_proposal(context),
    )


def format_reminder(context: StoryContext, reminder: Reminder) -> str:
    """One sentence; it names the item, because a thread may hold several."""
    formats, amount = context.formats, context.snapshot.amount
    parts = [context.reference or context.case_reference or "", formats.money(amount) if amount else ""]
    about = " · ".join(part for part in parts if part)
    moment = formats.moment(context.item.since)
    sentence = formats.gettext(REMINDERS[reminder.what], who=person_name(reminder.by), moment=moment)
    return f"{sentence} ({about})" if about else sentence


def _format_sentence(context: StoryContext, headline: str, status: str | None, problem: str | None) -> str:
    """The story in one sentence, for notifications and screen readers; a decision comes before the headline."""
    if proposal := format_proposal(context):
        return cut(with_full_stop(f"{proposal.splitlines()[0]} {headline}"), MAX_SENTENCE)
    if context.item.state != "open" and status:
        return cut(with_full_stop(f"{with_full_stop(status)} {headline}"), MAX_SENTENCE)
    statement = _format_statement(context)
    return cut(f"{with_full_stop(problem)} {statement}" if problem else statement, MAX_SENTENCE)


def _format_statement(context: StoryContext) -> str:
    """What happened, and until when somebody must decide."""
    formats, snapshot, sentences = context.formats, context.snapshot, sentences_of(context)
    debtor = context.debtor or formats.gettext("The debtor")
    names = {"debtor": debtor, "source": context.source, "claim": _format_claim(context), **conflict_sides(context)}
    statement = formats.gettext(sentences.statement, **names)
    if sentences is UNKNOWN and (subject := format_subject(context)):
        statement = formats.gettext("{what}: {about}", what=statement, about=subject)
    if snapshot.is_collection_paused:
        return formats.gettext("{told}: collection is paused until you decide.", told=statement)
    if snapshot.deadline_at:
        return formats.gettext("{told}; {due}.", told=statement, due=_format_due(context))
    return with_full_stop(statement)


def _format_due(context: StoryContext) -> str:
    at = context.snapshot.deadline_at
    assert at is not None
    if at < context.formats.now:
        return format_deadline(context) or ""
    return context.formats.gettext("due {moment}", moment=context.formats.moment(at))


def _format_claim(context: StoryContext) -> str:
    """The claim as a noun phrase that fits into every statement, such as "invoice INV-1 over €1,500.00"."""
    formats, amount = context.formats, context.snapshot.amount
    reference, case = context.reference, context.case_reference
    is_part = context.snapshot.kind == "overdue_installment"  # its amount is the installment's, not the claim's
    money = formats.money(amount) if amount and not is_part else ""
    if reference and money:
        return formats.gettext("invoice {reference} over {amount}", reference=reference, amount=money)
    if reference:
        return formats.gettext("invoice {reference}", reference=reference)
    if case and money:
        return formats.gettext("case {reference} over {amount}", reference=case, amount=money)
    if case:
        return formats.gettext("case {reference}", reference=case)
    return formats.gettext("a claim of {amount}", amount=money) if money else formats.gettext("a claim")


def _format_question(context: StoryContext) -> str | None:
    """Casebell's question, then the source's; once it is decided, only the source's."""
    question = context.text(context.snapshot.question, MAX_ASKED)
    is_to_decide = context.item.state == "open" and not context.item.proposal
    guidance = _format_guidance(context) if is_to_decide else ""
    if _is_in_conversation(context, question):
        return guidance or None
    return cut(f"{guidance}\n\n{question}".strip(), MAX_ASKED) or None


def _format_guidance(context: StoryContext) -> str:
    """What to decide; at the source where Casebell offers no verb for it."""
    formats, question = context.formats, sentences_of(context).question
    guidance = formats.gettext(question, source=context.source, **conflict_sides(context))
    if context.snapshot.kind == "agreement" and context.overdue_installments():
        return formats.gettext("Check whether the overdue payment has come in.")
    if question in QUESTIONS_WITHOUT_VERBS or set(context.notice.verbs) & (DECIDING_VERBS | {"confirm"}):
        return guidance
    return f"{guidance} {formats.gettext('Please do so at {source}.', source=context.source)}"


def _is_in_conversation(context: StoryContext, question: str) -> bool:
    texts = [context.text(line.text, MAX_LINE) for line in context.snapshot.conversation[-MAX_LINES:]]
    return 0 < len(question) <= MAX_REPEATED and question in "\n\n".join(texts)


def _list_conversation(context: StoryContext) -> Iterator[tuple[str, str, str]]:
    """Speaker, time and text of the newest lines, oldest first."""
    lines = [line for line in context.snapshot.conversation if context.text(line.text, MAX_LINE)]
    for line in lines[-MAX_LINES:]:
        when = context.formats.moment(line.at) if line.at else ""
        yield _format_speaker(context, line), when, context.text(line.text, MAX_LINE)


def _format_speaker(context: StoryContext, line: Line) -> str:
    """Such as "Lars Holm (collection partner)"."""
    side = context.formats.gettext(SIDES.get(line.side, SIDES["system"]))
    author = context.line(line.author, MAX_NAME)
    if not author or author.casefold() in {line.side.casefold(), side.casefold()}:
        return side[:1].upper() + side[1:]
    return f"{author} ({side})"


def _format_footer(context: StoryContext) -> str:
    snapshot = context.snapshot
    when = context.moment_and_age(snapshot.created_at or context.item.opened_at)
    opened = context.formats.gettext("opened {when}", when=when)
    account = context.line(snapshot.account, MAX_ACCOUNT)
    return " · ".join(part for part in (context.source, account, opened, one_line(context.item.id)) if part)
