"""From a notice to its story (step 6): what a tired person must know, first things first, in their language. Pure.

The source's own texts are shown as they were written, only cleaned; every other word is Casebell's and translated.
Nothing here is markup, and nothing is longer than the caps below, whatever a stranger wrote.
"""

from collections.abc import Iterator

from notifiers.i18n.vocabulary import value_of
from notifiers.story import automation_text
from notifiers.story.context import MAX_NAME, Telling
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
    Words,
)
from notifiers.story.twins import source_of
from notifiers.text import cut, ended, one_line
from receiver.domain import plan
from receiver.domain.action import DECIDING, PlanWish
from receiver.domain.item import Item, Line
from receiver.domain.money import Money
from receiver.domain.notice import Nudge, Story

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


def tell(telling: Telling) -> Story:
    """The story of a notice, in the voice of its route."""
    title, going_on, wrong = headline(telling), status(telling), problem(telling)
    return Story(
        headline=title,
        sentence=_sentence(telling, title, going_on, wrong),
        asked=_asked(telling),
        quote=telling.text(telling.snapshot.quote, MAX_QUOTE) or None,
        facts=tuple(facts(telling))[:MOST_FACTS],
        conversation=tuple(_conversation(telling)),
        status=going_on,
        problem=wrong,
        footer=_footer(telling),
        proposal=proposal(telling),
    )


def headline(telling: Telling) -> str:
    """Such as "Dispute: Payment Already Made · INV-2024-001 · €1,500.00"; the title gives way to the amount."""
    said, voice = telling.snapshot, telling.voice
    what = voice.words(_words_of(telling).lead, source=telling.source)
    named = [
        cut(telling.debtor or "", MAX_NAMED) if said.source == "debitura" else "",
        cut(telling.reference or telling.case_reference or "", MAX_NAMED),
        voice.money(said.amount) if said.amount else "",
    ]
    tail = "".join(f" · {part}" for part in named if part)
    about = cut(_about(telling), MAX_HEADLINE - len(tail) - len(what) - 4)  # 4: how a colon is set, at most
    head = voice.words("{what}: {about}", what=what, about=about) if about else what
    return cut(f"{head}{tail}", MAX_HEADLINE)


def status(telling: Telling) -> str | None:
    """What is going on: who acts, who claimed it and what they noted, what came of it."""
    item = telling.item
    match item.state:
        case "acting":
            told = automation_text.asking(telling) or _acting(telling)
        case "resolved":
            told = automation_text.done(telling) or _resolved(telling)
        case _:
            return cut(" · ".join(_beside(telling)), MAX_NOTED) or None
    return cut(told, MAX_STATUS) or None


def _beside(telling: Telling) -> Iterator[str]:
    """What stands beside an open item's state."""
    item, voice = telling.item, telling.voice
    if item.escalated_at:
        yield voice.words("Escalated {moment}: nobody had decided", moment=voice.moment(item.escalated_at))
    if item.claimed_by:
        yield voice.words("Claimed by {who}", who=_who(item.claimed_by))
    if item.snoozed_until:
        until = voice.moment(item.snoozed_until)
        yield voice.words("Snoozed by {who} until {moment}", who=_who(item.snoozed_by), moment=until)
    if would := automation_text.foreseen(telling):
        yield would
    if note := telling.line(item.note, MAX_NOTED):
        yield voice.words("{what}: {about}", what=voice.words("Note"), about=note)


def proposal(telling: Telling) -> str | None:
    """What one person proposes, with the words and the plan that a second person says yes to."""
    proposed, voice = telling.item.proposal, telling.voice
    if proposed is None:
        return None
    sentence = PROPOSES.get(proposed.verb, PROPOSES["validate"])
    if telling.item.kind in ACCEPTED_KINDS:
        sentence = PROPOSES_ACCEPTED.get(proposed.verb, sentence)
    parts = [voice.words(sentence, who=_who(proposed.person.label))]
    if proposed.plan:
        parts.append(_wished(telling, proposed.plan))
    if proposed.words:
        parts.append(f"“{telling.text(proposed.words, MAX_QUOTE)}”")
    return "\n".join(parts)


def _wished(telling: Telling, wish: PlanWish) -> str:
    voice, amount = telling.voice, telling.snapshot.amount
    try:
        wanted = plan.read(wish)
    except ValueError:
        return ""
    first = voice.money(Money(wanted.first_payment, amount.currency if amount else None))
    months = voice.numbered("{n} month", "{n} months", wanted.months)
    day = voice.day(wanted.starts_on)
    return voice.words("{months} from {day}, first payment {amount}", months=months, day=day, amount=first)


def nudge(telling: Telling, said: Nudge) -> str:
    """A word below what is shown already; it names the item, since a thread may hold several."""
    voice, amount = telling.voice, telling.snapshot.amount
    named = [telling.reference or telling.case_reference or "", voice.money(amount) if amount else ""]
    about = " · ".join(part for part in named if part)
    told = voice.words(NUDGES[said.what], who=_who(said.by), moment=voice.moment(telling.item.since))
    return f"{told} ({about})" if about else told


def problem(telling: Telling) -> str | None:
    """Why the last attempt came back, in the source's own words."""
    reason = telling.line(telling.item.problem, MAX_STATUS)
    if not reason:
        return None
    if reason in PROBLEMS:
        return telling.voice.words(PROBLEMS[reason], source=telling.source)
    return cut(telling.voice.words("{source} refused: {reason}", source=telling.source, reason=reason), MAX_STATUS)


def _words_of(telling: Telling) -> Words:
    if telling.snapshot.sides:
        return CONFLICTS.get(_why(telling), UNKNOWN)
    return KINDS.get(telling.snapshot.kind, UNKNOWN)


def _why(telling: Telling) -> str:
    detail = telling.detail("conflict")
    return (detail.text if detail else None) or ""


def _sides(telling: Telling) -> dict[str, str]:
    """The two systems of a conflict by name, the one that raises it first."""
    return dict(zip(("one", "other"), map(source_of, telling.snapshot.sides), strict=False))


def _about(telling: Telling) -> str:
    """What tells this item from others of its kind."""
    said, title = telling.snapshot, _title(telling)
    match said.kind:
        case "payment_plan":
            return _plan(telling) or title
        case "agreement":
            return _agreement(telling) or title
        case "hardship":
            detail = telling.detail("employment_status")
            return title or value_of(telling.voice, detail.text if detail else None)
        case "objection":
            detail = telling.detail("objection_type")
            return title or value_of(telling.voice, detail.text if detail else said.theme)
        case "conflict" if _why(telling) in DISAGREEING:
            return telling.voice.words(DISAGREEING[_why(telling)], **_sides(telling))
        case "overdue_installment" | "check_in":
            detail = telling.detail("due_day")
            return telling.voice.day(detail.day) if detail and detail.day else ""
        case "portal_dispute" | "ai_dispute":
            return title or telling.line(said.theme, MAX_HEADLINE)
        case kind if kind in KINDS and kind != "Generic":
            return title
        case _:
            return _labelled(telling, title)


def _title(telling: Telling) -> str:
    """The source's title without type and debtor, as far as the rest of the headline says them already."""
    title, label = telling.line(telling.snapshot.title, MAX_HEADLINE), telling.label()
    if telling.snapshot.source != "debitura":
        return title
    if title.casefold().startswith(label.casefold()):
        title = title[len(label) :].lstrip(" :–-")
    return "" if title == telling.debtor else title


def _labelled(telling: Telling, title: str) -> str:
    """What the source calls it: its label tells most, unless that is "Generic"."""
    label = "" if telling.label() == "Generic" else telling.label()
    named = ", ".join(part for part in (label, title) if part)
    return named or telling.line(telling.snapshot.question, MAX_HEADLINE)


def _plan(telling: Telling) -> str:
    """Such as "6 × €250.00", as far as the proposal says."""
    times, monthly = telling.detail("number_of_installments"), telling.detail("monthly_amount")
    if monthly is None or monthly.money is None:
        return ""
    amount = telling.voice.money(monthly.money)
    if times is None or times.number is None:
        return telling.voice.words("{amount} a month", amount=amount)
    return f"{telling.voice.number(times.number)} × {amount}"


def _agreement(telling: Telling) -> str:
    voice, months, overdue = telling.voice, telling.detail("plan_months"), len(telling.overdue())
    if overdue:
        return voice.numbered("{n} installment overdue", "{n} installments overdue", overdue)
    if months is None or months.number is None:
        return ""
    return voice.numbered("{n} month", "{n} months", months.number)


def _sentence(telling: Telling, title: str, going_on: str | None, wrong: str | None) -> str:
    """The whole in one breath; once somebody has acted, what came of it first."""
    if proposed := proposal(telling):
        return cut(ended(f"{proposed.splitlines()[0]} {title}"), MAX_SENTENCE)
    if telling.item.state != "open" and going_on:
        return cut(ended(f"{ended(going_on)} {title}"), MAX_SENTENCE)
    told = _told(telling)
    return cut(f"{ended(wrong)} {told}" if wrong else told, MAX_SENTENCE)


def _told(telling: Telling) -> str:
    voice, said = telling.voice, telling.snapshot
    words = _words_of(telling)
    debtor = telling.debtor or voice.words("The debtor")
    told = voice.words(words.told, debtor=debtor, source=telling.source, claim=_claim(telling), **_sides(telling))
    if words is UNKNOWN and (about := _about(telling)):
        told = voice.words("{what}: {about}", what=told, about=about)
    if said.is_collection_paused:
        return voice.words("{told}: collection is paused until you decide.", told=told)
    return voice.words("{told}; {due}.", told=told, due=_due(telling)) if said.deadline_at else ended(told)


def _due(telling: Telling) -> str:
    at = telling.snapshot.deadline_at
    assert at is not None
    if at < telling.voice.now:
        return deadline(telling) or ""
    return telling.voice.words("due {moment}", moment=telling.voice.moment(at))


def _claim(telling: Telling) -> str:
    """What it is about, in words that fit into every ``told``."""
    voice, amount = telling.voice, telling.snapshot.amount
    reference, case = telling.reference, telling.case_reference
    is_part = telling.snapshot.kind == "overdue_installment"  # then the amount is the installment's
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


def _asked(telling: Telling) -> str | None:
    """What is to be decided, then what the source asks; once it is decided, only what was asked."""
    question = telling.text(telling.snapshot.question, MAX_ASKED)
    is_asking = telling.item.state == "open" and not telling.item.proposal
    asks = _guidance(telling) if is_asking else ""
    if _is_in_conversation(telling, question):
        return asks or None
    return cut(f"{asks}\n\n{question}".strip(), MAX_ASKED) or None


def _guidance(telling: Telling) -> str:
    """What a person can do here, or where else if not here."""
    words = _words_of(telling)
    asks = telling.voice.words(words.asks, source=telling.source, **_sides(telling))
    if telling.snapshot.kind == "agreement" and telling.overdue():
        return telling.voice.words("Check whether the overdue payment has come in.")
    is_elsewhere = words.asks not in WITHOUT_VERBS and not set(telling.notice.verbs) & (DECIDING | {"confirm"})
    return f"{asks} {telling.voice.words('Please do so at {source}.', source=telling.source)}" if is_elsewhere else asks


def _is_in_conversation(telling: Telling, question: str) -> bool:
    texts = [telling.text(line.text, MAX_LINE) for line in telling.snapshot.conversation[-MOST_LINES:]]
    return 0 < len(question) <= MAX_REPEATED and question in "\n\n".join(texts)


def _conversation(telling: Telling) -> Iterator[tuple[str, str, str]]:
    lines = [line for line in telling.snapshot.conversation if telling.text(line.text, MAX_LINE)]
    for line in lines[-MOST_LINES:]:
        when = telling.voice.moment(line.at) if line.at else ""
        yield _speaker(telling, line), when, telling.text(line.text, MAX_LINE)


def _speaker(telling: Telling, line: Line) -> str:
    """Such as "Lars Holm (collection partner)"."""
    side = telling.voice.words(SIDES.get(line.side, SIDES["system"]))
    author = telling.line(line.author, MAX_NAME)
    if not author or author.casefold() in {line.side.casefold(), side.casefold()}:
        return side[:1].upper() + side[1:]
    return f"{author} ({side})"


def _acting(telling: Telling) -> str:
    voice, attempt = telling.voice, telling.item.attempt
    if attempt is None:
        return voice.words("{source} is being asked; waiting for its confirmation", source=telling.source)
    who = _both(telling, attempt.who, attempt.confirmed_by)
    if attempt.verb == "reply" and attempt.is_accepted:
        return voice.words("{who}'s reply was sent; waiting for {source}", who=who, source=telling.source)
    asked = ASKED_OF | ASKED_OF_PROPOSAL if telling.item.kind in ACCEPTED_KINDS else ASKED_OF
    if attempt.verb not in asked:
        return voice.words("{who} asked {source}; waiting for its confirmation", who=who, source=telling.source)
    return voice.words(asked[attempt.verb], who=who, source=telling.source)


def _resolved(telling: Telling) -> str:
    item, voice = telling.item, telling.voice
    moment = voice.moment(item.resolved_at or item.changed_at)
    if item.resolved_by:
        done = DONE_BY | DONE_BY_PROPOSAL if item.kind in ACCEPTED_KINDS else DONE_BY
        sentence, who = done.get(item.outcome or "", DONE_HERE), _both(telling, item.resolved_by, item.confirmed_by)
        return voice.words(sentence, who=who, via=_via(telling, item), moment=moment)
    sentence = DONE_THERE.get(item.outcome or "", DONE_THERE_SOMEHOW)
    return voice.words(sentence, source=telling.source, moment=moment)


def _via(telling: Telling, item: Item) -> str:
    via = item.resolved_via or ""
    return telling.voice.words(VIA[via]) if via in VIA else telling.line(via, 40) or "Casebell"


def _both(telling: Telling, first: str, second: str | None) -> str:
    """Who decided, and who confirmed it where that took two."""
    if second is None:
        return _who(first)
    return telling.voice.words("{who} (confirmed by {second})", who=_who(first), second=_who(second))


def _who(label: str | None) -> str:
    return cut(one_line(label or ""), MAX_NAME) or "?"


def _footer(telling: Telling) -> str:
    said = telling.snapshot
    opened = telling.voice.words(
        "opened {when}", when=telling.moment_and_age(said.created_at or telling.item.opened_at)
    )
    account = telling.line(said.account, 40)
    return " · ".join(part for part in (telling.source, account, opened, one_line(telling.item.id)) if part)
