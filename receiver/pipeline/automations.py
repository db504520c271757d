"""Between 5 and 8: a rule presses a verb on an item that a source has just shown, in the transaction that applied it.

So the item cannot be out of date, no kill comes in between, and two replicas cannot both act. It decides nothing that a
press of a person would not: ``actions.py`` does the rest (docs/decisions/0018).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from receiver.context import Rules
from receiver.domain.admin_alert import AdminAlert
from receiver.domain.automation import WINDOW, Automation, is_over, is_untouched
from receiver.domain.fact import Fact, RuleForesaw, SourceSaid
from receiver.domain.item import Item
from receiver.domain.ledger import Applied, Decision
from receiver.domain.notice import verbs_for
from receiver.pipeline import admin_alerts
from receiver.pipeline.actions import Refused, take_action
from receiver.pipeline.apply import apply_fact, apply_facts
from receiver.store import actions, alerts, items, locks

FRESH_FOR = timedelta(minutes=5)  # what a source said longer ago is left to people
STOPPED = "automation_stopped"
DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a rule did, for the metrics and the log. ``word``: taken, dry_run, stopped, or why it was refused."""

    rule: str
    verb: str
    item_id: str
    word: str


def apply_considered(
    connection: Connection, facts: Sequence[Fact], rules: Rules, now: datetime
) -> tuple[list[Decision], list[Pressed]]:
    """``apply_facts``, and what the rules make of every item that opened or that its source changed."""
    if not rules.automations:
        return apply_facts(connection, facts, now, rules.routes), []
    keys = [fact.key for fact in facts]
    items.hold(connection, keys)
    believed = {key for key, item in items.by_keys(connection, keys).items() if item.is_unconfirmed}
    decisions = apply_facts(connection, facts, now, rules.routes)
    ids = dict.fromkeys(_news(facts, decisions, believed, now))
    return decisions, [pressed for item_id in ids for pressed in _consider(connection, item_id, rules, now)]


def _news(
    facts: Sequence[Fact], decisions: Sequence[Decision], believed: Collection[str], now: datetime
) -> Iterator[str]:
    """Ids of what a source has just shown to be new or another, or to be as an event had said."""
    for fact, decision in zip(facts, decisions, strict=True):
        is_sure = isinstance(fact, SourceSaid) and not fact.is_unconfirmed and now - fact.said_at <= FRESH_FOR
        is_news = fact.key in believed or getattr(decision, "transition", None) in {"opened", "changed"}
        if is_sure and is_news and isinstance(decision, Applied):
            yield decision.item.id


def _consider(connection: Connection, item_id: str, rules: Rules, now: datetime) -> Iterator[Pressed]:
    """Dry rules only say so; the first other one that takes it acts, or is stopped and leaves it to people."""
    before = items.find(connection, item_id)
    is_foretold = before is not None and before.foreseen is not None  # on these words: others would have taken it away
    for rule in rules.automations:
        item = items.find(connection, item_id)
        if item is None or not is_untouched(item) or actions.is_anybodys(connection, item_id):
            return
        if rule.dry_run and is_foretold:
            continue
        if not rule.accepts(item.snapshot) or rule.verb not in verbs_for(item, now):
            continue
        if not rules.people.may_decide_alone(item.snapshot.amount):
            return
        yield Pressed(rule.name, rule.verb, item_id, _press(connection, rule, item, rules, now))
        if not rule.dry_run:
            return


def _press(connection: Connection, rule: Automation, item: Item, rules: Rules, now: datetime) -> str:
    click = rule.press(item, is_dry=rule.dry_run)
    if rule.dry_run:
        actions.add(connection, click, DRY_RUN, None, now)
        fact = RuleForesaw(item.key, rule.name, rule.verb, rule.person, click.via, click.note)
        apply_fact(connection, fact, now, rules.routes)
        return DRY_RUN
    if not _may_act(connection, rule, rules, now):
        return "stopped"
    outcome = take_action(connection, click, now, rules.routes, rules.people)
    return outcome.code if isinstance(outcome, Refused) else "taken"


def _may_act(connection: Connection, rule: Automation, rules: Rules, now: datetime) -> bool:
    """Whether the rule has not done its share of this hour; one more than that stops it and is told to the admins."""
    locks.hold(connection, [f"automation {rule.name}"])  # two replicas count one after the other
    name = rule.alarm
    standing = alerts.standing(connection).get(name)
    if standing and not is_over(standing.since, now):
        return False
    if actions.count(connection, rule.identities, now - WINDOW) < rule.at_most:
        return True
    if standing:
        alerts.end(connection, name)
    alarm = AdminAlert(name, STOPPED, now, str(rule.at_most))
    alerts.begin(connection, alarm)
    admin_alerts.enqueue_admin_alert(connection, rules.people.admins, rules.channels, alarm, now, has_begun=True)
    return False
