"""What single todos and debts add to the list of todos, read as far as the hourly allowance goes (step 4).

A list of fifty pages is worth more than fifty single todos: one whole list is always kept back, and while a burst of
events goes on, the list alone is read. What is missing then is read later, currencies first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from receiver.errors import DeliveryError, PermanentError, RetryLaterError
from receiver.observability import log
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.api import Api, Json
from receiver.upstream.getbill.budget import KEPT_BACK, READ, Budget
from receiver.upstream.getbill.hint_budget import HintBudget
from receiver.upstream.getbill.listing import Listing, debt_id_of, is_over
from receiver.upstream.getbill.translate import id_of, type_of
from receiver.upstream.getbill.ttl_cache import TtlCache

MOST_REMEMBERED = 20_000
DEBT_KEPT_S = 3600.0
SINGLE_KEPT_S = 3600.0
SHARE_FOR_LISTS = 0.4  # of the hourly reads; a list longer than that is read less often
SHARE_FOR_OTHERS = 0.1  # of the hourly reads: for events
SHARE_AT_ONCE = 0.6  # of what an hour leaves for details
SHARE_FOR_REFRESHING = 0.5  # of the hourly reads must be left, to read again what is known
BURST_S = 120.0
ALLOWANCE_ENDED = frozenset({"budget", "rate_limited"})  # says nothing of the todo
ONE_AILS = frozenset({"server_error", "unexpected_answer"})  # what may be true of one todo alone
MOST_AILING = 10  # in one list; more are no coincidence
SIDE_BY_SIDE = 4

A = TypeVar("A")
T = TypeVar("T")
CHANGED, CURRENCY, SINGLE, DECISION, REFRESH = range(5)  # what is read first


class Wish(NamedTuple):
    """Something to read: the more urgent and then the older first. ``debt_id`` None: the single todo."""

    rank: int
    age_s: float
    key: str
    debt_id: str | None = None

    def order(self) -> tuple[int, float, str]:
        return self.rank, -self.age_s, self.key


class Ailing:
    """Todos that Getbill cannot show now, each of which is left out; many of them are no coincidence."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._count = 0

    def add(self, key: str, error: RetryLaterError) -> None:
        """Raises ``error`` when it is not about this todo alone, unless it is the allowance that ended."""
        if error.code in ALLOWANCE_ENDED:
            return
        self._count += 1
        if error.code not in ONE_AILS or self._count > MOST_AILING:
            raise error
        log.warning("getbill.todo.unreadable", account=self._account, key=key, reason=error.code)


class Details:
    """The details of one account's todos. ``pages``: what a whole list is expected to take."""

    def __init__(
        self,
        account: str,
        api: Api,
        listing: Listing,
        budget: Budget,
        *,
        poll_every_s: float,
        now_s: Callable[[], float],
    ) -> None:
        self.pages = 1
        self._account = account
        self._api = api
        self._listing = listing
        self._budget = budget
        self._poll_every_s = max(poll_every_s, 1.0)
        self._now_s = now_s
        self._began_at_s = now_s()
        self._listed_only_until_s = 0.0
        self.stored: frozenset[str] | None = None  # keys that ``recall`` named; None: not called yet
        self._debts = TtlCache[wire.Debt](MOST_REMEMBERED, now_s)
        self._singles = TtlCache[Json](MOST_REMEMBERED, now_s)
        self._pace = HintBudget(*self._rate(), now_s)

    def recall(self, keys: Collection[str]) -> None:
        """Keys of items of which everything was read before, here or elsewhere: the store has it."""
        if keys and self.stored is None:
            self._pace.spend_all()  # after a restart nothing is spent at once
        self.stored = frozenset(keys)

    def expect(self, pages: int) -> None:
        """So many pages is a whole list; it is kept back before anything is spent on details."""
        self.pages = max(pages, 1)
        self._pace.change(*self._rate())

    def wait_for_burst(self) -> None:
        """Events come in numbers: for a while nothing but the list is read."""
        self._listed_only_until_s = self._now_s() + BURST_S

    def kept_back(self) -> float:
        """Reads that details never take: those of people and of one whole list."""
        return self._budget.limit(READ) * KEPT_BACK + self.pages

    def laid(self, key: str, raw: Json) -> Json:
        """The list entry over what the single todo added."""
        return (self._singles.get(key) or {}) | told(raw)

    def put(self, key: str, single: Json) -> None:
        self._singles.put(key, single)

    def forget(self, key: str) -> None:
        """What is remembered of this todo is out of date."""
        self._singles.drop(key)

    def known_debt(self, debt_id: str | None) -> wire.Debt | None:
        """The debt as far as it was read; None: then the currency is not known."""
        return self._debts.get(debt_id) if debt_id else None

    def is_whole(self, key: str, raw: Json) -> bool:
        """Whether all that can be read of this todo was read, at any time."""
        debt_id = debt_id_of(raw)
        has_single = not _has_page(raw) or self._singles.get(key) is not None
        return has_single and (debt_id is None or self._debts.get(debt_id) is not None)

    def is_stored(self, key: str) -> bool:
        return self.stored is not None and key in self.stored

    async def debt(
        self, debt_id: str | None, *, is_interactive: bool = False, is_fresh: bool = False
    ) -> wire.Debt | None:
        """The debt, from memory where it can be; None when it cannot be read."""
        if debt_id is None:
            return None
        young, kept = self._debts.get(debt_id, DEBT_KEPT_S), self._debts.get(debt_id)
        if young is not None and not is_fresh:
            return young
        if not is_interactive and self._budget.remaining(READ) <= self.kept_back():
            return kept
        try:
            debt = await self._api.debt(debt_id, is_interactive=is_interactive)
        except DeliveryError as error:
            if error.code != "not_found":
                return kept
            debt = kept or wire.Debt()
        self._debts.put(debt_id, debt)
        return debt

    async def read_needed(self, entries: Mapping[str, Json], needed: Collection[str]) -> set[str]:
        """Read single todos without which nothing can be said; those of which nothing can be said now.

        Raises RetryLaterError when more than a few ail: then Getbill does.
        """
        room = int(self._room())
        wanted = [key for key in entries if key in needed]
        unknown = set(wanted[max(room, 0) :])
        ailing = Ailing(self._account)

        async def read(key: str) -> None:
            try:
                is_there = await self._single(key, entries[key])
            except RetryLaterError as error:
                ailing.add(key, error)
                is_there = False
            if not is_there:
                unknown.add(key)

        await each(read, wanted[: max(room, 0)])
        return unknown

    async def fill(
        self,
        entries: Mapping[str, Json],
        ours: Collection[str],
        fresh: Collection[str],
        *,
        quiet: Collection[str],
        read_just_now: Collection[str],
    ) -> set[str]:
        """Read what is missing or old of these, as much as may be spent; those of which nothing can be said now.

        ``quiet``: those that are decided as far as is known; only whether they still are is of interest.
        """
        wishes = [
            wish
            for key, raw in entries.items()
            for wish in self._wishes(key, raw, key in ours, fresh)
            if key not in quiet or (wish.debt_id is None and wish.rank in {CHANGED, REFRESH})
        ]
        asked = [wish for wish in wishes if wish.debt_id or wish.key not in read_just_now]
        chosen = self._affordable(sorted(asked, key=Wish.order))
        unsaid: set[str] = set()
        ailing, misses = Ailing(self._account), 0

        async def read(wish: Wish) -> None:
            nonlocal misses
            if misses > MOST_AILING:
                return
            if wish.debt_id is not None:
                await self.debt(wish.debt_id, is_fresh=True)
                return
            try:
                if not await self._single(wish.key, entries[wish.key]):
                    unsaid.add(wish.key)
            except RetryLaterError as error:
                misses += 1
                if wish.rank == DECISION and error.code not in ALLOWANCE_ENDED:
                    ailing.add(wish.key, error)
                    unsaid.add(wish.key)  # else: what the list says is shown without

        await each(read, chosen)
        return unsaid

    def _rate(self) -> tuple[float, float]:
        """Reads an hour that lists, events and people leave for details, and how many of these at once."""
        limit = self._budget.limit(READ)
        an_hour = limit * (1 - KEPT_BACK - SHARE_FOR_OTHERS) - self._for_lists()
        return an_hour, an_hour * SHARE_AT_ONCE

    def _for_lists(self) -> float:
        """Pages of regular lists in an hour."""
        return min(self.pages * 3600 / self._poll_every_s, self._budget.limit(READ) * SHARE_FOR_LISTS)

    def _room(self) -> float:
        """Reads that are left now when people, events and the lists of this hour have theirs."""
        limit = self._budget.limit(READ)
        for_lists = max(self._for_lists() - self._listing.read_lately(), 0.0)  # what was read comes back in time
        return self._budget.remaining(READ) - self.kept_back() - limit * SHARE_FOR_OTHERS - for_lists

    def _affordable(self, wishes: Sequence[Wish]) -> list[Wish]:
        if self._now_s() < self._listed_only_until_s:
            wishes = [wish for wish in wishes if wish.rank == CHANGED]
        if self._budget.share(READ) <= SHARE_FOR_REFRESHING:
            wishes = [wish for wish in wishes if wish.rank != REFRESH]
        room = min(self._room(), self._pace.left())
        n_changed = sum(wish.rank == CHANGED for wish in wishes)  # the allowance of events pays for these
        distinct: dict[str, Wish] = {}
        for wish in wishes:
            distinct.setdefault(wish.debt_id or wish.key, wish)
        chosen = list(distinct.values())[: max(int(room), 0) + n_changed]
        self._pace.spend(sum(wish.rank != CHANGED for wish in chosen))
        return chosen

    def _wishes(self, key: str, raw: Json, is_ours: bool, fresh: Collection[str]) -> Iterator[Wish]:
        todo, debt_id = wire.Todo.model_validate(raw), debt_id_of(self.laid(key, raw))
        is_fresh = todo.id in fresh or (debt_id or "") in fresh
        if debt_id is not None:
            age_s = self._debts.age_s(debt_id)
            if (rank := self._rank(key, age_s, DEBT_KEPT_S, CURRENCY, is_fresh)) is not None:
                yield Wish(rank, self._age_s(age_s), key, debt_id)
        if not _has_page(raw):
            return
        age_s = self._singles.age_s(key)
        rank = self._rank(key, age_s, SINGLE_KEPT_S, SINGLE, is_fresh)
        shows_decisions_alone = todo.status is None and (is_ours or not is_over(self.laid(key, raw)))
        if shows_decisions_alone and rank in {None, REFRESH}:
            rank = DECISION
        if rank is not None:
            yield Wish(rank, self._age_s(age_s), key)

    def _rank(self, key: str, age_s: float | None, kept_s: float, missing: int, is_fresh: bool) -> int | None:
        if is_fresh:
            return CHANGED
        if age_s is None and not self.is_stored(key):
            return missing
        return REFRESH if self._age_s(age_s) > kept_s else None

    def _age_s(self, age_s: float | None) -> float:
        """What the store has counts as read when this process began."""
        return self._now_s() - self._began_at_s if age_s is None else age_s

    async def _single(self, key: str, raw: Json) -> bool:
        """Read a single todo; False when it is gone. One of a kind without a page of its own has no details."""
        todo = wire.Todo.model_validate(raw)
        try:
            single = raw | told(await self._api.todo(type_of(todo), id_of(todo) or ""))
        except PermanentError as error:
            if error.code == "not_found":
                return False
            single = raw
        self._singles.put(key, single)
        return True


def _has_page(raw: Json) -> bool:
    todo = wire.Todo.model_validate(raw)
    return type_of(todo) in wire.DECIDABLE and id_of(todo) is not None


def told(raw: Json) -> Json:
    """Only the fields that say something."""
    return {name: value for name, value in raw.items() if value is not None and value != []}


async def each(do: Callable[[A], Awaitable[T]], items: Sequence[A]) -> list[T]:
    """``do`` for each, a few side by side; results in order. The first failure ends the others and is raised."""
    found: dict[int, T] = {}
    waiting = iter(enumerate(items))

    async def work() -> None:
        for place, item in waiting:
            found[place] = await do(item)
            await asyncio.sleep(0)  # a long list lets clicks in between

    tasks = [asyncio.create_task(work()) for _ in range(SIDE_BY_SIDE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [found[place] for place in range(len(items))]
