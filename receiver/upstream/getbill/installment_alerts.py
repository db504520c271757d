"""What falls due in a todo and rings by itself: an instalment that is late, a hardship's check-in. Step 4; pure.

Getbill has no todo of its own for either. An alert is known by its todo and its day, so that it rings once whatever is
restarted, and a plan whose dates were changed rings for the new ones only (getbill.md, Todos).
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

LATE, CHECK_IN = "overdue_installment", "check_in"
PAID, ANSWERED, GONE = "paid", "completed", "gone"
MOST_LATE = 60  # instalments of one plan: five years of months


def days_due(todo: wire.Todo, today: date) -> list[date | None]:
    """Days for which the todo rings by itself; None for a check-in that is due and has no date."""
    kind = kind_of(todo)
    if kind == "agreement" and outcome_of(todo) is None:
        days = {part.payment_date for part in unpaid(todo) if part.payment_date and part.payment_date < today}
        return [*sorted(days)[-MOST_LATE:]]
    is_open = kind == "hardship" and todo.status != "rejected"
    return [todo.check_in_date] if is_open and _is_check_in_due(todo, today) else []


def due(said: Snapshot, todo: wire.Todo, today: date) -> Iterator[Snapshot]:
    """Open alerts for what the todo, which ``said`` tells of, lets fall due up to today."""
    for day in days_due(todo, today):
        yield _late(said, day) if kind_of(todo) == "agreement" else _check_in(said, day)


def ended(todo: wire.Todo, open_alerts: Collection[str], still_due: Collection[str]) -> Iterator[tuple[str, str]]:
    """Alerts of this todo that are over, each with how: paid, answered, or gone with the plan's dates."""
    paid = {_day(part.payment_date) for part in todo.installments if is_paid(part)}
    for key in sorted(set(open_alerts) - set(still_due)):
        if f":{CHECK_IN}:" in key:
            yield key, ANSWERED
        else:
            yield key, PAID if key.rpartition(":")[2] in paid else GONE


def parent_of(key: str, account: str) -> str | None:
    """Key of the todo behind an alert; None for a key that is none of these."""
    split = split_key(key, account)
    if split is None or split[0] not in {LATE, CHECK_IN}:
        return None
    what = "agreement" if split[0] == LATE else "debtor_request"
    return key_of(account, what, split[1].rpartition(":")[0])


def alerts_by_todo(keys: Collection[str], account: str) -> dict[str, set[str]]:
    """The alerts among ``keys``, by the key of their todo."""
    found: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        if (parent := parent_of(key, account)) is not None:
            found[parent].add(key)
    return dict(found)


def _late(said: Snapshot, day: date | None) -> Snapshot:
    """One alert a day: two instalments of the same day are one reminder."""
    amount = _sum([part.amount for part in said.installments if part.due_on == day and not part.is_paid])
    details = (Detail("due_day", day=day),)
    return replace(_alert(said, LATE, day), amount=amount, installments=said.installments, details=details)


def _check_in(said: Snapshot, day: date | None) -> Snapshot:
    kept = tuple(detail for detail in said.details if detail.name not in {"check_in_due", "check_in_date"})
    return replace(_alert(said, CHECK_IN, day), details=(Detail("due_day", day=day), *kept) if day else kept)


def _alert(said: Snapshot, what: str, day: date | None) -> Snapshot:
    """An item about the same debt, of which the todo's own question is no part."""
    todo_id = said.key.removeprefix(f"{SOURCE}:{said.account}:").partition(":")[2]
    return Snapshot(
        key=key_of(said.account, what, f"{todo_id}:{_day(day)}"),
        source=said.source,
        account=said.account,
        kind=what,
        urgency="review",
        is_open=True,
        reference=said.reference,
        case_reference=said.case_reference,
        debtor=said.debtor,
        amount=said.amount,
        solution_url=said.solution_url,
        debt_id=said.debt_id,
        is_partial=said.is_partial,
    )


def _sum(amounts: list[Money | None]) -> Money | None:
    known = [money for money in amounts if money is not None]
    return replace(known[0], amount=sum((money.amount for money in known), Decimal())) if known else None


def _is_check_in_due(todo: wire.Todo, today: date) -> bool:
    """As Getbill says; by the day where it does not."""
    if todo.check_in_due is not None:
        return todo.check_in_due
    return todo.check_in_date is not None and todo.check_in_date <= today


def _day(day: date | None) -> str:
    return day.isoformat() if day else "-"
