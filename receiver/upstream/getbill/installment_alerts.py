"""Alerts that a todo causes by date: an overdue instalment, a hardship's check-in. Pure.

Getbill has no todo for either (docs/vendors/getbill.md#todos). The key of an alert is its todo and its day: a restart
does not repeat it, and a changed plan causes alerts for its new dates only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

from receiver.domain.item import Detail, Snapshot
from receiver.domain.money import Money
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.translate import SOURCE, is_paid, key_of, kind_of, outcome_of, split_key, unpaid

OVERDUE_INSTALLMENT, CHECK_IN = "overdue_installment", "check_in"
PAID, ANSWERED, GONE = "paid", "completed", "gone"
MAX_OVERDUE = 60  # instalments of one plan


def alert_days(todo: wire.Todo, today: date) -> list[date | None]:
    """Return the days on which the todo causes an alert; None for a due check-in without a date."""
    kind = kind_of(todo)
    if kind == "agreement" and outcome_of(todo) is None:
        days = {part.payment_date for part in unpaid(todo) if part.payment_date and part.payment_date < today}
        return [*sorted(days)[-MAX_OVERDUE:]]
    is_open = kind == "hardship" and todo.status != "rejected"
    return [todo.check_in_date] if is_open and _is_check_in_due(todo, today) else []


def alert_snapshots(snapshot: Snapshot, todo: wire.Todo, today: date) -> Iterator[Snapshot]:
    """Yield the open alerts of a todo up to today. ``snapshot`` is the todo's own."""
    for day in alert_days(todo, today):
        yield _installment_alert(snapshot, day) if kind_of(todo) == "agreement" else _check_in_alert(snapshot, day)


def ended_alerts(todo: wire.Todo, open_alerts: Collection[str], due_keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the key and the outcome of each alert of this todo that is over: paid, answered, or gone."""
    paid = {_day(part.payment_date) for part in todo.installments if is_paid(part)}
    for key in sorted(set(open_alerts) - set(due_keys)):
        if f":{CHECK_IN}:" in key:
            yield key, ANSWERED
        else:
            yield key, PAID if key.rpartition(":")[2] in paid else GONE


def parent_of(key: str, account: str) -> str | None:
    """Return the key of the todo behind an alert; None for any other key."""
    split = split_key(key, account)
    if split is None or split[0] not in {OVERDUE_INSTALLMENT, CHECK_IN}:
        return None
    kind = "agreement" if split[0] == OVERDUE_INSTALLMENT else "debtor_request"
    return key_of(account, kind, split[1].rpartition(":")[0])


def alerts_by_todo(keys: Collection[str], account: str) -> dict[str, set[str]]:
    """Group the alerts among ``keys`` by the key of their todo."""
    alerts: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        if (parent := parent_of(key, account)) is not None:
            alerts[parent].add(key)
    return dict(alerts)


def _installment_alert(snapshot: Snapshot, day: date | None) -> Snapshot:
    """One alert a day: two instalments of the same day share it."""
    amount = _total([part.amount for part in snapshot.installments if part.due_on == day and not part.is_paid])
    alert = _alert(snapshot, OVERDUE_INSTALLMENT, day)
    details = (Detail("due_day", day=day),)
    return replace(alert, amount=amount, installments=snapshot.installments, details=details)


def _check_in_alert(snapshot: Snapshot, day: date | None) -> Snapshot:
    details = tuple(detail for detail in snapshot.details if detail.name not in {"check_in_due", "check_in_date"})
    return replace(_alert(snapshot, CHECK_IN, day), details=(Detail("due_day", day=day), *details) if day else details)


def _alert(snapshot: Snapshot, kind: str, day: date | None) -> Snapshot:
    """Return an item about the todo's debt, without the todo's question."""
    todo_id = snapshot.key.removeprefix(f"{SOURCE}:{snapshot.account}:").partition(":")[2]
    return Snapshot(
        key=key_of(snapshot.account, kind, f"{todo_id}:{_day(day)}"),
        source=snapshot.source,
        account=snapshot.account,
        kind=kind,
        urgency="review",
        is_open=True,
        reference=snapshot.reference,
        case_reference=snapshot.case_reference,
        debtor=snapshot.debtor,
        amount=snapshot.amount,
        solution_url=snapshot.solution_url,
        debt_id=snapshot.debt_id,
        is_partial=snapshot.is_partial,
    )


def _total(amounts: list[Money | None]) -> Money | None:
    parts = [money for money in amounts if money is not None]
    return replace(parts[0], amount=sum((money.amount for money in parts), Decimal())) if parts else None


def _is_check_in_due(todo: wire.Todo, today: date) -> bool:
    """Whether Getbill says so; by the date where it does not."""
    if todo.check_in_due is not None:
        return todo.check_in_due
    return todo.check_in_date is not None and todo.check_in_date <= today


def _day(day: date | None) -> str:
    return day.isoformat() if day else "-"
