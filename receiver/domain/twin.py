"""Decides which records of two systems are about the same receivable (twins), and how certain that is. Pure.

The systems share no id. What both have is the creditor's own number: Getbill's ``invoice_reference`` and Debitura's
``creditorReference`` (docs/vendors/debitura.md#matching-a-getbill-debt, docs/decisions/0012).
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from receiver.domain.money import Money

# Standings of a receivable. A record may have several; it has none if its source's status is unknown to Casebell.
PAID, OWED, DISPUTED, PLANNED, BROKEN, PURSUED = "paid", "owed", "disputed", "planned", "broken", "pursued"

_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_NO_LETTER = re.compile(r"[^\w\s]|_")
_NOT_A_NAME = re.compile(
    r"ab|aps|as|ag|bv|co|corp|eurl|ev|gmbh|inc|is|ivs|kg|kk|limited|llc|llp|ltd|nv|ohg|oy|plc|sa|sarl|sas|sasu|se|sl|"
    r"spa|srl|ug|und|and|et|og|mr|mrs|ms|mme|herr|frau"
)


@dataclass(frozen=True, slots=True)
class Receivable:
    """One record of one system about one receivable. ``None`` means that the source gave no value.

    ``side`` identifies the debt or the case. Records with the same side are merged: a debt may have several todos.
    """

    key: str  # of the record: getbill:main:debtor_request:7, debitura:main:case:8f19…
    source: str
    account: str
    side: str
    reference: str  # normalized by ``reference_of``
    name: str | None = None  # its name in that system, such as Q8OAXF3W
    debtor: str | None = None
    amounts: tuple[Money, ...] = ()  # with fees, without fees, …
    stage: str | None = None  # the source's word for its state
    partner: str | None = None
    standing: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Twin:
    """The receivable's record in the other system, as it is shown to people."""

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
    """Two records of different systems about the same receivable; ``one`` has the first source by name."""

    one: Receivable
    other: Receivable
    is_sure: bool


def reference_of(text: str | None) -> str | None:
    """The creditor's number as it is compared: exactly, without surrounding white space; None if there is none."""
    return (text or "").strip() or None


def certainty(one: Receivable, other: Receivable) -> Literal["sure", "unsure"] | None:
    """None if these are no twins; "sure" if amount and currency, or the debtor's name, confirm the reference."""
    if one.source == other.source or one.reference != other.reference:
        return None
    amounts = {money for money in one.amounts if money.currency}
    names = (_name_words(one.debtor), _name_words(other.debtor))
    is_confirmed = not amounts.isdisjoint(other.amounts) or (bool(names[0]) and names[0] == names[1])
    return "sure" if is_confirmed else "unsure"


def merge_by_side(records: Iterable[Receivable]) -> list[Receivable]:
    """One receivable for each debt or case, with the values of all its records; the order of ``records`` is irrelevant.

    A running plan overrides the status of the debt, because Getbill may call a debt "settled" whose instalments are
    all in the future. A record that is paid overrides one that is still open.
    """
    grouped: dict[tuple[str, str], list[Receivable]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.key):
        grouped[record.side, record.reference].append(record)
    return [_merge(grouped[side]) for side in sorted(grouped)]


def find_best_twin(one: Receivable, others: Iterable[Receivable]) -> tuple[Receivable, bool] | None:
    """The best match among ``others``, and whether it is certain: if two match equally well, neither is certain."""
    candidates = [(certainty(one, other) == "sure", other) for other in others if certainty(one, other)]
    if not candidates:
        return None
    ranked = sorted(candidates, key=lambda pair: (not pair[0], not pair[1].standing, pair[1].side))
    is_sure, best = ranked[0]
    equal = sum(sure and bool(other.standing) for sure, other in ranked)
    return best, is_sure and equal < 2  # noqa: PLR2004 - itself and another


def find_pairs(records: Iterable[Receivable]) -> list[Pair]:
    """The pairs in which each is the other's best match."""
    merged = merge_by_side(records)
    pairs = []
    for one in merged:
        for source in sorted({other.source for other in merged if other.source > one.source}):
            match = find_best_twin(one, (other for other in merged if other.source == source))
            if match is None:
                continue
            reverse = find_best_twin(match[0], (other for other in merged if other.source == one.source))
            if reverse and reverse[0] == one:
                pairs.append(Pair(one, match[0], match[1] and reverse[1]))
    return pairs


def find_twin(own: Sequence[Receivable], others: Iterable[Receivable]) -> Twin | None:
    """The twin of the first of ``own`` that has one among ``others``, the records of other systems."""
    candidates = merge_by_side(others)
    for one in own:
        match = find_best_twin(one, candidates)
        if match:
            return as_twin(*match)
    return None


def as_twin(other: Receivable, is_sure: bool) -> Twin:
    return Twin(other.source, other.account, is_sure, other.name, other.stage, other.partner, other.standing, other.url)


def fill_from_older(newer: Receivable, older: Receivable) -> Receivable:
    """The newer record, with debtor, name, URL and currencies of the older one where it has none."""
    currencies = {money.amount: money for money in older.amounts}
    amounts = (money if money.currency else currencies.get(money.amount, money) for money in newer.amounts)
    return replace(
        newer,
        debtor=newer.debtor or older.debtor,
        name=newer.name or older.name,
        url=newer.url or older.url,
        amounts=tuple(amounts),
    )


def _merge(records: Sequence[Receivable]) -> Receivable:
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


def _name_words(name: str | None) -> frozenset[str]:
    """The words of a name without accents, legal forms and salutations: "ROE, Jane" equals "Jane Roe"."""
    plain = unicodedata.normalize("NFKD", (name or "").casefold().translate(_LETTERS))
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    words = _NO_LETTER.sub("", letters.replace("-", " ").replace(",", " ")).split()
    return frozenset(word for word in words if len(word) > 1 and not _NOT_A_NAME.fullmatch(word))
