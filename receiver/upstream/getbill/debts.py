"""How a debt stands, as one todo about it shows: what twins and conflicts are made of. Serves step 4; pure.

Getbill lists todos, not debts, so that every todo of a debt, decided or not, says a part of it (getbill.md, Todos).
"""

from collections.abc import Iterator
from datetime import date

from receiver.domain.money import Money
from receiver.domain.twin import BROKEN, DISPUTED, OWED, PAID, PLANNED, Receivable, reference_of
from receiver.domain.words import fold
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.translate import SOURCE, debtor_of, kind_of, outcome_of, page_of, unpaid

# The last part of a debt's status; other words are a company's own and say nothing here (getbill.md, Debts).
_STANDING = {
    **dict.fromkeys(("paid", "settled"), PAID),
    **dict.fromkeys(("pending", "in_progress", "active", "on_hold"), OWED),
}


def receivables(
    key: str, todo: wire.Todo, debt: wire.Debt | None, account: str, today: date, *, todo_url: str | None = None
) -> Iterator[Receivable]:
    """One for each debt of the todo that has a reference; ``debt`` is the first of them, as far as it was read."""
    whole = debt or wire.Debt()
    for number, brief in enumerate(todo.debts or [todo.debt or wire.Debt()]):
        is_first = number == 0
        reference = reference_of(brief.reference or (whole.invoice_reference if is_first else None))
        if reference is None:
            continue
        amount = whole.amount if brief.amount is None and is_first else brief.amount
        currency = todo.currency or brief.currency or whole.currency
        yield Receivable(
            key=key,
            source=SOURCE,
            account=account,
            side=f"{SOURCE}:{account}:debt:{brief.id or reference}",
            reference=reference,
            name=whole.internal_id if is_first else None,
            debtor=debtor_of(whole),
            amounts=() if amount is None else (Money(amount, currency),),
            stage=_word(brief) or None,
            standing=tuple(sorted(_standing(todo, brief, today))),
            url=page_of(todo, todo_url),
        )


def _standing(todo: wire.Todo, debt: wire.Debt, today: date) -> Iterator[str]:
    if word := _STANDING.get(_word(debt)):
        yield word
    match kind_of(todo), todo.status:
        case "portal_dispute", status if status != "rejected":
            yield DISPUTED
        case "ai_dispute", "validated":  # until then only the AI thinks so
            yield DISPUTED
        case "agreement", _ if outcome_of(todo) is None:
            is_late = any(part.payment_date and part.payment_date < today for part in unpaid(todo))
            yield BROKEN if is_late else PLANNED


def _word(debt: wire.Debt) -> str:
    return fold(debt.status).rpartition(".")[2]
