"""Automations: a rule acts on an item that its source has just reported, in the transaction that applied the report.

So the item is current, the process cannot die in between, and two replicas cannot both act. A rule can do only what a
person could: ``actions.py`` checks its click like any other (docs/decisions/0018).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.context import Rules
from receiver.domain.admin_alert import AdminAlert
from receiver.domain.automation import WINDOW, Automation, is_untouched, may_resume
from receiver.domain.fact import DryRunMatched, Fact, SourceReported
from receiver.domain.item import Item
from receiver.domain.ledger import Applied, Decision
from receiver.domain.notice import verbs_for
from receiver.pipeline import admin_alerts
from receiver.pipeline.actions import Refused, take_action
from receiver.pipeline.apply import apply_fact, apply_facts
from receiver.store import actions, alerts, items, locks

FRESH_FOR = timedelta(minutes=5)  # an older report is left to people
STOPPED = "automation_stopped"
DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What a rule did, for the metrics and the log. ``result``: taken, dry_run, stopped, or the code of a refusal."""

    rule: str
    verb: str
    item_id: str
    result: str


def apply_with_automations(
    connection: Connection, facts: Sequence[Fact], rules: Rules, now: datetime
) -> tuple[list[Decision], list[RuleOutcome]]:
    """``apply_facts``, then the automations for every item that opened or that its source changed."""
    if not rules.automations:
        return apply_facts(connection, facts, now, rules.routes), []
    keys = [fact.key for fact in facts]
    items.lock(connection, keys)
    unconfirmed = {key for key, item in items.find_by_keys(connection, keys).items() if item.is_unconfirmed}
    decisions = apply_facts(connection, facts, now, rules.routes)
    ids = dict.fromkeys(_reported_items(facts, decisions, unconfirmed, now))
    return decisions, [outcome for item_id in ids for outcome in _run_rules(connection, item_id, rules, now)]


def _reported_items(
    facts: Sequence[Fact], decisions: Sequence[Decision], unconfirmed: Collection[str], now: datetime
) -> Iterator[str]:
    """Ids of the items that a source has just reported as new or changed, or has confirmed after an event."""
    for fact, decision in zip(facts, decisions, strict=True):
        is_sure = isinstance(fact, SourceReported) and not fact.is_unconfirmed and now - fact.said_at <= FRESH_FOR
        is_news = fact.key in unconfirmed or getattr(decision, "transition", None) in {"opened", "changed"}
        if is_sure and is_news and isinstance(decision, Applied):
            yield decision.item.id


def _run_rules(connection: Connection, item_id: str, rules: Rules, now: datetime) -> Iterator[RuleOutcome]:
    """Record what rules with ``dry_run`` would do. The first other rule that matches acts, or is stopped."""
    before = items.find(connection, item_id)
    is_foreseen = before is not None and before.foreseen is not None  # a dry run has recorded this state already
    for rule in rules.automations:
        item = items.find(connection, item_id)
        if item is None or not is_untouched(item) or actions.has_any(connection, item_id):
            return
        if rule.dry_run and is_foreseen:
            continue
        if not rule.accepts(item.snapshot) or rule.verb not in verbs_for(item, now):
            continue
        if not rules.people.may_decide_alone(item.snapshot.amount):
            return
        yield RuleOutcome(rule.name, rule.verb, item_id, _act(connection, rule, item, rules, now))
        if not rule.dry_run:
            return


def _act(connection: Connection, rule: Automation, item: Item, rules: Rules, now: datetime) -> str:
    click = rule.click(item, is_dry=rule.dry_run)
    if rule.dry_run:
        actions.add(connection, click, DRY_RUN, None, now)
        fact = DryRunMatched(item.key, rule.name, rule.verb, rule.person, click.via, click.note)
        apply_fact(connection, fact, now, rules.routes)
        return DRY_RUN
    if not _may_act(connection, rule, rules, now):
        return "stopped"
    outcome = take_action(connection, click, now, rules.routes, rules.people)
    return outcome.code if isinstance(outcome, Refused) else "taken"


def _may_act(connection: Connection, rule: Automation, rules: Rules, now: datetime) -> bool:
    """Whether the rule is below its limit an hour; the first action above it stops the rule and alerts the admins."""
    locks.acquire(connection, [f"automation {rule.name}"])  # replicas count one after the other
    name = rule.alert_name
    standing = alerts.list_active(connection).get(name)
    if standing and not may_resume(standing.since, now):
        return False
    if actions.count_by_rule(connection, rule.identity_prefix, now - WINDOW) < rule.at_most:
        return True
    if standing:
        alerts.end(connection, name)
    alert = AdminAlert(name, STOPPED, now, str(rule.at_most))
    alerts.begin(connection, alert)
    admin_alerts.enqueue_admin_alert(connection, rules.people.admins, rules.channels, alert, now, has_begun=True)
    return False
