"""Reads Getbill's todos and makes facts of them (step 4, and every reconciliation pass).

A list entry and a single todo each show what the other leaves out: a hardship's status stands in the single one only,
severity and proofs may stand in the list only. Both are laid over each other, so that an item reads the same however it
was found, and the single one is remembered, so that a poll stays within the hourly allowance.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from receiver.domain.fact import Fact, SourceGone, SourceSaid
from receiver.errors import DeliveryError, PermanentError
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.api import Api, Json
from receiver.upstream.getbill.debts import receivables
from receiver.upstream.getbill.details import Details, each, told
from receiver.upstream.getbill.installment_alerts import alerts_by_todo, days_due, due, ended
from receiver.upstream.getbill.listing import Listing, by_key, debt_id_of, is_over
from receiver.upstream.getbill.translate import id_of, key_of, snapshot, split_key, type_of
from receiver.upstream.receivable_log import ReceivableLog

EVER = "since_beginning"


class Reader:
    """One account's todos. ``said`` and ``alone`` answer with facts; what cannot be read raises DeliveryError.

    What they show of debts goes into ``books``.
    """

    def __init__(
        self,
        account: str,
        api: Api,
        listing: Listing,
        details: Details,
        books: ReceivableLog,
        *,
        todo_url: str | None,
    ) -> None:
        self._listing = listing
        self._details = details
        self._books = books
        self._account = account
        self._api = api
        self._todo_url = todo_url

    async def one(self, what: str, todo_id: str, *, is_interactive: bool = False) -> Json:
        """One todo, with what only the list shows of it. Raises PermanentError("not_found") when it is gone."""
        if what == "agreement":
            return await self._agreement(todo_id, is_interactive=is_interactive)
        single = await self._api.todo(what, todo_id, is_interactive=is_interactive)
        single = {"type": what, "id": todo_id} | told(single)
        todo = wire.Todo.model_validate(single)
        if todo.sub_type is None and todo.debt and todo.debt.id:
            single = await self._with_list_entry(single, todo.debt.id, is_interactive=is_interactive)
        self._details.put(key_of(self._account, what, todo_id), single)
        return single

    async def alone(
        self, key: str, said_at: datetime, open_alerts: Collection[str] = (), *, is_fresh: bool = False
    ) -> list[Fact]:
        """What a single look at one of our keys says: the todo and what falls due in it, or that it surely is gone.

        ``is_fresh``: an event names it, so that its debt is read as well, whatever is stored.
        """
        split = split_key(key, self._account)
        assert split is not None, f"{key} is not of this account"
        try:
            raw = await self.one(*split)
        except PermanentError as error:
            if error.code != "not_found":
                raise
            self._books.note(said_at, (), gone=[key])
            return [SourceGone(gone, said_at) for gone in (key, *open_alerts)]
        if is_fresh or not self._details.is_stored(key):
            await self._details.debt(debt_id_of(raw))
        self._note([(key, raw)], said_at)
        return [self._fact(raw, key, said_at), *self._alerts(raw, key, said_at, open_alerts)]

    async def said(self, raw: Json, key: str, said_at: datetime, *, is_interactive: bool = False) -> SourceSaid:
        """The fact in ``raw``, which is about ``key`` whatever ids it repeats."""
        await self._details.debt(debt_id_of(raw), is_interactive=is_interactive)
        return self._fact(raw, key, said_at)

    async def facts(
        self, listed: Iterable[Json], open_keys: Collection[str], said_at: datetime, fresh: Collection[str] = ()
    ) -> list[Fact]:
        """What a list says, as far as it is news: open todos, those whose item is open here, and what falls due.

        ``fresh``: ids of todos and debts that just changed; what is remembered of them does not count.
        """
        ours, alerts = set(open_keys), alerts_by_todo(open_keys, self._account)
        every, details = by_key(list(listed), self._account), self._details
        concerned = {key: raw for key, raw in every.items() if key in ours or key in alerts or not is_over(raw)}
        needed = {key for key, raw in concerned.items() if self._is_needed(key, raw, key in ours, said_at)}
        unknown = await details.read_needed(concerned, needed)
        read = {key: raw for key, raw in concerned.items() if key not in unknown}

        def rings(key: str) -> bool:
            return key in ours or key in alerts or self._is_open_or_due(key, read[key], said_at)

        quiet = {key for key in read if not rings(key)}
        gone = await details.fill(read, ours, fresh, quiet=quiet, read_just_now=needed)
        whole = {key: details.laid(key, raw) for key, raw in read.items() if key not in gone}
        self._note((every | whole).items(), said_at)

        async def said(entry: tuple[str, Json]) -> list[Fact]:
            key, raw = entry
            facts: list[Fact] = [self._fact(raw, key, said_at)] if key in ours or not is_over(raw) else []
            return [*facts, *self._alerts(raw, key, said_at, alerts.get(key, ()))]

        # A follow-up date outlives the decision. What the list says of it is enough: this costs no read of the todo.
        late = [(key, raw) for key, raw in every.items() if key not in concerned and _is_due(raw, said_at)]
        await each(lambda entry: details.debt(debt_id_of(entry[1])), late)
        ringing = [entry for entry in whole.items() if rings(entry[0])]
        return [fact for facts in await each(said, [*ringing, *late]) for fact in facts]

    def _is_needed(self, key: str, raw: Json, is_ours: bool, said_at: datetime) -> bool:
        """Whether only the single todo can say that it is open, or what rings in it."""
        if not _is_statusless(raw) or not _is_statusless(self._details.laid(key, raw)):
            return False
        return not self._details.is_stored(key) or (not is_ours and _is_due(raw, said_at))

    def _is_open_or_due(self, key: str, raw: Json, said_at: datetime) -> bool:
        laid = self._details.laid(key, raw)
        if _is_statusless(laid):
            return False  # the store knows it as decided, and the list says nothing else
        return not is_over(laid) or _is_due(laid, said_at)

    async def _agreement(self, debt_id: str, *, is_interactive: bool) -> Json:
        """The list of the debt shows the instalments; only when it is not there, the single answer decides."""
        key = key_of(self._account, "agreement", debt_id)
        entries = await self._listing.whole(EVER, debt_id, is_interactive=is_interactive)
        entry = by_key(entries, self._account).get(key)
        if entry is not None:
            return entry
        single = await self._api.todo("agreement", debt_id, is_interactive=is_interactive)
        return {"type": "agreement", "id": debt_id} | told(single)

    async def _with_list_entry(self, single: Json, debt_id: str, *, is_interactive: bool) -> Json:
        try:
            entries = await self._listing.whole(EVER, debt_id, is_interactive=is_interactive)
        except DeliveryError:
            return single  # what it does not say is shown without
        same = next((raw for raw in entries if wire.identifier(raw.get("id")) == str(single["id"])), {})
        return same | told(single)

    def _fact(self, raw: Json, key: str, said_at: datetime) -> SourceSaid:
        debt = self._details.known_debt(debt_id_of(raw))
        said = snapshot(wire.Todo.model_validate(raw), debt, self._account, todo_url=self._todo_url)
        return SourceSaid(replace(said, key=key, is_partial=not self._details.is_whole(key, raw)), said_at)

    def _alerts(self, raw: Json, key: str, said_at: datetime, open_alerts: Collection[str]) -> Iterator[Fact]:
        """What falls due in a todo, and which of its alerts are over."""
        todo, said = wire.Todo.model_validate(raw), self._fact(raw, key, said_at).snapshot
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
                self._details.known_debt(todo.debt.id if todo.debt else None),
                self._account,
                today,
                todo_url=self._todo_url,
            )
            for key, todo in todos
        )
        self._books.note(said_at, (one for some in noted for one in some))


def _is_statusless(raw: Json) -> bool:
    """Whether it can be decided, and the list entry does not say how."""
    todo = wire.Todo.model_validate(raw)
    return todo.status is None and type_of(todo) in wire.DECIDABLE and id_of(todo) is not None


def _is_due(raw: Json, said_at: datetime) -> bool:
    return bool(days_due(wire.Todo.model_validate(raw), said_at.date()))
