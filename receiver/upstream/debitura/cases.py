"""All cases of an account, including those without a task: the receivables for twins and conflicts.

No call can ask for the cases of a set of references, and one call for each task would be too many. The list is
therefore read a hundred cases at a time, less often the longer it is. Events name the cases that changed in between.
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

POLLS_PER_LIST = 10
SECONDS_PER_PAGE = 12.0  # 7,200 calls a day for a list of any length: docs/vendors/debitura.md#rate-limits
MAX_HINTED = 20  # cases named by events and read one by one
MAX_CACHED = 1_000

_CLOSED, _ACTIVE = "closed", "active"
_KNOWN_OPEN = {
    *("active", "paused", "pending contract signing", "pending verification internal", "pending verification"),
    *("more info required", "collecting quotes", "pending quote by partner", "pending quote selection"),
    "quote given by partner",
}  # labels, including older ones: docs/vendors/debitura.md#cases


class Cases:
    """Reads cases and puts their receivables into ``receivable_log``."""

    def __init__(
        self, api: Api, account: str, receivable_log: ReceivableLog, now: Now, poll_every_s: float, case_url: str | None
    ) -> None:
        self._api = api
        self._account = account
        self._receivable_log = receivable_log
        self._now = now
        self._poll_every_s = poll_every_s
        self._case_url = case_url
        self._pages = 1
        self._read_at: datetime | None = None
        self._hinted: dict[str, None] = {}
        self._has_hints = False

    def add_hints(self, case_ids: Collection[str]) -> None:
        """Note that events named these cases: read them again, and the list sooner."""
        self._hinted.update(dict.fromkeys(case_ids))
        self._has_hints = self._has_hints or bool(case_ids)
        while len(self._hinted) > MAX_CACHED:
            self._hinted.pop(next(iter(self._hinted)))

    def record(self, case_id: str, case: wire.Case, as_of: datetime) -> None:
        """Record a case that was read for any purpose."""
        self._hinted.pop(case_id, None)
        self._receivable_log.record(as_of, receivables(case_id, case, self._account, self._case_url))

    async def list_receivables(self) -> list[ReceivableBatch]:
        """Return what was read since the last call. Raises DeliveryError when the list is due and cannot be read."""
        await self._read_hinted()
        if self._is_list_due():
            await self._read_all()
        return self._receivable_log.drain()

    def _is_list_due(self) -> bool:
        if self._read_at is None:
            return True
        polls = 1 if self._has_hints else POLLS_PER_LIST
        pause_s = max(polls * self._poll_every_s, (self._pages - 1) * SECONDS_PER_PAGE)
        return self._now() - self._read_at >= timedelta(seconds=pause_s)

    async def _read_hinted(self) -> None:
        """Read a few hinted cases one by one; the list covers the others."""
        hinted, self._hinted = [*self._hinted][:MAX_HINTED], {}
        for case_id in hinted:
            as_of = self._now()
            try:
                self.record(case_id, await self._api.case(case_id), as_of)
            except PermanentError:
                self._receivable_log.record(as_of, (), gone=[key_of(self._account, case_id)])
            except DeliveryError as error:
                log.warning("debitura.case.unreadable", account=self._account, reason=error.code)
                return

    async def _read_all(self) -> None:
        """Read every case. The rows of an inconsistent list are recorded, but no case counts as gone because of it."""
        as_of, self._has_hints = self._now(), False
        try:
            cases_by_id, pages, is_complete = await self._read_list()
        except PermanentError as error:  # without the list there are no twins, which is no failure
            log.warning("debitura.cases.refused", account=self._account, reason=error.code)
            self._read_at = as_of
            return
        account, url = self._account, self._case_url
        rows = [row for case_id, case in cases_by_id.items() for row in receivables(case_id, case, account, url)]
        listed = frozenset(key_of(account, case_id) for case_id in cases_by_id)
        self._receivable_log.record(as_of, rows, is_complete=is_complete, listed=listed if is_complete else None)
        self._read_at, self._pages = as_of, pages
        if not is_complete:
            log.warning("debitura.cases.incomplete", account=account, pages=pages)

    async def _read_list(self) -> tuple[dict[str, wire.Case], int, bool]:
        """Return every case by id, the number of pages, and whether the list is complete."""
        cases_by_id: dict[str, wire.Case] = {}
        totals: set[int | None] = set()
        pages = 0
        async for listing in self._api.cases():
            pages += 1
            totals.add(listing.page.total_results)
            cases = map(wire.Case.model_validate, listing.rows)
            cases_by_id.update((case.id, case) for case in cases if case.id)
        return cases_by_id, max(pages, 1), totals == {len(cases_by_id)}


def key_of(account: str, case_id: str) -> str:
    return f"{SOURCE}:{account}:case:{case_id}"


def receivables(case_id: str, case: wire.Case, account: str, case_url: str | None = None) -> Iterator[Receivable]:
    """Yield the case's receivable; none for a test case and for a case without the creditor's reference."""
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
        standing=tuple(sorted(_list_states(case))),
        url=page_of(case_id, case_url),
    )


def _list_states(case: wire.Case) -> Iterator[str]:
    """Yield the states of a case. An unknown stage yields none, so it never opens a conflict."""
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
