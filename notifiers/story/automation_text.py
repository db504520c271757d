"""Sentences about a rule of [[automations]]: what it requested or decided, or would do on a dry run. Pure."""

from notifiers.story.context import StoryContext
from notifiers.story.sentences import ACCEPTED_KINDS
from receiver.domain.automation import VIA, rule_name_of
from receiver.domain.refusal import N_

MAX_RULE = 60
REQUESTS = {
    "validate": N_("Rule {rule} asked {source} to validate this; waiting for its confirmation"),
    "reject": N_("Rule {rule} asked {source} to reject this; waiting for its confirmation"),
}
DECISIONS = {
    "validated": N_("Validated automatically by rule {rule}, {moment}"),
    "rejected": N_("Rejected automatically by rule {rule}, {moment}"),
}
DECISIONS_ON_PROPOSAL = {
    "validated": N_("Accepted automatically by rule {rule}, {moment}"),
    "rejected": N_("Declined automatically by rule {rule}, {moment}"),
}
RESOLVED = N_("Resolved automatically by rule {rule}, {moment}")
DRY_RUNS = {
    "validate": N_("Dry run: rule {rule} would have validated this"),
    "reject": N_("Dry run: rule {rule} would have rejected this"),
}


def format_request(context: StoryContext) -> str | None:
    """Which rule sent the request that is running; None when a person did."""
    attempt = context.item.attempt
    if attempt is None or attempt.via != VIA or attempt.verb not in REQUESTS:
        return None
    return context.formats.gettext(REQUESTS[attempt.verb], rule=_rule_name(context, attempt.who), source=context.source)


def format_decision(context: StoryContext) -> str | None:
    """Which rule decided, and until when that can be undone; None when a person decided."""
    item, formats = context.item, context.formats
    if item.resolved_via != VIA or item.resolved_by is None:
        return None
    sentences = DECISIONS | DECISIONS_ON_PROPOSAL if item.kind in ACCEPTED_KINDS else DECISIONS
    sentence = sentences.get(item.outcome or "", RESOLVED)
    moment = formats.moment(item.resolved_at or item.changed_at)
    decision = formats.gettext(sentence, rule=_rule_name(context, item.resolved_by), moment=moment)
    if "undo" not in context.notice.verbs or item.undo_until is None:
        return decision
    until = formats.gettext("It can be undone until {moment}.", moment=formats.clock(item.undo_until))
    return f"{decision}. {until}"


def format_dry_run(context: StoryContext) -> str | None:
    """What a rule on a dry run would have done; None without one."""
    dry_run = context.item.foreseen
    if dry_run is None or dry_run.verb not in DRY_RUNS:
        return None
    return context.formats.gettext(DRY_RUNS[dry_run.verb], rule=_rule_name(context, dry_run.rule))


def _rule_name(context: StoryContext, who: str) -> str:
    return context.line(rule_name_of(who), MAX_RULE) or "?"
