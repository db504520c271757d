"""From a notice to its story (step 6): what a tired person must know, first things first, in their language. Pure.

The source's own texts are shown as they were written, only cleaned; every other word is Casebell's and translated.
Nothing here is markup, and nothing is longer than the caps below, whatever a stranger wrote.
"""

from collections.abc import Iterator

from notifiers.i18n.vocabulary import value_of
from notifiers.story import automation_text
from notifiers.story.context import MAX_NAME, StoryContext
from notifiers.story.facts import MOST_FACTS, deadline, facts
from notifiers.story.sentences import (
    ACCEPTED_KINDS,
    ASKED_OF,
    ASKED_OF_PROPOSAL,
    CONFLICTS,
    DISAGREEING,
    DONE_BY,
    DONE_BY_PROPOSAL,
    DONE_HERE,
    DONE_THERE,
    DONE_THERE_SOMEHOW,
    KINDS,
    NUDGES,
    PROBLEMS,
    PROPOSES,
    PROPOSES_ACCEPTED,
    SIDES,
    UNKNOWN,
    VIA,
    WITHOUT_VERBS,
    Sentences,
)
from notifiers.story.twins import source_of
from notifiers.text import cut, ended, one_line
from receiver.domain import plan
from receiver.domain.action import DECIDING, PlanWish
from receiver.domain.item import Item, Line
from receiver.domain.money import Money
from receiver.domain.notice import Reminder, Story

MAX_HEADLINE = 140
MAX_NAMED = 40  # debtor and reference in a headline
MAX_SENTENCE = 400
MAX_ASKED = 2_500
MAX_QUOTE = 2_500
MAX_STATUS = 400
MAX_NOTED = 1_400  # a claim and a colleague's note
MAX_LINE = 1_000
MOST_LINES = 5
MAX_REPEATED = 500  # a question that the conversation shows in full is not asked twice


def tell(context: StoryContext) -> Story:
    """The story of a notice, in the voice of its route."""
    title, going_on, wrong = headline(context), status(context), problem(context)
    return Story(
        headline=title,
        sentence=_sentence(context, title, going_on, wrong),
        asked=_asked(context),
        quote=context.text(context.snapshot.quote, MAX_QUOTE) or None,
        facts=tuple(facts(context))[:MOST_FACTS],
        conversation=tuple(_conversation(context)),
        status=going_on,
        problem=wrong,
        footer=_footer(context),
        proposal=proposal(context),
    )


def headline(context: StoryContext) -> str:
    """Such as "Dispute: Payment Already Made · INV-2024-001 · €1,500.00"; the title gives way to the amount."""
    said, voice = context.snapshot, context.voice
    what = voice.words(_words_of(context).lead, source=context.source)
    named = [
        cut(context.debtor or "", MAX_NAMED) if said.source == "debitura" else "",
        cut(context.reference or context.case_reference or "", MAX_NAMED),
        voice.money(said.amount) if said.amount else "",
    ]
    tail = "".join(f" · {part}" for part in named if part)
    about = cut(_about(context), MAX_HEADLINE - len(tail) - len(what) - 4)  # 4: how a colon is set, at most
    head = voice.words("{what}: {about}", what=what, about=about) if about else what
    return cut(f"{head}{tail}", MAX_HEADLINE)


def status(context: StoryContext) -> str | None:
    """What is going on: who acts, who claimed it and what they noted, what came of it."""
    item = context.item
    match item.state:
        case "acting":
            told = automation_text.asking(context) or _acting(context)
        case "resolved":
            told = automation_text.done(context) or _resolved(context)
        case _:
            return cut(" · ".join(_beside(context)), MAX_NOTED) or None
    return cut(told, MAX_STATUS) or None


def _beside(context: StoryContext) -> Iterator[str]:
    """What stands beside an open item's state."""
    item, voice = context.item, context.voice
    if item.escalated_at:
        yield voice.words("Escalated {moment}: nobody had decided", moment=voice.moment(item.escalated_at))
    if item.claimed_by:
        yield voice.words("Claimed by {who}", who=_who(item.claimed_by))
    if item.snoozed_until:
        until = voice.moment(item.snoozed_until)
        yield voice.words("Snoozed by {who} until {moment}", who=_who(item.snoozed_by), moment=until)
    if would := automation_text.foreseen(context):
        yield would
    if note := context.line(item.note, MAX_NOTED):
        yield voice.words("{what}: {about}", what=voice.words("Note"), about=note)


def proposal(context: StoryContext) -> str | None:
    """What one person proposes, with the words and the plan that a second person says yes to."""
    proposed, voice = context.item.proposal, context.voice
    if proposed is None:
        return None
    sentence = PROPOSES.get(proposed.verb, PROPOSES["validate"])
    if context.item.kind in ACCEPTED_KINDS:
        sentence = PROPOSES_ACCEPTED.get(proposed.verb, sentence)
    parts = [voice.words(sentence, who=_who(proposed.person.label))]
    if proposed.plan:
        parts.append(_wished(context, proposed.plan))
    if proposed.words:
        parts.append(f"“{context.text(proposed.words, MAX_QUOTE)}”")
    return "\n".join(parts)


def _wished(context: StoryContext, wish: PlanWish) -> str:
    voice, amount = context.voice, context.snapshot.amount
    try:
        wanted = plan.read(wish)
    except ValueError:
        return ""
    first = voice.money(Money(wanted.first_payment, amount.currency if amount else None))
    months = voice.numbered("{n} month", "{n} months", wanted.months)
    day = voice.day(wanted.starts_on)
    return voice.words("{months} from {day}, first payment {amount}", months=months, day=day, amount=first)


def nudge(context: StoryContext, said: Reminder) -> str:
    """A word below what is shown already; it names the item, since a thread may hold several."""
    voice, amount = context.voice, context.snapshot.amount
    named = [context.reference or context.case_reference or "", voice.money(amount) if amount else ""]
    about = " · ".join(part for part in named if part)
    told = voice.words(NUDGES[said.what], who=_who(said.by), moment=voice.moment(context.item.since))
    return f"{told} ({about})" if about else told


def problem(context: StoryContext) -> str | None:
    """Why the last attempt came back, in the source's own words."""
    reason = context.line(context.item.problem, MAX_STATUS)
    if not reason:
        return None
    if reason in PROBLEMS:
        return context.voice.words(PROBLEMS[reason], source=context.source)
    return cut(context.voice.words("{source} refused: {reason}", source=context.source, reason=reason), MAX_STATUS)


def _words_of(context: StoryContext) -> Sentences:
    if context.snapshot.sides:
        return CONFLICTS.get(_why(context), UNKNOWN)
    return KINDS.get(context.snapshot.kind, UNKNOWN)


def _why(context: StoryContext) -> str:
    detail = context.detail("conflict")
    return (detail.text if detail else None) or ""


def _sides(context: StoryContext) -> dict[str, str]:
    """The two systems of a conflict by name, the one that raises it first."""
    return dict(zip(("one", "other"), map(source_of, context.snapshot.sides), strict=False))


def _about(context: StoryContext) -> str:
    """What tells this item from others of its kind."""
    said, title = context.snapshot, _title(context)
    match said.kind:
        case "payment_plan":
            return _plan(context) or title
        case "agreement":
            return _agreement(context) or title
        case "hardship":
            detail = context.detail("employment_status")
            return title or value_of(context.voice, detail.text if detail else None)
        case "objection":
            detail = context.detail("objection_type")
            return title or value_of(context.voice, detail.text if detail else said.theme)
        case "conflict" if _why(context) in DISAGREEING:
            return context.voice.words(DISAGREEING[_why(context)], **_sides(context))
        case "overdue_installment" | "check_in":
            detail = context.detail("due_day")
            return context.voice.day(detail.day) if detail and detail.day else ""
        case "portal_dispute" | "ai_dispute":
            return title or context.line(said.theme, MAX_HEADLINE)
        case kind if kind in KINDS and kind != "Generic":
            return title
        case _:
            return _labelled(context, title)


def _title(context: StoryContext) -> str:
    """The source's title without type and debtor, as far as the rest of the headline says them already."""
    title, label = context.line(context.snapshot.title, MAX_HEADLINE), context.label()
    if context.snapshot.source != "debitura":
        return title
    if title.casefold().startswith(label.casefold()):
        title = title[len(label) :].lstrip(" :–-")
    return "" if title == context.debtor else title


def _labelled(context: StoryContext, title: str) -> str:
    """What the source calls it: its label tells most, unless that is "Generic"."""
    label = "" if context.label() == "Generic" else context.label()
    named = ", ".join(part for part in (label, title) if part)
    return named or context.line(context.snapshot.question, MAX_HEADLINE)


def _plan(context: StoryContext) -> str:
    """Such as "6 × €250.00", as far as the proposal says."""
    times, monthly = context.detail("number_of_installments"), context.detail("monthly_amount")
    if monthly is None or monthly.money is None:
        return ""
    amount = context.voice.money(monthly.money)
    if times is None or times.number is None:
        return context.voice.words("{amount} a month", amount=amount)
    return f"{context.voice.number(times.number)} × {amount}"


def _agreement(context: StoryContext) -> str:
    voice, months, overdue = context.voice, context.detail("plan_months"), len(context.overdue())
    if overdue:
        return voice.numbered("{n} installment overdue", "{n} installments overdue", overdue)
    if months is None or months.number is None:
        return ""
    return voice.numbered("{n} month", "{n} months", months.number)


def _sentence(context: StoryContext, title: str, going_on: str | None, wrong: str | None) -> str:
    """The whole in one breath; once somebody has acted, what came of it first."""
    if proposed := proposal(context):
        return cut(ended(f"{proposed.splitlines()[0]} {title}"), MAX_SENTENCE)
    if context.item.state != "open" and going_on:
        return cut(ended(f"{ended(going_on)} {title}"), MAX_SENTENCE)
    told = _told(context)
    return cut(f"{ended(wrong)} {told}" if wrong else told, MAX_SENTENCE)


def _told(context: StoryContext) -> str:
    voice, said = context.voice, context.snapshot
    words = _words_of(context)
    debtor = context.debtor or voice.words("The debtor")
    told = voice.words(words.told, debtor=debtor, source=context.source, claim=_claim(context), **_sides(context))
    if words is UNKNOWN and (about := _about(context)):
        told = voice.words("{what}: {about}", what=told, about=about)
    if said.is_collection_paused:
        return voice.words("{told}: collection is paused until you decide.", told=told)
    return voice.words("{told}; {due}.", told=told, due=_due(context)) if said.deadline_at else ended(told)


def _due(context: StoryContext) -> str:
    at = context.snapshot.deadline_at
    assert at is not None
    if at < context.voice.now:
        return deadline(context) or ""
    return context.voice.words("due {moment}", moment=context.voice.moment(at))


def _claim(context: StoryContext) -> str:
    """What it is about, in words that fit into every ``told``."""
    voice, amount = context.voice, context.snapshot.amount
    reference, case = context.reference, context.case_reference
    is_part = context.snapshot.kind == "overdue_installment"  # then the amount is the installment's
    money = voice.money(amount) if amount and not is_part else ""
    if reference and money:
        return voice.words("invoice {reference} over {amount}", reference=reference, amount=money)
    if reference:
        return voice.words("invoice {reference}", reference=reference)
    if case and money:
        return voice.words("case {reference} over {amount}", reference=case, amount=money)
    if case:
        return voice.words("case {reference}", reference=case)
    return voice.words("a claim of {amount}", amount=money) if money else voice.words("a claim")


def _asked(context: StoryContext) -> str | None:
    """What is to be decided, then what the source asks; once it is decided, only what was asked."""
    question = context.text(context.snapshot.question, MAX_ASKED)
    is_asking = context.item.state == "open" and not context.item.proposal
    asks = _guidance(context) if is_asking else ""
    if _is_in_conversation(context, question):
        return asks or None
    return cut(f"{asks}\n\n{question}".strip(), MAX_ASKED) or None


def _guidance(context: StoryContext) -> str:
    """What a person can do here, or where else if not here."""
    words = _words_of(context)
    asks = context.voice.words(words.asks, source=context.source, **_sides(context))
    if context.snapshot.kind == "agreement" and context.overdue():
        return context.voice.words("Check whether the overdue payment has come in.")
    is_elsewhere = words.asks not in WITHOUT_VERBS and not set(context.notice.verbs) & (DECIDING | {"confirm"})
    return f"{asks} {context.voice.words('Please do so at {source}.', source=context.source)}" if is_elsewhere else asks


def _is_in_conversation(context: StoryContext, question: str) -> bool:
    texts = [context.text(line.text, MAX_LINE) for line in context.snapshot.conversation[-MOST_LINES:]]
    return 0 < len(question) <= MAX_REPEATED and question in "\n\n".join(texts)


def _conversation(context: StoryContext) -> Iterator[tuple[str, str, str]]:
    lines = [line for line in context.snapshot.conversation if context.text(line.text, MAX_LINE)]
    for line in lines[-MOST_LINES:]:
        when = context.voice.moment(line.at) if line.at else ""
        yield _speaker(context, line), when, context.text(line.text, MAX_LINE)


def _speaker(context: StoryContext, line: Line) -> str:
    """Such as "Lars Holm (collection partner)"."""
    side = context.voice.words(SIDES.get(line.side, SIDES["system"]))
    author = context.line(line.author, MAX_NAME)
    if not author or author.casefold() in {line.side.casefold(), side.casefold()}:
        return side[:1].upper() + side[1:]
    return f"{author} ({side})"


def _acting(context: StoryContext) -> str:
    voice, attempt = context.voice, context.item.attempt
    if attempt is None:
        return voice.words("{source} is being asked; waiting for its confirmation", source=context.source)
    who = _both(context, attempt.who, attempt.confirmed_by)
    if attempt.verb == "reply" and attempt.is_accepted:
        return voice.words("{who}'s reply was sent; waiting for {source}", who=who, source=context.source)
    asked = ASKED_OF | ASKED_OF_PROPOSAL if context.item.kind in ACCEPTED_KINDS else ASKED_OF
    if attempt.verb not in asked:
        return voice.words("{who} asked {source}; waiting for its confirmation", who=who, source=context.source)
    return voice.words(asked[attempt.verb], who=who, source=context.source)


def _resolved(context: StoryContext) -> str:
    item, voice = context.item, context.voice
    moment = voice.moment(item.resolved_at or item.changed_at)
    if item.resolved_by:
        done = DONE_BY | DONE_BY_PROPOSAL if item.kind in ACCEPTED_KINDS else DONE_BY
        sentence, who = done.get(item.outcome or "", DONE_HERE), _both(context, item.resolved_by, item.confirmed_by)
        return voice.words(sentence, who=who, via=_via(context, item), moment=moment)
    sentence = DONE_THERE.get(item.outcome or "", DONE_THERE_SOMEHOW)
    return voice.words(sentence, source=context.source, moment=moment)


def _via(context: StoryContext, item: Item) -> str:
    via = item.resolved_via or ""
    return context.voice.words(VIA[via]) if via in VIA else context.line(via, 40) or "Casebell"


def _both(context: StoryContext, first: str, second: str | None) -> str:
    """Who decided, and who confirmed it where that took two."""
    if second is None:
        return _who(first)
    return context.voice.words("{who} (confirmed by {second})", who=_who(first), second=_who(second))


def _who(label: str | None) -> str:
    return cut(one_line(label or ""), MAX_NAME) or "?"


def _footer(context: StoryContext) -> str:
    said = context.snapshot
    opened = context.voice.words(
        "opened {when}", when=context.moment_and_age(said.created_at or context.item.opened_at)
    )
    account = context.line(said.account, 40)
    return " · ".join(part for part in (context.source, account, opened, one_line(context.item.id)) if part)
