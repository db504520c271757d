"""Where two systems disagree about one receivable: the rules, and the item that tells of it. Pure.

A conflict is Casebell's own item: nobody decides it here, and it closes when the two agree (interfaces.md, Items).
"""

import hashlib

from receiver.domain.item import Detail, Snapshot
from receiver.domain.twin import DISPUTED, OWED, PAID, PLANNED, PURSUED, Pair, Receivable, told

SOURCE = "casebell"
KIND = "conflict"
AGREED = "agreed"  # the outcome once the two say the same

# What one side says, what the other then must not say, and what it may say to agree after all; the gravest first.
_RULES = ((PAID, OWED, PAID), (DISPUTED, PURSUED, DISPUTED), (PLANNED, PURSUED, PLANNED))


def verdict(one: Receivable, other: Receivable) -> tuple[str, Receivable, Receivable] | None:
    """Why the two disagree, with the side that says so first; None when they do not."""
    for said, denied, agreed in _RULES:
        for first, second in ((one, other), (other, one)):
            if said in first.standing and denied in second.standing and agreed not in second.standing:
                return said, first, second
    return None


def key_of(pair: Pair) -> str:
    """The same for the same two sides, whatever they say; its account is the one of the first system's name."""
    name = f"{pair.one.side}\n{pair.other.side}\n{pair.one.reference}"
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{SOURCE}:{_account(pair)}:{KIND}:{digest}"


def snapshot(pair: Pair) -> Snapshot | None:
    """The conflict as an item says it; None where there is none, or where it is not sure that these two are one."""
    found = verdict(pair.one, pair.other) if pair.is_sure else None
    if found is None:
        return None
    why, first, second = found
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
        details=(Detail("conflict", text=why),),
        sides=(told(first, is_sure=True), told(second, is_sure=True)),
    )


def _account(pair: Pair) -> str:
    """Getbill's account, since what is owed is dunned there first; the sources are in the order of their names."""
    return next((side.account for side in (pair.one, pair.other) if side.source == "getbill"), pair.one.account)
