"""All cases of an account, also those without a task: what twins and conflicts are made of. Serves step 4.

No call can ask for "the cases of these references", and one by one would be a request a task; so the list is read, a
hundred at a time, and the less often the longer it is. Between two readings an event names the case that changed.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from receiver.domain.money import Money
from receiver.domain.twin import DISPUTED, OWED, PAID, PURSUED, Receivable, reference_of
from receiver.domain.words import fold
from receiver.errors import DeliveryError, PermanentError
from receiver.observability import log
from receiver.ports import ReceivableBatch
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api, Now
from receiver.upstream.debitura.translate import SOURCE, page_of
from receiver.upstream.receivable_log import ReceivableLog

POLLS_A_READING = 10
S_A_FURTHER_PAGE = 12.0  # 7,200 calls a day for a list of any length, of 100,000 (debitura.md, section 6)
MOST_NAMED = 20  # cases that events named, read one by one
MOST_REMEMBERED = 1_000

_CLOSED, _ACTIVE = "closed", "active"
_KNOWN_OPEN = frozenset(
    {
        "active",
        "paused",
        "pending contract signing",
        "pending verification internal",
        "pending verification",
        "more info required",
        "collecting quotes",
        "pending quote by partner",
        "pending quote selection",
        "quote given by partner",
    }
)  # labels, older ones too (debitura.md, section 7)


class Cases:
    """What is known of an account's cases goes into ``books``, until ``take`` is asked for it."""

    def __init__(
        self, api: Api, account: str, books: ReceivableLog, now: Now, poll_every_s: float, case_url: str | None
    ) -> None:
        self._api = api
        self._account = account
        self._books = books
        self._now = now
        self._poll_every_s = poll_every_s
        self._case_url = case_url
        self._pages = 1
        self._read_at: datetime | None = None
        self._named: dict[str, None] = {}
        self._is_prompted = False

    def name(self, case_ids: Collection[str]) -> None:
        """Events were about these cases: they are read again, and the list sooner."""
        self._named.update(dict.fromkeys(case_ids))
        self._is_prompted = self._is_prompted or bool(case_ids)
        while len(self._named) > MOST_REMEMBERED:
            self._named.pop(next(iter(self._named)))

    def note(self, case_id: str, case: wire.Case, said_at: datetime) -> None:
        """A case was read, for whatever reason."""
        self._named.pop(case_id, None)
        self._books.note(said_at, receivables(case_id, case, self._account, self._case_url))

    async def take(self) -> list[ReceivableBatch]:
        """What was read since. Raises DeliveryError when the list is due and is not heard out."""
        await self._read_named()
        if self._is_due():
            await self._read_all()
        return self._books.take()

    def _is_due(self) -> bool:
        if self._read_at is None:
            return True
        polls = 1 if self._is_prompted else POLLS_A_READING
        pause_s = max(polls * self._poll_every_s, (self._pages - 1) * S_A_FURTHER_PAGE)
        return self._now() - self._read_at >= timedelta(seconds=pause_s)

    async def _read_named(self) -> None:
        """One by one, as far as they are few; the list shows the others."""
        named, self._named = [*self._named][:MOST_NAMED], {}
        for case_id in named:
            said_at = self._now()
            try:
                self.note(case_id, await self._api.case(case_id), said_at)
            except PermanentError:
                self._books.note(said_at, (), gone=[key_of(self._account, case_id)])
            except DeliveryError as error:
                log.warning("debitura.case.unread", account=self._account, reason=error.code)
                return

    async def _read_all(self) -> None:
        """Every case; what a list that does not add up has shown is taken in, but nothing is concluded from it."""
        said_at, self._is_prompted = self._now(), False
        try:
            found, pages, is_whole = await self._listed()
        except PermanentError as error:  # an account that does not list its cases has no twins
            log.warning("debitura.cases.refused", account=self._account, reason=error.code)
            self._read_at = said_at
            return
        account, url = self._account, self._case_url
        known = [one for case_id, case in found.items() for one in receivables(case_id, case, account, url)]
        listed = frozenset(key_of(account, case_id) for case_id in found)
        self._books.note(said_at, known, is_pass=is_whole, listed=listed if is_whole else None)
        self._read_at, self._pages = said_at, pages
        if not is_whole:
            log.warning("debitura.cases.incomplete", account=account, pages=pages)

    async def _listed(self) -> tuple[dict[str, wire.Case], int, bool]:
        """Every case by id, how many pages that was, and whether they add up to a whole list."""
        found: dict[str, wire.Case] = {}
        totals: set[int | None] = set()
        pages = 0
        async for listing in self._api.cases():
            pages += 1
            totals.add(listing.page.total_results)
            cases = map(wire.Case.model_validate, listing.rows)
            found.update((case.id, case) for case in cases if case.id)
        return found, max(pages, 1), totals == {len(found)}


def key_of(account: str, case_id: str) -> str:
    return f"{SOURCE}:{account}:case:{case_id}"


def receivables(case_id: str, case: wire.Case, account: str, case_url: str | None = None) -> Iterator[Receivable]:
    """One; none for a case without the creditor's own number, and for one that only tests."""
    reference = reference_of(case.creditor_reference)
    if reference is None or case.is_test_case:
        return
    key = key_of(account, case_id)
    amounts = (case.gross_amount, case.remainder)
    yield Receivable(
        key=key,
        source=SOURCE,
        account=account,
        side=key,
        reference=reference,
        name=case.reference,
        debtor=case.debtor.name if case.debtor else None,
        amounts=tuple(dict.fromkeys(Money(amount, case.currency) for amount in amounts if amount is not None)),
        stage=case.lifecycle,
        partner=case.collection_partner.name if case.collection_partner else None,
        standing=tuple(sorted(_standing(case))),
        url=page_of(case_id, case_url),
    )


def _standing(case: wire.Case) -> Iterator[str]:
    """Nothing for a stage that is not known here: silence opens no conflict (debitura.md, section 7)."""
    stage = fold(case.lifecycle)
    if (case.dispute_status or "").startswith("yes"):
        yield DISPUTED
    if stage == _CLOSED:
        if case.close_code == PAID:
            yield PAID
    elif stage in _KNOWN_OPEN:
        if case.remainder is not None and case.remainder <= 0 < (case.gross_amount or 0):
            yield PAID
            return
        yield OWED
        if stage == _ACTIVE:
            yield PURSUED
