"""Delivers a command: asks the source to do what a person decided, and stores its answer."""

from datetime import datetime

from sqlalchemy import Connection

from receiver.context import OUTBOX_WAKEUP, Rules, reconcile_wakeup
from receiver.domain import plan
from receiver.domain.action import SourceCommand
from receiver.domain.fact import Fact, SourceAccepted, SourceCompleted, SourceRefused
from receiver.domain.item import Item
from receiver.errors import PermanentError
from receiver.pipeline.apply import apply_facts
from receiver.pipeline.deliver.attempt import Attempt, require_lease
from receiver.store import actions, items, outbox
from receiver.store.outbox import Delivery
from receiver.store.payloads import Command, Reply


async def deliver_command(attempt: Attempt) -> None:
    """Execute the action at its source. The answer is stored as facts, in the transaction that ends the delivery."""
    adapters, delivery = attempt.adapters, attempt.delivery
    item, action = await adapters.database.read(_item_and_action, delivery)
    source, _, account = delivery.destination.partition(":")
    upstream = adapters.upstreams.get((source, account))
    if upstream is None:
        what = f"{delivery.destination} is not in the configuration any more"
        raise PermanentError("unknown_account", what, scope="internal")
    facts = await upstream.execute(_command_of(item, action, delivery))
    is_ours = await attempt.write_outcome(
        _finish, adapters.rules, delivery, attempt.claim_id, action.id, facts, adapters.now()
    )
    adapters.wakeups.notify(OUTBOX_WAKEUP)
    if any(isinstance(fact, SourceAccepted) for fact in facts):
        adapters.wakeups.notify(reconcile_wakeup(source, account))
    require_lease(is_ours)


def _command_of(item: Item, action: actions.ActionRow, delivery: Delivery) -> SourceCommand:
    return SourceCommand(
        action_id=action.id,
        key=item.key,
        verb=action.verb,
        person=action.person,
        note=action.note,
        text=action.text,
        asked_at_us=round(action.at.timestamp() * 1_000_000),
        maybe_duplicate=delivery.maybe_delivered,
        case_id=item.snapshot.case_id,
        plan=plan.parse_plan(action.terms.plan) if action.terms.plan else None,
        confirmed_by=item.attempt.confirmed_by if item.attempt else None,
    )


def _finish(
    connection: Connection,
    rules: Rules,
    delivery: Delivery,
    claim_id: str,
    action_id: int,
    facts: list[Fact],
    now: datetime,
) -> bool:
    """Apply the source's answer and finish the delivery; False when the lease was lost.

    What the source did is true whoever owns the row now, so it is applied also after a lost lease. Only a refusal is
    then left to the new owner, who asks the source first and gets the same answer: the buttons must not return while a
    command is still running.
    """
    is_ours = outbox.finish(connection, delivery.id, claim_id, now)
    if not is_ours and any(isinstance(fact, SourceRefused) for fact in facts):
        return False
    apply_facts(connection, facts, now, rules.routes)
    if not any(isinstance(fact, SourceAccepted | SourceCompleted | SourceRefused) for fact in facts):
        item = items.find(connection, delivery.item_id)
        if item is not None and item.attempt is not None and item.attempt.action_id == action_id:
            apply_facts(connection, [SourceAccepted(item.key, action_id)], now, rules.routes)
    if is_ours:
        _reply_if_too_late(connection, delivery, action_id, now)
    return is_ours


def _reply_if_too_late(connection: Connection, delivery: Delivery, action_id: int, now: datetime) -> None:
    """Reply to the person when somebody else has decided at the source meanwhile."""
    action = actions.find(connection, action_id)
    item = items.find(connection, delivery.item_id)
    if action and item and action.state == "failed" and action.answer_to and item.state == "resolved":
        reply = Reply("resolved_elsewhere", {"outcome": item.outcome or ""})
        outbox.enqueue(connection, delivery.item_id, action.answer_to, reply, now)


def _item_and_action(connection: Connection, delivery: Delivery) -> tuple[Item, actions.ActionRow]:
    item = items.find(connection, delivery.item_id)
    action = actions.find(connection, delivery.payload_as(Command).action_id)
    assert item is not None, f"outbox row {delivery.id} without its item"
    assert action is not None, f"outbox row {delivery.id} without its action"
    return item, action
