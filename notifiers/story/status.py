"""The status of an item in sentences: who acts, claimed, proposed or decided, and why an attempt failed. Pure."""

from collections.abc import Iterator

from notifiers.story import automation_text
from notifiers.story import sentences as texts
from notifiers.story.context import MAX_NAME, StoryContext
from notifiers.text import cut, one_line
from receiver.domain import plan
from receiver.domain.action import PlanInput
from receiver.domain.item import Item
from receiver.domain.money import Money

MAX_STATUS = 400
MAX_OPEN_STATUS = 1_400  # a claim and a colleague's note
MAX_REPLY = 2_500
MAX_VIA = 40


def format_status(context: StoryContext) -> str | None:
    """Who acts or decided; of an open item, its claim, snooze and note. None when there is nothing to report."""
    match context.item.state:
        case "acting":
            status = automation_text.format_request(context) or _format_request(context)
        case "resolved":
            status = automation_text.format_decision(context) or _format_resolution(context)
        case _:
            return cut(" · ".join(_open_status(context)), MAX_OPEN_STATUS) or None
    return cut(status, MAX_STATUS) or None


def format_proposal(context: StoryContext) -> str | None:
    """What one person proposes, with the reply and the plan that a second person must confirm."""
    proposed, formats = context.item.proposal, context.formats
    if proposed is None:
        return None
    sentence = texts.PROPOSALS.get(proposed.verb, texts.PROPOSALS["validate"])
    if context.item.kind in texts.ACCEPTED_KINDS:
        sentence = texts.PROPOSALS_TO_ACCEPT.get(proposed.verb, sentence)
    parts = [formats.gettext(sentence, who=person_name(proposed.person.label))]
    if proposed.plan:
        parts.append(_format_plan_wish(context, proposed.plan))
    if proposed.words:
        parts.append(f"“{context.text(proposed.words, MAX_REPLY)}”")
    return "\n".join(parts)


def format_problem(context: StoryContext) -> str | None:
    """Why the last attempt failed, in the source's own words where it gave a reason."""
    reason = context.line(context.item.problem, MAX_STATUS)
    if not reason:
        return None
    if reason in texts.PROBLEMS:
        return context.formats.gettext(texts.PROBLEMS[reason], source=context.source)
    return cut(context.formats.gettext("{source} refused: {reason}", source=context.source, reason=reason), MAX_STATUS)


def person_name(label: str | None) -> str:
    return cut(one_line(label or ""), MAX_NAME) or "?"


def _open_status(context: StoryContext) -> Iterator[str]:
    item, formats = context.item, context.formats
    if item.escalated_at:
        yield formats.gettext("Escalated {moment}: nobody had decided", moment=formats.moment(item.escalated_at))
    if item.claimed_by:
        yield formats.gettext("Claimed by {who}", who=person_name(item.claimed_by))
    if item.snoozed_until:
        until, who = formats.moment(item.snoozed_until), person_name(item.snoozed_by)
        yield formats.gettext("Snoozed by {who} until {moment}", who=who, moment=until)
    if dry_run := automation_text.format_dry_run(context):
        yield dry_run
    if note := context.line(item.note, MAX_OPEN_STATUS):
        yield formats.gettext("{what}: {about}", what=formats.gettext("Note"), about=note)


def _format_plan_wish(context: StoryContext, wish: PlanInput) -> str:
    formats, amount = context.formats, context.snapshot.amount
    try:
        change = plan.parse_plan(wish)
    except ValueError:
        return ""
    first = formats.money(Money(change.first_payment, amount.currency if amount else None))
    months = formats.ngettext("{n} month", "{n} months", change.months)
    day = formats.day(change.starts_on)
    return formats.gettext("{months} from {day}, first payment {amount}", months=months, day=day, amount=first)


def _format_request(context: StoryContext) -> str:
    formats, attempt = context.formats, context.item.attempt
    if attempt is None:
        return formats.gettext("{source} is being asked; waiting for its confirmation", source=context.source)
    who = _people(context, attempt.who, attempt.confirmed_by)
    if attempt.verb == "reply" and attempt.is_accepted:
        return formats.gettext("{who}'s reply was sent; waiting for {source}", who=who, source=context.source)
    requests = texts.REQUESTS | (texts.REQUESTS_ON_PROPOSAL if context.item.kind in texts.ACCEPTED_KINDS else {})
    if attempt.verb not in requests:
        return formats.gettext("{who} asked {source}; waiting for its confirmation", who=who, source=context.source)
    return formats.gettext(requests[attempt.verb], who=who, source=context.source)


def _format_resolution(context: StoryContext) -> str:
    item, formats = context.item, context.formats
    moment = formats.moment(item.resolved_at or item.changed_at)
    if item.resolved_by:
        sentences = texts.RESOLVED_BY | (texts.RESOLVED_BY_ON_PROPOSAL if item.kind in texts.ACCEPTED_KINDS else {})
        sentence = sentences.get(item.outcome or "", texts.RESOLVED_BY_SOMEBODY)
        who = _people(context, item.resolved_by, item.confirmed_by)
        return formats.gettext(sentence, who=who, via=_channel_name(context, item), moment=moment)
    sentence = texts.RESOLVED_AT_SOURCE.get(item.outcome or "", texts.RESOLVED_SOMEHOW)
    return formats.gettext(sentence, source=context.source, moment=moment)


def _channel_name(context: StoryContext, item: Item) -> str:
    via = item.resolved_via or ""
    return context.formats.gettext(texts.VIA[via]) if via in texts.VIA else context.line(via, MAX_VIA) or "Casebell"


def _people(context: StoryContext, first: str, second: str | None) -> str:
    """Who decided, and who confirmed it where two people are required."""
    if second is None:
        return person_name(first)
    return context.formats.gettext("{who} (confirmed by {second})", who=person_name(first), second=person_name(second))
