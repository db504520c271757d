"""Reads Getbill's todos and derives facts from them.

A list entry and a single todo each lack fields of the other: the status of a hardship is in the single todo only,
severity and proofs may be in the list only. Both are merged, so that an item is the same whichever way it was read.
Single todos are cached, so that a poll stays within the hourly allowance. docs/vendors/getbill.md#todos
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from receiver.domain.fact import Fact, SourceGone, SourceReported
from receiver.domain.twin import Receivable
from receiver.errors import DeliveryError, PermanentError
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.api import Api, Json
from receiver.upstream.getbill.debts import receivables
from receiver.upstream.getbill.details import Details, drop_empty, map_concurrently
from receiver.upstream.getbill.installment_alerts import alert_days, alert_snapshots, alerts_by_todo, ended_alerts
from receiver.upstream.getbill.listing import Listing, debt_id_of, index_by_key, is_decided
from receiver.upstream.getbill.translate import id_of, key_of, snapshot, split_key, type_of
from receiver.upstream.receivable_log import ReceivableLog

ALL_TIME = "since_beginning"


class Reader:
    """The todos of one account. Reading raises DeliveryError.

    What the todos show of debts goes into ``receivable_log``.
    """

    def __init__(
        self,
        account: str,
        api: Api,
        listing: Listing,
        details: Details,
        receivable_log: ReceivableLog,
        *,
        todo_url: str | None,
    ) -> None:
        self._listing = listing
        self._details = details
        self._receivable_log = receivable_log
        self._account = account
        self._api = api
        self._todo_url = todo_url

    async def read_todo(self, todo_type: str, todo_id: str, *, is_interactive: bool = False) -> Json:
        """Return a todo, merged with its list entry where needed. Raises PermanentError("not_found")."""
        if todo_type == "agreement":
            return await self._read_agreement(todo_id, is_interactive=is_interactive)
        single = await self._api.todo(todo_type, todo_id, is_interactive=is_interactive)
        single = {"type": todo_type, "id": todo_id} | drop_empty(single)
        todo = wire.Todo.model_validate(single)
        if todo.sub_type is None and todo.debt and todo.debt.id:
            single = await self._merge_list_entry(single, todo.debt.id, is_interactive=is_interactive)
        self._details.put_todo(key_of(self._account, todo_type, todo_id), single)
        return single

    async def facts_of_todo(
        self, key: str, as_of: datetime, open_alerts: Collection[str] = (), *, is_changed: bool = False
    ) -> list[Fact]:
        """Read one todo by its item's key; return its facts and those of its alerts, or that they are gone.

        ``is_changed``: an event named it, so its debt is read too, even if the store has all details.
        """
        split = split_key(key, self._account)
        assert split is not None, f"{key} is not of this account"
        try:
            raw = await self.read_todo(*split)
        except PermanentError as error:
            if error.code != "not_found":
                raise
            self._receivable_log.record(as_of, (), gone=[key])
            return [SourceGone(gone_key, as_of) for gone_key in (key, *open_alerts)]
        if is_changed or not self._details.is_stored(key):
            await self._details.debt(debt_id_of(raw))
        self._record_receivables([(key, raw)], as_of)
        return [self._build_fact(raw, key, as_of), *self._alert_facts(raw, key, as_of, open_alerts)]

    async def as_fact(self, raw: Json, key: str, as_of: datetime, *, is_interactive: bool = False) -> SourceReported:
        """Return the fact in ``raw`` about ``key``, whatever ids ``raw`` repeats; reads the debt if needed."""
        await self._details.debt(debt_id_of(raw), is_interactive=is_interactive)
        return self._build_fact(raw, key, as_of)

    async def facts_of_list(
        self, listed: Iterable[Json], open_keys: Collection[str], as_of: datetime, changed_ids: Collection[str] = ()
    ) -> list[Fact]:
        """Return the facts of a list: of open todos, of items that are open here, and of alerts.

        ``changed_ids``: ids of todos and debts named by events; their cached details are read again.
        """
        open_here, alerts = set(open_keys), alerts_by_todo(open_keys, self._account)
        followed = open_here | alerts.keys()
        entries, details = index_by_key(list(listed), self._account), self._details
        relevant = {key: raw for key, raw in entries.items() if key in followed or not is_decided(raw)}
        merged = await self._read_details(relevant, open_here, followed, as_of, changed_ids)
        self._record_receivables((entries | merged).items(), as_of)

        async def facts_of(entry: tuple[str, Json]) -> list[Fact]:
            key, raw = entry
            facts: list[Fact] = [self._build_fact(raw, key, as_of)] if key in open_here or not is_decided(raw) else []
            return [*facts, *self._alert_facts(raw, key, as_of, alerts.get(key, ()))]

        # A check-in outlives the decision. The list entry has all that its alert needs: no read of the single todo.
        late = [(key, raw) for key, raw in entries.items() if key not in relevant and _has_alert(raw, as_of)]
        await map_concurrently(lambda entry: details.debt(debt_id_of(entry[1])), late)
        reported = [
            (key, raw) for key, raw in merged.items() if key in followed or self._is_open(key, relevant[key], as_of)
        ]
        return [fact for facts in await map_concurrently(facts_of, [*reported, *late]) for fact in facts]

    async def _read_details(
        self,
        relevant: Mapping[str, Json],
        open_here: AbstractSet[str],
        followed: AbstractSet[str],
        as_of: datetime,
        changed_ids: Collection[str],
    ) -> dict[str, Json]:
        """Return the entries merged with their details, without those that could not be read."""
        details = self._details
        required = {key for key, raw in relevant.items() if self._requires_todo(key, raw, key in open_here, as_of)}
        unread = await details.read_required(relevant, required)
        entries = {key: raw for key, raw in relevant.items() if key not in unread}
        decided = {key for key, raw in entries.items() if key not in followed and not self._is_open(key, raw, as_of)}
        left_out = await details.read_missing(entries, open_here, changed_ids, decided=decided, already_read=required)
        return {key: details.merge(key, raw) for key, raw in entries.items() if key not in left_out}

    def _requires_todo(self, key: str, raw: Json, is_open_here: bool, as_of: datetime) -> bool:
        """Whether only the single todo shows if it is open or has an alert."""
        if not _is_statusless(raw) or not _is_statusless(self._details.merge(key, raw)):
            return False
        return not self._details.is_stored(key) or (not is_open_here and _has_alert(raw, as_of))

    def _is_open(self, key: str, raw: Json, as_of: datetime) -> bool:
        """Whether the todo is open or has an alert."""
        merged = self._details.merge(key, raw)
        if _is_statusless(merged):
            return False  # the store has it as decided, and the list does not contradict
        return not is_decided(merged) or _has_alert(merged, as_of)

    async def _read_agreement(self, debt_id: str, *, is_interactive: bool) -> Json:
        """Return the entry in the debt's list, which has the instalments; the single todo only when there is none."""
        key = key_of(self._account, "agreement", debt_id)
        entries = await self._listing.read_all(ALL_TIME, debt_id, is_interactive=is_interactive)
        entry = index_by_key(entries, self._account).get(key)
        if entry is not None:
            return entry
        single = await self._api.todo("agreement", debt_id, is_interactive=is_interactive)
        return {"type": "agreement", "id": debt_id} | drop_empty(single)

    async def _merge_list_entry(self, single: Json, debt_id: str, *, is_interactive: bool) -> Json:
        try:
            entries = await self._listing.read_all(ALL_TIME, debt_id, is_interactive=is_interactive)
        except DeliveryError:
            return single  # the item is shown without the missing fields
        same = next((raw for raw in entries if wire.identifier(raw.get("id")) == str(single["id"])), {})
        return same | drop_empty(single)

    def _build_fact(self, raw: Json, key: str, as_of: datetime) -> SourceReported:
        debt = self._details.cached_debt(debt_id_of(raw))
        todo = snapshot(wire.Todo.model_validate(raw), debt, self._account, todo_url=self._todo_url)
        return SourceReported(replace(todo, key=key, is_partial=not self._details.is_complete(key, raw)), as_of)

    def _alert_facts(self, raw: Json, key: str, as_of: datetime, open_alerts: Collection[str]) -> Iterator[Fact]:
        """Yield the facts of a todo's alerts, open and ended."""
        todo = wire.Todo.model_validate(raw)
        alerts = list(alert_snapshots(self._build_fact(raw, key, as_of).snapshot, todo, as_of.date()))
        yield from (SourceReported(alert, as_of) for alert in alerts)
        for ended, outcome in ended_alerts(todo, open_alerts, {alert.key for alert in alerts}):
            yield SourceGone(ended, as_of, outcome=outcome)

    def _record_receivables(self, entries: Iterable[tuple[str, Json]], as_of: datetime) -> None:
        """Record the state of the todos' debts; reads nothing."""
        rows: list[Receivable] = []
        for key, raw in entries:
            todo = wire.Todo.model_validate(raw)
            debt = self._details.cached_debt(todo.debt.id if todo.debt else None)
            rows += receivables(key, todo, debt, self._account, as_of.date(), todo_url=self._todo_url)
        self._receivable_log.record(as_of, rows)


def _is_statusless(raw: Json) -> bool:
    """Whether the todo can be decided and its list entry has no status."""
    todo = wire.Todo.model_validate(raw)
    return todo.status is None and type_of(todo) in wire.DECIDABLE and id_of(todo) is not None


def _has_alert(raw: Json, as_of: datetime) -> bool:
    return bool(alert_days(wire.Todo.model_validate(raw), as_of.date()))
