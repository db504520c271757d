"""Decides whether two systems contradict each other about one receivable, and builds the item for it. Pure.

A conflict is Casebell's own item: it offers no decision, and it is resolved when the two systems agree.
"""

import hashlib

from receiver.domain.item import Detail, Snapshot
from receiver.domain.twin import DISPUTED, OWED, PAID, PLANNED, PURSUED, Pair, Receivable, as_twin

SOURCE = "casebell"
KIND = "conflict"
AGREED = "agreed"  # the outcome of a conflict that ended

# The standing of one side, the contradicting standing of the other, and the standing with which the other agrees
# nevertheless. The most serious contradiction comes first.
_RULES = ((PAID, OWED, PAID), (DISPUTED, PURSUED, DISPUTED), (PLANNED, PURSUED, PLANNED))


def find_contradiction(one: Receivable, other: Receivable) -> tuple[str, Receivable, Receivable] | None:
    """The standing that is contradicted, the side that has it and the side that contradicts; None if there is none."""
    for standing, contradicting, agreeing in _RULES:
        for first, second in ((one, other), (other, one)):
            if standing in first.standing and contradicting in second.standing and agreeing not in second.standing:
                return standing, first, second
    return None


def key_of(pair: Pair) -> str:
    """The item key of a conflict. It depends on the two sides only, not on their data."""
    name = f"{pair.one.side}\n{pair.other.side}\n{pair.one.reference}"
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{SOURCE}:{_account(pair)}:{KIND}:{digest}"


def conflict_snapshot(pair: Pair) -> Snapshot | None:
    """The conflict as data of an item; None if there is none, or if the two may be different receivables."""
    contradiction = find_contradiction(pair.one, pair.other) if pair.is_sure else None
    if contradiction is None:
        return None
    standing, first, second = contradiction
    return Snapshot(
        key=key_of(pair),
        source=SOURCE,
        account=_account(pair),
        kind=KIND,
        urgency="review",
        is_open=True,
        reference=pair.one.reference,
        debtor=first.debtor or second.debtor,
        amount=next((money for side in (pair.one, pair.other) for money in side.amounts if money.currency), None),
        details=(Detail("conflict", text=standing),),
        sides=(as_twin(first, is_sure=True), as_twin(second, is_sure=True)),
    )


def _account(pair: Pair) -> str:
    """Getbill's account if it is one of the two, because a receivable is in Getbill first."""
    return next((side.account for side in (pair.one, pair.other) if side.source == "getbill"), pair.one.account)
