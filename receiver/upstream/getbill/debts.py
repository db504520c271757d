"""The receivables of a todo: the state of its debts, for twins and conflicts. Pure.

Getbill lists todos, not debts, so each todo of a debt, open or decided, contributes to its state:
docs/vendors/getbill.md#todos
"""

from collections.abc import Iterator
from datetime import date

from receiver.domain.money import Money
from receiver.domain.twin import BROKEN, DISPUTED, OWED, PAID, PLANNED, Receivable, reference_of
from receiver.domain.words import fold
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.translate import SOURCE, debtor_of, kind_of, outcome_of, page_of, unpaid

# By the last part of a debt's status. Other statuses are company-specific: docs/vendors/getbill.md#debts
_STANDING = {
    **dict.fromkeys(("paid", "settled"), PAID),
    **dict.fromkeys(("pending", "in_progress", "active", "on_hold"), OWED),
}


def receivables(
    key: str, todo: wire.Todo, debt: wire.Debt | None, account: str, today: date, *, todo_url: str | None = None
) -> Iterator[Receivable]:
    """Yield one receivable for each debt with a reference. ``debt``: the first debt in full, if it was read."""
    full_debt = debt or wire.Debt()
    for index, listed_debt in enumerate(todo.debts or [todo.debt or wire.Debt()]):
        is_first = index == 0
        reference = reference_of(listed_debt.reference or (full_debt.invoice_reference if is_first else None))
        if reference is None:
            continue
        amount = full_debt.amount if listed_debt.amount is None and is_first else listed_debt.amount
        currency = todo.currency or listed_debt.currency or full_debt.currency
        yield Receivable(
            key=key,
            source=SOURCE,
            account=account,
            side=f"{SOURCE}:{account}:debt:{listed_debt.id or reference}",
            reference=reference,
            name=full_debt.internal_id if is_first else None,
            debtor=debtor_of(full_debt),
            amounts=() if amount is None else (Money(amount, currency),),
            stage=_status_name(listed_debt) or None,
            standing=tuple(sorted(_list_states(todo, listed_debt, today))),
            url=page_of(todo, todo_url),
        )


def _list_states(todo: wire.Todo, debt: wire.Debt, today: date) -> Iterator[str]:
    if state := _STANDING.get(_status_name(debt)):
        yield state
    match kind_of(todo), todo.status:
        case "portal_dispute", status if status != "rejected":
            yield DISPUTED
        case "ai_dispute", "validated":  # until then only the AI assumes it
            yield DISPUTED
        case "agreement", _ if outcome_of(todo) is None:
            is_late = any(part.payment_date and part.payment_date < today for part in unpaid(todo))
            yield BROKEN if is_late else PLANNED


def _status_name(debt: wire.Debt) -> str:
    return fold(debt.status).rpartition(".")[2]
