"""Reads and caches what single todos and debts add to the list of todos.

How much may be read is decided in ``detail_budget.py``. docs/vendors/getbill.md#todos
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from receiver.errors import DeliveryError, PermanentError, RetryLaterError
from receiver.observability import log
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.api import Api, Json
from receiver.upstream.getbill.detail_budget import DetailBudget, DetailRead, Rank
from receiver.upstream.getbill.listing import debt_id_of, is_decided
from receiver.upstream.getbill.translate import id_of, type_of
from receiver.upstream.getbill.ttl_cache import TtlCache

MAX_CACHED = 20_000
DEBT_TTL_S = 3600.0
TODO_TTL_S = 3600.0
BUDGET_ERRORS = frozenset({"budget", "rate_limited"})  # not about the todo
SINGLE_TODO_ERRORS = frozenset({"server_error", "unexpected_answer"})  # may concern one todo alone
MAX_UNREADABLE = 10  # todos in one list; more point to an outage of Getbill
CONCURRENCY = 4

A = TypeVar("A")
T = TypeVar("T")


class UnreadableTodos:
    """Counts todos that Getbill cannot show. A few are left out; more count as an outage."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._count = 0

    def add(self, key: str, error: RetryLaterError) -> None:
        """Raises ``error`` unless it may concern this todo alone or the allowance is used up."""
        if error.code in BUDGET_ERRORS:
            return
        self._count += 1
        if error.code not in SINGLE_TODO_ERRORS or self._count > MAX_UNREADABLE:
            raise error
        log.warning("getbill.todo.unreadable", account=self._account, key=key, reason=error.code)


class Details:
    """The details of one account's todos."""

    def __init__(self, account: str, api: Api, budget: DetailBudget, now_s: Callable[[], float]) -> None:
        self.complete_keys: frozenset[str] | None = None  # as passed to ``restore_details``; None: not called yet
        self._account = account
        self._api = api
        self._budget = budget
        self._now_s = now_s
        self._began_at_s = now_s()
        self._debts = TtlCache[wire.Debt](MAX_CACHED, now_s)
        self._todos = TtlCache[Json](MAX_CACHED, now_s)

    def restore_details(self, keys: Collection[str]) -> None:
        """Note the keys of items that the store has with all details, read by any process."""
        if keys and self.complete_keys is None:
            self._budget.spend_all()
        self.complete_keys = frozenset(keys)

    def merge(self, key: str, raw: Json) -> Json:
        """Return the list entry merged over the cached single todo."""
        return (self._todos.get(key) or {}) | drop_empty(raw)

    def put_todo(self, key: str, todo: Json) -> None:
        self._todos.put(key, todo)

    def forget(self, key: str) -> None:
        """Drop the cached todo, which is out of date."""
        self._todos.drop(key)

    def cached_debt(self, debt_id: str | None) -> wire.Debt | None:
        """Return the debt if it was read; without it the currency may be unknown."""
        return self._debts.get(debt_id) if debt_id else None

    def is_complete(self, key: str, raw: Json) -> bool:
        """Whether everything that can be read of this todo was read at some time."""
        debt_id = debt_id_of(raw)
        has_todo = not _is_readable(raw) or self._todos.get(key) is not None
        return has_todo and (debt_id is None or self._debts.get(debt_id) is not None)

    def is_stored(self, key: str) -> bool:
        """Whether the store has the item with all details."""
        return self.complete_keys is not None and key in self.complete_keys

    async def debt(
        self, debt_id: str | None, *, is_interactive: bool = False, is_changed: bool = False
    ) -> wire.Debt | None:
        """Return the debt, cached unless ``is_changed``; None when it cannot be read."""
        if debt_id is None:
            return None
        fresh, cached = self._debts.get(debt_id, DEBT_TTL_S), self._debts.get(debt_id)
        if fresh is not None and not is_changed:
            return fresh
        if not is_interactive and self._budget.is_exhausted():
            return cached
        try:
            debt = await self._api.debt(debt_id, is_interactive=is_interactive)
        except DeliveryError as error:
            if error.code != "not_found":
                return cached
            debt = cached or wire.Debt()
        self._debts.put(debt_id, debt)
        return debt

    async def read_required(self, entries: Mapping[str, Json], required: Collection[str]) -> set[str]:
        """Read single todos without which the list entry is inconclusive; return the keys that could not be read.

        Raises RetryLaterError when more than a few are unreadable, which means an outage of Getbill.
        """
        available = max(self._budget.available(), 0)
        wanted = [key for key in entries if key in required]
        unread = set(wanted[available:])
        unreadable = UnreadableTodos(self._account)

        async def read(key: str) -> None:
            try:
                exists = await self._read_todo(key, entries[key])
            except RetryLaterError as error:
                unreadable.add(key, error)
                exists = False
            if not exists:
                unread.add(key)

        await map_concurrently(read, wanted[:available])
        return unread

    async def read_missing(
        self,
        entries: Mapping[str, Json],
        open_keys: Collection[str],
        changed_ids: Collection[str],
        *,
        decided: Collection[str],
        already_read: Collection[str],
    ) -> set[str]:
        """Read missing and stale details as far as the budget allows; return the keys to leave out this time.

        ``decided``: keys of which only a changed decision matters. ``already_read``: keys whose todo was just read.
        """
        reads = [
            read
            for key, raw in entries.items()
            for read in self._list_reads(key, raw, key in open_keys, changed_ids)
            if key not in decided or (read.debt_id is None and read.rank in {Rank.CHANGED, Rank.REFRESH})
        ]
        wanted = [read for read in reads if read.debt_id or read.key not in already_read]
        wanted.sort(key=lambda read: (read.rank, -read.age_s, read.key))
        return await self._make_reads(self._budget.choose(wanted), entries)

    async def _make_reads(self, reads: Sequence[DetailRead], entries: Mapping[str, Json]) -> set[str]:
        """Make the reads; return the keys of todos that are gone or whose decision could not be read."""
        left_out: set[str] = set()
        unreadable, failures = UnreadableTodos(self._account), 0

        async def make(read: DetailRead) -> None:
            nonlocal failures
            if failures > MAX_UNREADABLE:
                return
            if read.debt_id is not None:
                await self.debt(read.debt_id, is_changed=True)
                return
            try:
                if not await self._read_todo(read.key, entries[read.key]):
                    left_out.add(read.key)
            except RetryLaterError as error:
                failures += 1
                if read.rank == Rank.DECISION and error.code not in BUDGET_ERRORS:
                    unreadable.add(read.key, error)
                    left_out.add(read.key)  # otherwise the list entry alone is enough

        await map_concurrently(make, reads)
        return left_out

    def _list_reads(
        self, key: str, raw: Json, is_open_here: bool, changed_ids: Collection[str]
    ) -> Iterator[DetailRead]:
        """Yield the reads that would add to a list entry: of its debt and of the single todo."""
        todo, debt_id = wire.Todo.model_validate(raw), debt_id_of(self.merge(key, raw))
        is_changed = todo.id in changed_ids or (debt_id or "") in changed_ids
        if debt_id is not None:
            age_s = self._debts.age_s(debt_id)
            if (rank := self._rank(key, age_s, DEBT_TTL_S, Rank.CURRENCY, is_changed)) is not None:
                yield DetailRead(rank, self._age_s(age_s), key, debt_id)
        if not _is_readable(raw):
            return
        age_s = self._todos.age_s(key)
        rank = self._rank(key, age_s, TODO_TTL_S, Rank.SINGLE, is_changed)
        shows_decision = todo.status is None and (is_open_here or not is_decided(self.merge(key, raw)))
        if shows_decision and rank in {None, Rank.REFRESH}:
            rank = Rank.DECISION
        if rank is not None:
            yield DetailRead(rank, self._age_s(age_s), key)

    def _rank(self, key: str, age_s: float | None, ttl_s: float, missing: Rank, is_changed: bool) -> Rank | None:
        if is_changed:
            return Rank.CHANGED
        if age_s is None and not self.is_stored(key):
            return missing
        return Rank.REFRESH if self._age_s(age_s) > ttl_s else None

    def _age_s(self, age_s: float | None) -> float:
        """Return the age; details that only the store has count as read at the start of this process."""
        return self._now_s() - self._began_at_s if age_s is None else age_s

    async def _read_todo(self, key: str, raw: Json) -> bool:
        """Read a single todo; False when it is gone. A type that the API does not serve has no details."""
        todo = wire.Todo.model_validate(raw)
        try:
            single = raw | drop_empty(await self._api.todo(type_of(todo), id_of(todo) or ""))
        except PermanentError as error:
            if error.code == "not_found":
                return False
            single = raw
        self._todos.put(key, single)
        return True


def _is_readable(raw: Json) -> bool:
    """Whether the API has an endpoint for the single todo with further details."""
    todo = wire.Todo.model_validate(raw)
    return type_of(todo) in wire.DECIDABLE and id_of(todo) is not None


def drop_empty(raw: Json) -> Json:
    """Return the fields that are neither null nor an empty list."""
    return {name: value for name, value in raw.items() if value is not None and value != []}


async def map_concurrently(function: Callable[[A], Awaitable[T]], items: Sequence[A]) -> list[T]:
    """Call ``function`` for each item, a few at a time; results in order. The first exception cancels the rest."""
    results: dict[int, T] = {}
    remaining = iter(enumerate(items))

    async def work() -> None:
        for index, item in remaining:
            results[index] = await function(item)
            await asyncio.sleep(0)  # lets clicks run during a long list

    tasks = [asyncio.create_task(work()) for _ in range(CONCURRENCY)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [results[index] for index in range(len(items))]
