"""What a rule of [[automations]] did, or would do on a dry run, in words. Pure."""

from notifiers.story.context import StoryContext
from notifiers.story.sentences import ACCEPTED_KINDS, N_
from receiver.domain.automation import VIA, rule_in

MAX_RULE = 60
ASKS = {
    "validate": N_("Rule {rule} asked {source} to validate this; waiting for its confirmation"),
    "reject": N_("Rule {rule} asked {source} to reject this; waiting for its confirmation"),
}
DONE = {
    "validated": N_("Validated automatically by rule {rule}, {moment}"),
    "rejected": N_("Rejected automatically by rule {rule}, {moment}"),
}
DONE_PROPOSAL = {
    "validated": N_("Accepted automatically by rule {rule}, {moment}"),
    "rejected": N_("Declined automatically by rule {rule}, {moment}"),
}
DONE_SOMEHOW = N_("Resolved automatically by rule {rule}, {moment}")
WOULD = {
    "validate": N_("Dry run: rule {rule} would have validated this"),
    "reject": N_("Dry run: rule {rule} would have rejected this"),
}


def asking(context: StoryContext) -> str | None:
    """That a rule has asked the source; None when it was a person."""
    attempt = context.item.attempt
    if attempt is None or attempt.via != VIA or attempt.verb not in ASKS:
        return None
    return context.voice.words(ASKS[attempt.verb], rule=_rule(context, attempt.who), source=context.source)


def done(context: StoryContext) -> str | None:
    """That a rule decided it, and until when that can be undone; None when it was a person."""
    item, voice = context.item, context.voice
    if item.resolved_via != VIA or item.resolved_by is None:
        return None
    sentences = DONE | DONE_PROPOSAL if item.kind in ACCEPTED_KINDS else DONE
    sentence, moment = (
        sentences.get(item.outcome or "", DONE_SOMEHOW),
        voice.moment(item.resolved_at or item.changed_at),
    )
    told = voice.words(sentence, rule=_rule(context, item.resolved_by), moment=moment)
    if "undo" not in context.notice.verbs or item.undo_until is None:
        return told
    until = voice.words("It can be undone until {moment}.", moment=voice.clock(item.undo_until))
    return f"{told}. {until}"


def foreseen(context: StoryContext) -> str | None:
    """What a rule on a dry run would have done with it."""
    would = context.item.foreseen
    if would is None or would.verb not in WOULD:
        return None
    return context.voice.words(WOULD[would.verb], rule=_rule(context, would.rule))


def _rule(context: StoryContext, who: str) -> str:
    return context.line(rule_in(who), MAX_RULE) or "?"
