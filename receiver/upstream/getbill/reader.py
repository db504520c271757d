"""Reads Getbill's todos and makes facts of them (step 4, and every reconciliation pass).

A list entry and a single todo each show what the other leaves out: a hardship's status stands in the single one only,
severity and proofs may stand in the list only. Both are laid over each other, so that an item reads the same however it
was found, and the single one is remembered, so that a poll stays within the hourly allowance.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from receiver.domain.fact import Fact, SourceGone, SourceSaid
from receiver.errors import DeliveryError, PermanentError, RetryLaterError
from receiver.observe import log
from receiver.upstream.books import Books
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.api import PAGE, Api, Json
from receiver.upstream.getbill.budget import READ, Budget
from receiver.upstream.getbill.debts import receivables
from receiver.upstream.getbill.due import alerts_by_todo, days_due, due, ended
from receiver.upstream.getbill.memory import Memory
from receiver.upstream.getbill.translate import id_of, key_of, outcome_of, snapshot, split_key, type_of

EVER = "since_beginning"
SIDE_BY_SIDE = 4
MOST_PAGES = 200
MOST_REMEMBERED = 5_000
DEBT_KEPT_S = 3600.0
SINGLE_KEPT_S = 3600.0
SHARE_FOR_DEBTS = 0.2  # of the hourly reads must be left
SHARE_FOR_DETAILS = 0.5
ONE_AILS = frozenset({"server_error", "unexpected_answer"})  # what may be true of one todo alone
MOST_AILING = 10  # in one list; more are no coincidence

A = TypeVar("A")
T = TypeVar("T")


class Reader:
    """One account's todos. ``said`` and ``alone`` answer with facts; what cannot be read raises DeliveryError.

    What they show of debts goes into ``books``. ``pages``: of the last whole list. ``kept_for_lists``: the share of
    the hourly reads that regular lists will need, which details do without.
    """

    def __init__(
        self,
        account: str,
        api: Api,
        budget: Budget,
        books: Books,
        *,
        now_s: Callable[[], float],
        todo_url: str | None,
    ) -> None:
        self.pages = 1
        self.kept_for_lists = 0.0
        self._books = books
        self._account = account
        self._api = api
        self._budget = budget
        self._todo_url = todo_url
        self._debts = Memory[wire.Debt](MOST_REMEMBERED, now_s)
        self._singles = Memory[Json](MOST_REMEMBERED, now_s)

    async def listed(self, period: str, debt_id: str | None = None) -> list[Json]:
        """A complete list, newest first. Raises RetryLaterError("incomplete") when it would not hold still.

        Pages shift while todos come and go. A list that looks odd but is the same twice is taken as it is.
        """
        before: list[Json] | None = None
        for _ in range(3):
            found, is_steady, pages = await self._pages(period, debt_id)
            if debt_id is None:
                self.pages = pages
            if is_steady or (before is not None and _names(found) == _names(before)):
                return found
            before = found
        raise RetryLaterError("incomplete", "Getbill's list of todos changed while it was read")

    async def one(self, what: str, todo_id: str, *, is_interactive: bool = False) -> Json:
        """One todo, with what only the list shows of it. Raises PermanentError("not_found") when it is gone."""
        if what == "agreement":
            return await self._agreement(todo_id, is_interactive=is_interactive)
        single = await self._api.todo(what, todo_id, is_interactive=is_interactive)
        single = {"type": what, "id": todo_id} | _told(single)
        todo = wire.Todo.model_validate(single)
        if todo.sub_type is None and todo.debt and todo.debt.id:
            single = await self._with_list_entry(single, todo.debt.id)
        self._singles.put(key_of(self._account, what, todo_id), single)
        return single

    async def newest(
        self, period: str, keys: Collection[str], debt_ids: Collection[str], what: str | None = None
    ) -> tuple[list[Json], int]:
        """Page after page until every todo and debt wanted has shown up, or all are read; and how many pages.

        ``what``: only todos of this type. What is not there may be on no page: nothing is concluded from that.
        """
        found: list[Json] = []
        spent = 0
        for name in (what, wire.LEGACY_NAMES.get(what), None) if what else (None,):
            try:
                found, missing, pages = await self._newest_by(name, period, {*keys, *debt_ids})
            except PermanentError as error:
                if error.code != "refused" or name is None:
                    raise
                continue
            spent += pages
            if name is None or len(missing) < len(keys):  # else it knows the type by another name
                break
        return found, spent

    async def _newest_by(self, name: str | None, period: str, wanted: set[str]) -> tuple[list[Json], set[str], int]:
        """Of the todos of that type: what was found, what of ``wanted`` was not, and how many pages that took."""
        found: list[Json] = []
        for number in range(1, MOST_PAGES + 1):
            page = await self._api.page(number, period, what=name)
            found += page.todos
            wanted -= self.by_key(page.todos).keys() | {_debt_id(raw) or "" for raw in page.todos}
            if not wanted or len(page.todos) < (page.pagination.limit or PAGE):
                break
        return found, wanted, number

    async def alone(self, key: str, said_at: datetime, open_alerts: Collection[str] = ()) -> list[Fact]:
        """What a single look at one of our keys says: the todo and what falls due in it, or that it surely is gone."""
        split = split_key(key, self._account)
        assert split is not None, f"{key} is not of this account"
        try:
            raw = await self.one(*split)
        except PermanentError as error:
            if error.code != "not_found":
                raise
            self._books.note(said_at, (), gone=[key])
            return [SourceGone(gone, said_at) for gone in (key, *open_alerts)]
        debt = await self._debt(_debt_id(raw))
        self._note([(key, raw)], said_at)
        return [self._fact(raw, key, debt, said_at), *self._alerts(raw, key, debt, said_at, open_alerts)]

    async def said(self, raw: Json, key: str, said_at: datetime, *, is_interactive: bool = False) -> SourceSaid:
        """The fact in ``raw``, which is about ``key`` whatever ids it repeats."""
        debt = await self._debt(_debt_id(raw), is_interactive=is_interactive)
        return self._fact(raw, key, debt, said_at)

    def forget(self, key: str) -> None:
        """What is remembered of this todo is out of date."""
        self._singles.drop(key)

    async def facts(
        self, listed: Iterable[Json], open_keys: Collection[str], said_at: datetime, fresh: Collection[str] = ()
    ) -> list[Fact]:
        """What a list says, as far as it is news: open todos, those whose item is open here, and what falls due.

        ``fresh``: ids of todos and debts that just changed; what is remembered of them does not count.
        """
        ours, alerts = set(open_keys), alerts_by_todo(open_keys, self._account)

        ailing: list[str] = []

        async def whole(entry: tuple[str, Json]) -> tuple[str, Json | None]:
            key, raw = entry
            try:
                return key, await self._whole(key, raw, key in ours, fresh)
            except RetryLaterError as error:
                if error.code not in ONE_AILS or len(ailing) >= MOST_AILING:
                    raise
                ailing.append(key)  # nothing is said of it this time; the others are heard all the same
                log.warning("getbill.todo.unreadable", account=self._account, key=key, reason=error.code)
                return key, None

        async def said(entry: tuple[str, Json]) -> list[Fact]:
            key, raw = entry
            debt = debts[_debt_id(raw)]
            facts: list[Fact] = [self._fact(raw, key, debt, said_at)] if key in told else []
            return [*facts, *self._alerts(raw, key, debt, said_at, alerts.get(key, ()))]

        every = self.by_key(listed)
        concerned = [(key, raw) for key, raw in every.items() if key in ours or key in alerts or not _is_over(raw)]
        decided = every.keys() - {key for key, _ in concerned}
        read = [(key, raw) for key, raw in await _each(whole, concerned) if raw is not None]
        told = {key for key, raw in read if key in ours or not _is_over(raw)}
        ringing = [(key, raw) for key, raw in read if key in told or key in alerts or _is_due(raw, said_at)]
        # A follow-up date outlives the decision; what the list says of it is enough, so this costs no read of the todo.
        ringing += [(key, raw) for key, raw in every.items() if key in decided and _is_due(raw, said_at)]
        debt_ids = list({_debt_id(raw) for _, raw in ringing})
        found = await _each(lambda debt_id: self._debt(debt_id, is_fresh=debt_id in fresh), debt_ids)
        debts = dict(zip(debt_ids, found, strict=True))
        self._note((every | dict(read)).items(), said_at)
        return [fact for facts in await _each(said, ringing) for fact in facts]

    def by_key(self, listed: Iterable[Json]) -> dict[str, Json]:
        """List entries by their item's key; of two with the same one the first that is open."""
        entries: dict[str, Json] = {}
        for raw in listed:
            todo = wire.Todo.model_validate(raw)
            todo_id = id_of(todo)
            if todo_id is None:
                log.warning("getbill.todo.without_id", account=self._account, type=todo.type)
                continue
            key = key_of(self._account, type_of(todo), todo_id)
            if key not in entries or (_is_over(entries[key]) and not _is_over(raw)):
                entries[key] = raw
        return entries

    async def _pages(self, period: str, debt_id: str | None) -> tuple[list[Json], bool, int]:
        """All pages, whether nothing moved between them, and how many they were."""
        found: list[Json] = []
        totals: set[int | None] = set()
        for number in range(1, MOST_PAGES + 1):
            page = await self._api.page(number, period, debt_id)
            totals.add(page.pagination.total)
            if not page.todos or _names(page.todos) == _names(found[-len(page.todos) :]):
                break  # the end, or a server that knows no pages
            found += page.todos
            if number >= (page.pagination.pages or MOST_PAGES) or len(page.todos) < (page.pagination.limit or PAGE):
                break
        else:
            log.warning("getbill.list.cut", account=self._account, pages=MOST_PAGES)
            return found, True, number
        is_steady = len(totals) == 1 and totals <= {None, len(found)}
        return found, is_steady and len(set(_names(found))) == len(found), number

    async def _agreement(self, debt_id: str, *, is_interactive: bool) -> Json:
        """The list of the debt shows the instalments; only when it is not there, the single answer decides."""
        key = key_of(self._account, "agreement", debt_id)
        entry = self.by_key(await self.listed(EVER, debt_id)).get(key)
        if entry is not None:
            return entry
        single = await self._api.todo("agreement", debt_id, is_interactive=is_interactive)
        return {"type": "agreement", "id": debt_id} | _told(single)

    async def _with_list_entry(self, single: Json, debt_id: str) -> Json:
        try:
            entries = await self.listed(EVER, debt_id)
        except DeliveryError:
            return single  # what it does not say is shown without
        same = next((raw for raw in entries if wire.identifier(raw.get("id")) == str(single["id"])), {})
        return same | _told(single)

    async def _whole(self, key: str, raw: Json, is_open_here: bool, fresh: Collection[str]) -> Json | None:
        """A list entry with what the single todo adds; None when its status is not known and cannot be asked now."""
        todo = wire.Todo.model_validate(raw)
        what, todo_id = type_of(todo), id_of(todo)
        if what not in wire.DECIDABLE or todo_id is None:
            return raw
        kept = self._kept(key, todo, is_open_here, fresh)
        if kept is not None:
            return kept | _told(raw)
        is_needed = todo.status is None
        without = (self._singles.get(key) or {}) | _told(raw)
        if not is_needed and not self._has_left(SHARE_FOR_DETAILS):
            return without
        try:
            whole = raw | _told(await self._api.todo(what, todo_id))
        except (
            PermanentError
        ) as error:  # not_found: gone since the list was read; else a kind without a page of its own
            return None if error.code == "not_found" else without
        except RetryLaterError as error:
            if is_needed and error.code != "budget":
                raise
            return None if is_needed else without
        self._singles.put(key, whole)
        return whole

    def _kept(self, key: str, todo: wire.Todo, is_open_here: bool, fresh: Collection[str]) -> Json | None:
        """The remembered single todo, where it is as good as a new look or a new look would cost too much."""
        if todo.id in fresh or (todo.debt and todo.debt.id in fresh):
            return None
        kept = self._singles.get(key, SINGLE_KEPT_S)
        if kept is None or todo.status is not None or not self._has_left(SHARE_FOR_DETAILS):
            return kept
        return kept if _is_over(kept) and not is_open_here else None

    async def _debt(
        self, debt_id: str | None, *, is_interactive: bool = False, is_fresh: bool = False
    ) -> wire.Debt | None:
        """The debt, from memory where it can be; None when it cannot be read: then the currency is not known."""
        if debt_id is None:
            return None
        young, kept = self._debts.get(debt_id, DEBT_KEPT_S), self._debts.get(debt_id)
        if young is not None and not is_fresh:
            return young
        if not is_interactive and not self._has_left(SHARE_FOR_DEBTS):
            return kept
        try:
            debt = await self._api.debt(debt_id, is_interactive=is_interactive)
        except DeliveryError as error:
            if error.code != "not_found":
                return kept
            debt = kept or wire.Debt()
        self._debts.put(debt_id, debt)
        return debt

    def _has_left(self, share: float) -> bool:
        """Whether more than this share of the hourly reads is left, and what the lists will need besides."""
        return self._budget.share(READ) > max(share, self.kept_for_lists)

    def _fact(self, raw: Json, key: str, debt: wire.Debt | None, said_at: datetime) -> SourceSaid:
        said = snapshot(wire.Todo.model_validate(raw), debt, self._account, todo_url=self._todo_url)
        return SourceSaid(replace(said, key=key), said_at)

    def _alerts(
        self, raw: Json, key: str, debt: wire.Debt | None, said_at: datetime, open_alerts: Collection[str]
    ) -> Iterator[Fact]:
        """What falls due in a todo, and which of its alerts are over."""
        todo, said = wire.Todo.model_validate(raw), self._fact(raw, key, debt, said_at).snapshot
        found = list(due(said, todo, said_at.date()))
        yield from (SourceSaid(alert, said_at) for alert in found)
        for gone, outcome in ended(todo, open_alerts, {alert.key for alert in found}):
            yield SourceGone(gone, said_at, outcome=outcome)

    def _note(self, read: Iterable[tuple[str, Json]], said_at: datetime) -> None:
        """Keep how the debts stand that these todos are about; a debt itself as far as it was read anyway."""
        today, todos = said_at.date(), [(key, wire.Todo.model_validate(raw)) for key, raw in read]
        noted = (
            receivables(
                key,
                todo,
                self._debts.get((todo.debt.id if todo.debt else None) or ""),
                self._account,
                today,
                todo_url=self._todo_url,
            )
            for key, todo in todos
        )
        self._books.note(said_at, (one for some in noted for one in some))


async def _each(do: Callable[[A], Awaitable[T]], items: Sequence[A]) -> list[T]:
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


def _told(raw: Json) -> Json:
    """Only the fields that say something."""
    return {name: value for name, value in raw.items() if value is not None and value != []}


def _is_over(raw: Json) -> bool:
    return outcome_of(wire.Todo.model_validate(raw)) is not None


def _is_due(raw: Json, said_at: datetime) -> bool:
    return bool(days_due(wire.Todo.model_validate(raw), said_at.date()))


def _debt_id(raw: Json) -> str | None:
    debt = raw.get("debt")
    return wire.identifier(debt.get("id")) if isinstance(debt, dict) else None


def _names(listed: Sequence[Json]) -> list[tuple[str, str]]:
    return [(str(raw.get("type")), str(raw.get("id"))) for raw in listed]
