"""Caches the case and the chat messages of each open task.

A case that cannot be read costs a task its context, never its alert. Nothing here raises.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from receiver.errors import DeliveryError, RetryLaterError
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api, Now
from receiver.upstream.debitura.tasks import ListedTask
from receiver.upstream.debitura.translate import sort_chats

MIN_TTL_S = 600.0
# Two calls a case: at most half a call a second, well below docs/vendors/debitura.md#rate-limits
TTL_PER_CASE_S = 4.0
RETRY_AFTER = timedelta(minutes=2)
MAX_CASES = 5_000
MAX_CHATS = 50
CONCURRENCY = 4
PREFETCH_FROM = 20
IDS_PER_CALL = 50  # a URL of 2 kB
MAX_FAILURES = 5  # in one sync; more point to an outage of Debitura

OnCase = Callable[[str, wire.Case, datetime], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """A case and its newest messages.

    ``tasks_mark``: sum of the marks of the tasks for which it was read; ``is_complete``: every part could be read.
    """

    case: wire.Case | None = None
    chats: tuple[wire.Chat, ...] = ()
    tasks_mark: int = 0
    read_at: datetime | None = None
    is_complete: bool = False

    mark: int = field(init=False)  # changes with everything that an item shows of it

    def __post_init__(self) -> None:
        object.__setattr__(self, "mark", hash((self.case, self.chats)))


EMPTY = Context()


class CaseCache:
    """Contexts by case id, in memory for as long as the case has open tasks."""

    def __init__(self, api: Api, now: Now, on_case: OnCase) -> None:
        """``on_case`` is called for every case that was read."""
        self._api = api
        self._now = now
        self._on_case = on_case
        self._contexts: dict[str, Context] = {}

    async def contexts_for(
        self, tasks: Iterable[ListedTask], *, changed: Collection[str] = (), is_full: bool = False
    ) -> dict[str, Context]:
        """Return the contexts of all open tasks and read the stale ones.

        ``changed``: case ids that an event named; ``is_full``: read every case again.
        """
        marks, chat_cases = _marks_by_case(tasks)
        cached_first = sorted(marks, key=lambda case_id: case_id not in self._contexts)[:MAX_CASES]
        wanted = {case_id: marks[case_id] for case_id in cached_first}
        ttl = timedelta(seconds=max(MIN_TTL_S, TTL_PER_CASE_S * len(wanted)))
        self._contexts = {case_id: self._contexts.get(case_id, EMPTY) for case_id in wanted}
        stale = [
            case_id
            for case_id, tasks_mark in wanted.items()
            if is_full
            or case_id in changed
            or self._is_stale(self._contexts[case_id], tasks_mark, ttl, is_chat=case_id in chat_cases)
        ]
        reader, as_of = _CaseReader(self._api), self._now()
        await reader.prefetch(stale)
        read = await asyncio.gather(*(reader.read(case_id, self._contexts[case_id]) for case_id in stale))
        for case_id, context in zip(stale, read, strict=True):
            if context.case is not None and context.case is not self._contexts[case_id].case:
                self._on_case(case_id, context.case, as_of)
            self._contexts[case_id] = replace(context, tasks_mark=wanted[case_id], read_at=self._now())
        return self._contexts

    def _is_stale(self, cached: Context, tasks_mark: int, ttl: timedelta, *, is_chat: bool) -> bool:
        if cached.read_at is None or cached.tasks_mark != tasks_mark:
            return True
        age = self._now() - cached.read_at
        return (is_chat and age >= ttl) or (not cached.is_complete and age >= RETRY_AFTER)


class _CaseReader:
    """Reads cases in one sync, a few at a time; stops after MAX_FAILURES failures."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._semaphore = asyncio.Semaphore(CONCURRENCY)
        self._failures = 0
        self._prefetched: dict[str, wire.Case] = {}

    async def prefetch(self, case_ids: Sequence[str]) -> None:
        """Read many cases with few calls. A case that the list shows incompletely is read by itself later."""
        if len(case_ids) < PREFETCH_FROM:
            return
        wanted = set(case_ids)
        for start in range(0, len(case_ids), IDS_PER_CALL):
            try:
                cases = await self._api.cases_of(case_ids[start : start + IDS_PER_CALL])
            except RetryLaterError:
                self._failures += 1
                return
            except DeliveryError:
                return  # the key may not be allowed to list cases
            self._prefetched |= {case.id: case for case in cases if case.id in wanted and _is_complete(case)}

    async def read(self, case_id: str, cached: Context) -> Context:
        """Return the case and its messages; a part that cannot be read comes from ``cached``."""
        async with self._semaphore:
            case, has_case = self._prefetched.get(case_id), True
            if case is None:
                case, has_case = await self._read_part(lambda: self._api.case(case_id), cached.case)
            chats, has_chats = await self._read_part(lambda: self._read_chats(case_id), cached.chats)
        return replace(cached, case=case, chats=chats, is_complete=has_case and has_chats)

    async def _read_chats(self, case_id: str) -> tuple[wire.Chat, ...]:
        return tuple(sort_chats(await self._api.chats(case_id))[-MAX_CHATS:])

    async def _read_part(self, read: Callable[[], Awaitable[T]], cached: T) -> tuple[T, bool]:
        """Return the answer, or ``cached``, and whether it is final; False means that a retry soon makes sense."""
        if self._failures >= MAX_FAILURES:
            return cached, False
        try:
            return await read(), True
        except RetryLaterError:
            self._failures += 1
            return cached, False
        except DeliveryError:
            return cached, True  # refused: a retry in two minutes would be refused too


def _marks_by_case(tasks: Iterable[ListedTask]) -> tuple[dict[str, int], set[str]]:
    """Return the sum of the tasks' marks by case id, and the ids of cases with a chat task."""
    marks: dict[str, int] = defaultdict(int)
    chat_cases: set[str] = set()
    for task in tasks:
        if task.case_id:
            marks[task.case_id] += task.mark
            if task.kind in wire.CHAT_TYPES:
                chat_cases.add(task.case_id)
    return marks, chat_cases


def _is_complete(case: wire.Case) -> bool:
    """Whether a list entry has every field that the case itself has; the specification does not promise it."""
    return None not in (case.reference, case.remainder, case.currency, case.debtor, case.lifecycle)
