"""One receivable in two systems: by what twins are recognised, how sure that is, and what is told of them. Pure.

Neither vendor knows the other. What joins them is the creditor's own number, which both were given: Getbill's
``invoice_reference`` and Debitura's ``creditorReference`` (debitura.md, section 8; docs/decisions/0012).
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from receiver.domain.money import Money

# How a receivable stands; a source says as many of these as it knows, and none where its word is not known here.
PAID, OWED, DISPUTED, PLANNED, BROKEN, PURSUED = "paid", "owed", "disputed", "planned", "broken", "pursued"

_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_NO_LETTER = re.compile(r"[^\w\s]|_")
_FORM = re.compile(
    r"ab|aps|as|ag|bv|co|corp|eurl|ev|gmbh|inc|is|ivs|kg|kk|limited|llc|llp|ltd|nv|ohg|oy|plc|sa|sarl|sas|sasu|se|sl|"
    r"spa|srl|ug|und|and|et|og|mr|mrs|ms|mme|herr|frau"
)


@dataclass(frozen=True, slots=True)
class Receivable:
    """What one record of one system says of one receivable. ``None`` is "it did not say".

    ``side`` names the debt or the case: records with the same one are read together, for a debt may have several todos.
    """

    key: str  # of the record: getbill:main:debtor_request:7, debitura:main:case:8f19…
    source: str
    account: str
    side: str
    reference: str  # as ``reference_of`` writes it
    name: str | None = None  # what people there call it, such as Q8OAXF3W
    debtor: str | None = None
    amounts: tuple[Money, ...] = ()  # any by which it may be known: with fees, without
    stage: str | None = None  # how it stands, in the source's own word
    partner: str | None = None
    standing: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Twin:
    """The same receivable elsewhere, as people are told of it."""

    source: str
    account: str
    is_sure: bool
    name: str | None = None
    stage: str | None = None
    partner: str | None = None
    standing: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    one: Receivable
    other: Receivable
    is_sure: bool


def reference_of(text: str | None) -> str | None:
    """The number as it is compared: exactly, but for the space around it."""
    return (text or "").strip() or None


def certainty(one: Receivable, other: Receivable) -> Literal["sure", "unsure"] | None:
    """None when these are no twins; "sure" when amount and currency, or the debtor's name, confirm the reference."""
    if one.source == other.source or one.reference != other.reference:
        return None
    amounts = {money for money in one.amounts if money.currency}
    names = (_name(one.debtor), _name(other.debtor))
    is_confirmed = not amounts.isdisjoint(other.amounts) or (bool(names[0]) and names[0] == names[1])
    return "sure" if is_confirmed else "unsure"


def sides(records: Iterable[Receivable]) -> list[Receivable]:
    """One receivable a debt or case, with what all of its records say; in an order that does not depend on theirs.

    A plan that still runs says more than the debt's status: Getbill writes "settled" of a debt whose instalments are
    all to come (seed text). Whoever knows of a payment beats whoever still shows the debt open.
    """
    grouped: dict[tuple[str, str], list[Receivable]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.key):
        grouped[record.side, record.reference].append(record)
    return [_together(grouped[side]) for side in sorted(grouped)]


def best_twin(one: Receivable, others: Iterable[Receivable]) -> tuple[Receivable, bool] | None:
    """The twin among ``others`` and whether it surely is one: of two that both seem to be, neither is."""
    found = [(certainty(one, other) == "sure", other) for other in others if certainty(one, other)]
    if not found:
        return None
    ranked = sorted(found, key=lambda pair: (not pair[0], not pair[1].standing, pair[1].side))
    is_sure, best = ranked[0]
    rivals = sum(sure and bool(other.standing) for sure, other in ranked)
    return best, is_sure and rivals < 2  # noqa: PLR2004 - itself and another


def pairs(records: Iterable[Receivable]) -> list[Pair]:
    """Who belongs to whom, where each is the other's best; sources in the order of their names."""
    known = sides(records)
    found = []
    for one in known:
        for source in sorted({other.source for other in known if other.source > one.source}):
            there = best_twin(one, (other for other in known if other.source == source))
            back = best_twin(there[0], (other for other in known if other.source == one.source)) if there else None
            if there and back and back[0] == one:
                found.append(Pair(one, there[0], there[1] and back[1]))
    return found


def twin_of(own: Sequence[Receivable], others: Iterable[Receivable]) -> Twin | None:
    """What to tell of the other system, for an item with the receivables ``own``; the first that has a twin."""
    elsewhere = sides(others)
    for one in own:
        found = best_twin(one, elsewhere)
        if found:
            return told(*found)
    return None


def told(other: Receivable, is_sure: bool) -> Twin:
    return Twin(other.source, other.account, is_sure, other.name, other.stage, other.partner, other.standing, other.url)


def filled(newer: Receivable, older: Receivable) -> Receivable:
    """The newer record; what it does not say of debtor, name and currency is what the older one said."""
    currencies = {money.amount: money for money in older.amounts}
    amounts = (money if money.currency else currencies.get(money.amount, money) for money in newer.amounts)
    return replace(
        newer,
        debtor=newer.debtor or older.debtor,
        name=newer.name or older.name,
        url=newer.url or older.url,
        amounts=tuple(amounts),
    )


def _together(records: Sequence[Receivable]) -> Receivable:
    standing = {word for record in records for word in record.standing}
    if standing & {PLANNED, BROKEN}:
        standing.discard(PAID)
    if PAID in standing:
        standing -= {OWED, PURSUED}

    def first(name: str) -> str | None:
        return next((getattr(record, name) for record in records if getattr(record, name)), None)

    return replace(
        records[0],
        name=first("name"),
        debtor=first("debtor"),
        amounts=tuple(dict.fromkeys(money for record in records for money in record.amounts)),
        stage=first("stage"),
        partner=first("partner"),
        standing=tuple(sorted(standing)),
        url=first("url"),
    )


def _name(name: str | None) -> frozenset[str]:
    """The words of a name without accents, legal forms and order: "ROE, Jane" is Jane Roe."""
    plain = unicodedata.normalize("NFKD", (name or "").casefold().translate(_LETTERS))
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    words = _NO_LETTER.sub("", letters.replace("-", " ").replace(",", " ")).split()
    return frozenset(word for word in words if len(word) > 1 and not _FORM.fullmatch(word))
