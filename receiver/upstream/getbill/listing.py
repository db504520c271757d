"""Reads Getbill's list of todos, newest first, while it grows and shrinks (step 4; getbill.md, Todos).

A todo that comes while the list is read stands at its head and pushes the others onto later pages, so that none of them
is missed. One that goes pulls the others onto pages that were read already: the total falls, and these pages are read
again.
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

AN_HOUR_S = 3600.0
MOST_PAGES = 200
MOST_CAUGHT_UP = 5  # pages of todos that came while a list was read; the next look finds the others
FEW = 5  # todos wanted: so many are read singly rather than searched for on all later pages

Name = tuple[str, str]


@dataclass(slots=True)
class _Reading:
    """The entries of the pages read so far, each once, and what the pages said of their number."""

    entries: list[Json] = field(default_factory=list)
    names: set[Name] = field(default_factory=set)
    totals: list[int | None] = field(default_factory=list)
    last: int = 0  # the furthest page
    is_joined: bool = True

    def add(self, page: wire.TodoPage, number: int) -> tuple[int, int]:
        """Take in a page: by how much the list has grown since the one before, and how many entries are new."""
        names = _names(page.todos)
        fresh = [raw for raw, name in zip(page.todos, names, strict=True) if name not in self.names]
        repeated = next((n for n, name in enumerate(names) if name not in self.names), len(names))
        total, before = page.pagination.total, self.totals[-1] if self.totals else None
        grown = 0 if total is None or before is None else total - before
        if number > self.last > 0 and grown > repeated:
            self.is_joined = False  # what came did not come at the head: other entries may have been passed over
        self.entries += fresh
        self.names.update(names)
        self.totals.append(total)
        return grown, len(fresh)

    def is_whole(self) -> bool:
        if self.totals[-1] == len(self.entries):
            return True  # wherever it has grown
        is_still = len(set(self.totals)) == 1
        return self.is_joined and (not is_still or self.totals[0] in {None, len(self.entries)})


class Listing:
    """One account's list. ``pages``: of the last whole one."""

    def __init__(self, account: str, api: Api, now_s: Callable[[], float]) -> None:
        self.pages = 1
        self._now_s = now_s
        self._read_at: deque[float] = deque()
        self._account = account
        self._api = api

    async def whole(self, period: str, debt_id: str | None = None, *, is_interactive: bool = False) -> list[Json]:
        """A complete list. Raises RetryLaterError("incomplete") when its pages do not join up.

        A list that looks odd but is the same twice is taken as it is.
        """
        before: list[Json] | None = None
        for _ in range(3):
            found = await self._read(period, debt_id, is_interactive=is_interactive)
            if debt_id is None:
                self.pages = found.last
            if found.is_whole() or (before is not None and _names(found.entries) == _names(before)):
                with suppress(RetryLaterError):  # the next look finds them
                    await self._catch_up(found, period, debt_id)
                return found.entries
            before = found.entries
        raise RetryLaterError("incomplete", "Getbill's list of todos changed while it was read")

    def read_lately(self) -> int:
        """Pages of whole lists that were read within the hour."""
        while self._read_at and self._read_at[0] <= self._now_s() - AN_HOUR_S:
            self._read_at.popleft()
        return len(self._read_at)

    async def newest(
        self,
        period: str,
        keys: Collection[str],
        debt_ids: Collection[str],
        what: str | None = None,
        known: Collection[str] = (),
    ) -> tuple[list[Json], int]:
        """Page after page until every todo and debt wanted has shown up, or all are read; and how many pages.

        ``what``: only todos of this type. ``known``: a page of only these, with none that is wanted, ends the search
        for a few todos. What is not there may be on no page: nothing is concluded from that.
        """
        found: list[Json] = []
        spent = 0
        for name in (what, wire.LEGACY_NAMES.get(what), None) if what else (None,):
            try:
                found, missing, pages = await self._newest_by(name, period, {*keys, *debt_ids}, known, set(keys))
            except PermanentError as error:
                if error.code != "refused" or name is None:
                    raise
                continue
            spent += pages
            if name is None or len(missing) < len(keys):  # else it knows the type by another name
                break
        return found, spent

    async def _newest_by(
        self, name: str | None, period: str, wanted: set[str], known: Collection[str], keys: set[str]
    ) -> tuple[list[Json], set[str], int]:
        """Of the todos of that type: what was found, what of ``wanted`` was not, and how many pages that took."""
        found: list[Json] = []
        names: list[Name] = []
        for number in range(1, MOST_PAGES + 1):
            page = await self._api.page(number, period, what=name)
            before, names = names, _names(page.todos)
            found += page.todos
            shown = by_key(page.todos, self._account).keys()
            there = wanted & (shown | {debt_id_of(raw) or "" for raw in page.todos})
            wanted -= there
            is_old = not there and len(wanted) <= FEW and wanted <= keys and all(key in known for key in shown)
            is_last = number >= page.pagination.pages if page.pagination.pages else names == before
            if not wanted or is_old or is_last or len(page.todos) < (page.pagination.limit or PAGE):
                break
        return found, wanted, number

    async def _read(self, period: str, debt_id: str | None, *, is_interactive: bool) -> _Reading:
        reading, number = _Reading(), 1
        for _ in range(MOST_PAGES):
            page = await self._api.page(number, period, debt_id, is_interactive=is_interactive)
            if debt_id is None:
                self._read_at.append(self._now_s())
            grown, fresh = reading.add(page, number)
            is_further, reading.last = number > reading.last, max(number, reading.last)
            if grown < 0 and number > 1:
                number = max(number - math.ceil(-grown / PAGE), 1)
                continue
            is_over = not page.todos or len(page.todos) < (page.pagination.limit or PAGE)
            if is_over or number >= (page.pagination.pages or MOST_PAGES):
                return reading
            if is_further and not fresh and not grown:
                return reading  # a server that knows no pages
            number += 1
        log.warning("getbill.list.cut", account=self._account, pages=MOST_PAGES)
        reading.totals = [None]  # taken as it is
        return reading

    async def _catch_up(self, reading: _Reading, period: str, debt_id: str | None) -> None:
        """Add what came at the head while the list was read."""
        first, last = reading.totals[0], reading.totals[-1]
        if first is None or last is None or last <= first:
            return
        for number in range(1, MOST_CAUGHT_UP + 1):
            page = await self._api.page(number, period, debt_id)
            _, fresh = reading.add(page, number)
            if fresh < len(page.todos) or not page.todos:
                return


def by_key(listed: Sequence[Json], account: str) -> dict[str, Json]:
    """List entries by their item's key; of two with the same one the first that is open."""
    entries: dict[str, Json] = {}
    for raw in listed:
        todo = wire.Todo.model_validate(raw)
        todo_id = id_of(todo)
        if todo_id is None:
            log.warning("getbill.todo.without_id", account=account, type=todo.type)
            continue
        key = key_of(account, type_of(todo), todo_id)
        if key not in entries or (is_over(entries[key]) and not is_over(raw)):
            entries[key] = raw
    return entries


def is_over(raw: Json) -> bool:
    return outcome_of(wire.Todo.model_validate(raw)) is not None


def debt_id_of(raw: Json) -> str | None:
    debt = raw.get("debt")
    return wire.identifier(debt.get("id")) if isinstance(debt, dict) else None


def _names(listed: Sequence[Json]) -> list[Name]:
    return [(str(raw.get("type")), str(raw.get("id"))) for raw in listed]
