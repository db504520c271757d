"""Reads Getbill's list of todos, newest first, while todos are added and removed.

A todo added during the read appears at the head and moves the others to later pages, so none is missed. A removed one
moves the others to pages that were already read: the total falls, and those pages are read again.
docs/vendors/getbill.md#todos
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from receiver.errors import PermanentError, RetryLaterError
from receiver.observability import log
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.api import PAGE, Api, Json
from receiver.upstream.getbill.translate import id_of, key_of, outcome_of, type_of

HOUR_S = 3600.0
MAX_PAGES = 200
MAX_CATCH_UP_PAGES = 5  # for todos created while the list was read; the next read finds the others
MAX_READ_SINGLY = 5  # so few missing todos are read one by one rather than searched on all pages

TodoId = tuple[str, str]


@dataclass(slots=True)
class _PageCollector:
    """The entries of the pages read so far, without duplicates, and the totals that the pages reported."""

    entries: list[Json] = field(default_factory=list)
    todo_ids: set[TodoId] = field(default_factory=set)
    totals: list[int | None] = field(default_factory=list)
    last: int = 0  # highest page number
    is_contiguous: bool = True

    def add(self, page: wire.TodoPage, number: int) -> tuple[int, int]:
        """Add a page; return by how much the total grew since the page before, and the number of new entries."""
        todo_ids = _todo_ids(page.todos)
        new_entries = [raw for raw, todo_id in zip(page.todos, todo_ids, strict=True) if todo_id not in self.todo_ids]
        repeated = next((n for n, todo_id in enumerate(todo_ids) if todo_id not in self.todo_ids), len(todo_ids))
        total, before = page.pagination.total, self.totals[-1] if self.totals else None
        growth = 0 if total is None or before is None else total - before
        if number > self.last > 0 and growth > repeated:
            self.is_contiguous = False  # todos were inserted elsewhere than at the head, so entries may be missing
        self.entries += new_entries
        self.todo_ids.update(todo_ids)
        self.totals.append(total)
        return growth, len(new_entries)

    def is_complete(self) -> bool:
        if self.totals[-1] == len(self.entries):
            return True  # wherever todos were inserted
        is_unchanged = len(set(self.totals)) == 1
        return self.is_contiguous and (not is_unchanged or self.totals[0] in {None, len(self.entries)})


class Listing:
    """The list of one account. ``pages``: of the last complete read."""

    def __init__(self, account: str, api: Api, now_s: Callable[[], float]) -> None:
        self.pages = 1
        self._now_s = now_s
        self._page_times: deque[float] = deque()
        self._account = account
        self._api = api

    async def read_all(self, period: str, debt_id: str | None = None, *, is_interactive: bool = False) -> list[Json]:
        """Return the complete list. Raises RetryLaterError("incomplete") when its pages stay inconsistent.

        An inconsistent list that is the same twice counts as complete.
        """
        before: list[Json] | None = None
        for _ in range(3):
            collected = await self._read_pages(period, debt_id, is_interactive=is_interactive)
            if debt_id is None:
                self.pages = collected.last
            if collected.is_complete() or (before is not None and _todo_ids(collected.entries) == _todo_ids(before)):
                with suppress(RetryLaterError):  # the next read finds them
                    await self._catch_up(collected, period, debt_id)
                return collected.entries
            before = collected.entries
        raise RetryLaterError("incomplete", "Getbill's list of todos changed while it was read")

    def count_recent_pages(self) -> int:
        """Return the pages of whole lists that were read within the last hour."""
        while self._page_times and self._page_times[0] <= self._now_s() - HOUR_S:
            self._page_times.popleft()
        return len(self._page_times)

    async def read_newest(
        self,
        period: str,
        keys: Collection[str],
        debt_ids: Collection[str],
        todo_type: str | None = None,
        known: Collection[str] = (),
    ) -> tuple[list[Json], int]:
        """Read page after page until every todo and debt was found or the list ends; return entries and pages.

        ``todo_type``: only todos of this type. ``known``: when only a few todos are missing, a page of known todos
        alone ends the search. A todo that was not found may still exist.
        """
        collected: list[Json] = []
        spent = 0
        for name in (todo_type, wire.LEGACY_NAMES.get(todo_type), None) if todo_type else (None,):
            try:
                collected, missing, pages = await self._search(name, period, {*keys, *debt_ids}, known, set(keys))
            except PermanentError as error:
                if error.code != "refused" or name is None:
                    raise
                continue
            spent += pages
            if name is None or len(missing) < len(keys):  # otherwise this Getbill uses the other name of the type
                break
        return collected, spent

    async def _search(
        self, name: str | None, period: str, wanted: set[str], known: Collection[str], keys: set[str]
    ) -> tuple[list[Json], set[str], int]:
        """Search the todos of one type; return entries, the part of ``wanted`` not found, and pages read."""
        collected: list[Json] = []
        todo_ids: list[TodoId] = []
        for number in range(1, MAX_PAGES + 1):
            page = await self._api.page(number, period, todo_type=name)
            before, todo_ids = todo_ids, _todo_ids(page.todos)
            collected += page.todos
            keys_on_page = index_by_key(page.todos, self._account).keys()
            found_here = wanted & (keys_on_page | {debt_id_of(raw) or "" for raw in page.todos})
            wanted -= found_here
            is_old = (
                not found_here
                and len(wanted) <= MAX_READ_SINGLY
                and wanted <= keys
                and all(key in known for key in keys_on_page)
            )
            is_last = number >= page.pagination.pages if page.pagination.pages else todo_ids == before
            if not wanted or is_old or is_last or len(page.todos) < (page.pagination.limit or PAGE):
                break
        return collected, wanted, number

    async def _read_pages(self, period: str, debt_id: str | None, *, is_interactive: bool) -> _PageCollector:
        collector, number = _PageCollector(), 1
        for _ in range(MAX_PAGES):
            page = await self._api.page(number, period, debt_id, is_interactive=is_interactive)
            if debt_id is None:
                self._page_times.append(self._now_s())
            growth, new_entries = collector.add(page, number)
            is_further, collector.last = number > collector.last, max(number, collector.last)
            if growth < 0 and number > 1:
                number = max(number - math.ceil(-growth / PAGE), 1)
                continue
            is_end = not page.todos or len(page.todos) < (page.pagination.limit or PAGE)
            if is_end or number >= (page.pagination.pages or MAX_PAGES):
                return collector
            if is_further and not new_entries and not growth:
                return collector  # a server that ignores the page number
            number += 1
        log.warning("getbill.list.truncated", account=self._account, pages=MAX_PAGES)
        collector.totals = [None]  # accepted as complete
        return collector

    async def _catch_up(self, collector: _PageCollector, period: str, debt_id: str | None) -> None:
        """Add the todos that were created at the head during the read."""
        first, last = collector.totals[0], collector.totals[-1]
        if first is None or last is None or last <= first:
            return
        for number in range(1, MAX_CATCH_UP_PAGES + 1):
            page = await self._api.page(number, period, debt_id)
            _, new_entries = collector.add(page, number)
            if new_entries < len(page.todos) or not page.todos:
                return


def index_by_key(listed: Sequence[Json], account: str) -> dict[str, Json]:
    """Return list entries by their item's key; of two with the same key, the first open one."""
    entries: dict[str, Json] = {}
    for raw in listed:
        todo = wire.Todo.model_validate(raw)
        todo_id = id_of(todo)
        if todo_id is None:
            log.warning("getbill.todo.without_id", account=account, type=todo.type)
            continue
        key = key_of(account, type_of(todo), todo_id)
        if key not in entries or (is_decided(entries[key]) and not is_decided(raw)):
            entries[key] = raw
    return entries


def is_decided(raw: Json) -> bool:
    return outcome_of(wire.Todo.model_validate(raw)) is not None


def debt_id_of(raw: Json) -> str | None:
    debt = raw.get("debt")
    return wire.identifier(debt.get("id")) if isinstance(debt, dict) else None


def _todo_ids(listed: Sequence[Json]) -> list[TodoId]:
    return [(str(raw.get("type")), str(raw.get("id"))) for raw in listed]
