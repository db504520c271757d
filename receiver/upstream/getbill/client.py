"""Getbill's side of ``ports.Upstream``, for one account.

Decides what to read; ``reader.py`` reads todos, ``commands.py`` writes decisions and ``api.py`` makes the calls.
"""

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

from receiver.domain.action import SourceCommand
from receiver.domain.digest import SourceFigures
from receiver.domain.fact import Fact
from receiver.domain.item import Item, Medium
from receiver.errors import DeliveryError, PermanentError, RetryLaterError
from receiver.observability import log
from receiver.ports import ChangeHint, Health, ReceivableBatch, SyncResult
from receiver.upstream.getbill import inbound, media, wire
from receiver.upstream.getbill.api import PAGE, Api
from receiver.upstream.getbill.budget import READ, RESERVED_SHARE, WRITE, Budget
from receiver.upstream.getbill.commands import Commands
from receiver.upstream.getbill.detail_budget import SHARE_FOR_LISTS, SHARE_FOR_REFRESHING, DetailBudget
from receiver.upstream.getbill.details import BUDGET_ERRORS, Details, UnreadableTodos
from receiver.upstream.getbill.event_snapshot import fact_from_event
from receiver.upstream.getbill.hint_budget import event_budget
from receiver.upstream.getbill.installment_alerts import alerts_by_todo, parent_of
from receiver.upstream.getbill.listing import Listing, index_by_key
from receiver.upstream.getbill.reader import ALL_TIME, Reader
from receiver.upstream.getbill.stats import counts_of, summary_of
from receiver.upstream.getbill.tokens import Tokens
from receiver.upstream.getbill.translate import SOURCE, key_of, split_key
from receiver.upstream.http import Http, OnReply, Transport
from receiver.upstream.receivable_log import ReceivableLog

MAX_HINTS = 5  # with more hints, reading the list is cheaper
READS_PER_HINT = 2  # the todo and its debt
MAX_REFRESHED = 20  # hints at once; with more, cached details are good enough for now
MAX_UNLISTED = 50  # open items that the list lacks, read one by one in a pass
LAST_MONTH = "since_last_month"
SHARE_FOR_EVENT_LISTS = 0.1  # of the hourly reads, besides one whole list
LIST_PAUSE_S = 10.0  # between two reads of the list for events; the next read answers what arrives in between
READS_AFTER_RESTART = 10.0  # for events one by one: what was left before the restart is not known

CURES = {
    "unauthorized": "check api_token, or client_id and client_secret, of this [[getbill]] account",
    "forbidden": "give the OAuth client the scopes debts:read and debts:write (Company → API Client Management)",
    "not_found": "check base_url of this [[getbill]] account",
    "redirected": "check base_url of this [[getbill]] account",
    "unexpected_answer": "check base_url of this [[getbill]] account",
    "unreachable": "check base_url and whether this machine may reach it",
    "rate_limited": "poll less often (poll_every), or ask Getbill for a higher limit",
}


class Getbill:
    """One Getbill company. ``budget``: the rest of its hourly allowance."""

    source = SOURCE
    max_duration_s = 75.0  # a token, a read, the write, a read and a second token: fifteen seconds each

    def __init__(
        self,
        account: str,
        base_url: str,
        *,
        api_token: str | None = None,
        token_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        poll_every_s: float,
        reads_per_hour: int = 1000,
        writes_per_hour: int = 500,
        todo_url: str | None = None,
        plan_status_id: str | None = None,
        media_hosts: Collection[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: Transport | None = None,
        observe: OnReply | None = None,
    ) -> None:
        def now_s() -> float:
            return now().timestamp()

        self.account = account
        self.poll_every_s = poll_every_s
        self.budget = Budget({READ: reads_per_hour, WRITE: writes_per_hour}, now_s=now_s)
        self._todo_url = todo_url
        self._now = now
        self._media = media.Hosts(base_url, media_hosts)
        is_oauth = api_token is None and token_url
        endpoint = Http(token_url or "", {}, transport=transport, on_reply=observe) if is_oauth else None
        tokens = Tokens(
            api_token=api_token, endpoint=endpoint, client_id=client_id, client_secret=client_secret, now_s=now_s
        )
        self._api = Api(base_url, tokens, self.budget, transport=transport, observe=observe)
        self._receivable_log = ReceivableLog(now)
        self._event_budget = event_budget(reads_per_hour, now_s)
        self._listing = Listing(account, self._api, now_s)
        self._detail_budget = DetailBudget(self.budget, self._listing, poll_every_s, now_s)
        self._details = Details(account, self._api, self._detail_budget, now_s)
        self._reader = Reader(account, self._api, self._listing, self._details, self._receivable_log, todo_url=todo_url)
        self._commands = Commands(account, self._api, self._reader, self._details, now, plan_status_id)
        self._last_contact_at: datetime | None = None
        self._unlisted_read_at: dict[str, float] = {}
        self._last_sync_s = 0.0

    def read(self, body: bytes) -> ChangeHint | None:
        return inbound.read(body)

    def facts_from_event(self, body: bytes) -> list[Fact]:
        fact = fact_from_event(body, self._now(), self.account, self._todo_url)
        return [fact] if fact else []

    def key_of(self, hint: ChangeHint) -> str | None:
        return key_of(self.account, hint.what, hint.id) if hint.what and hint.id else None

    def restore_details(self, keys: Collection[str], reported_at: datetime | None) -> None:
        if keys and self._details.complete_keys is None:
            self._event_budget.lower(READS_AFTER_RESTART)
        self._last_contact_at = reported_at
        self._details.restore_details(keys)

    async def fetch(self, hints: Collection[ChangeHint], open_keys: Collection[str]) -> list[Fact]:
        """Read the todos and debts in ``hints`` one by one; when there are many, read the newest pages of the list.

        Raises RetryLaterError("burst") while events have used up their part of the hourly reads.
        """
        distinct = set(hints)
        named = {key_of(self.account, hint.what, hint.id) for hint in distinct if hint.what and hint.id}
        debt_ids = {hint.debt_id for hint in distinct if hint.debt_id and not (hint.what and hint.id)}
        is_vague = len(named) + len(debt_ids) < len(distinct)
        self._expect_todos(len(open_keys) + len(distinct))
        reads = READS_PER_HINT * len(distinct)
        if not is_vague and len(distinct) <= MAX_HINTS and self._can_spend(reads):
            self._event_budget.spend(reads)
            return await self._fetch_singly(named, debt_ids, open_keys)
        self._require_event_budget(self._listing.pages if is_vague else len(distinct) // PAGE + 1)
        changed_ids = self._ids_to_refresh(distinct, debt_ids)
        if not is_vague:
            return await self._fetch_newest(named, debt_ids, open_keys, changed_ids)
        facts = await self._sync({*open_keys, *named}, LAST_MONTH, changed_ids)
        self._event_budget.spend(self._listing.pages)
        return facts

    async def list_receivables(self) -> list[ReceivableBatch]:
        """Return the state of the debts whose todos were read since the last call; reads nothing."""
        return self._receivable_log.drain()

    async def reconcile(
        self, open_keys: Collection[str], *, is_full: bool, versions: Mapping[str, int] | None = None
    ) -> SyncResult:
        """Read the todos of the last month, or all of them, and one by one the open items that the list lacks.

        Raises RetryLaterError when the list cannot be read completely; then no fact is derived. The code is "budget"
        when so long a list would use up the rest of the hourly reads.
        """
        del versions  # a todo's facts come from several responses: comparing them costs as much as applying them
        if not is_full:
            self._require_list_pause()
        began_at = self._now()
        facts = await self._sync(set(open_keys), ALL_TIME if is_full else LAST_MONTH, frozenset())
        return SyncResult(began_at, facts, frozenset(open_keys) - {fact.key for fact in facts})

    async def execute(self, command: SourceCommand) -> list[Fact]:
        return await self._commands.execute(command)

    async def media_url(self, item: Item, medium: Medium) -> str:
        """Return a fresh link, valid for one hour. Raises PermanentError: media_gone, host_not_allowed."""
        split = split_key(item.key, self.account)
        if split is None:
            raise PermanentError("media_gone", "this is no todo of this account")
        try:
            todo = wire.Todo.model_validate(await self._reader.read_todo(*split, is_interactive=True))
        except PermanentError as error:
            code = "media_gone" if error.code == "not_found" else error.code
            raise PermanentError(code, error.message) from error
        return self._media.check(media.link_of(todo, medium))

    async def health(self) -> list[Health]:
        name = f"{SOURCE}:{self.account}"
        try:
            stats = await self._api.stats()
        except DeliveryError as error:
            return [Health(name, False, error.message, CURES.get(error.code, ""))]
        left = f"{self.budget.remaining(READ)} reads and {self.budget.remaining(WRITE)} writes left this hour"
        return [Health(name, True, f"{summary_of(stats)}; {left}")]

    async def figures(self) -> SourceFigures:
        """Return Getbill's own counts. Raises RetryLaterError("budget") when people need the rest of the allowance."""
        stats = await self._api.stats(is_interactive=False)
        return SourceFigures(SOURCE, self.account, counts_of(stats))

    async def close(self) -> None:
        await self._api.close()

    def _expect_todos(self, todos: int) -> None:
        self._detail_budget.expect_pages(max(self._listing.pages, todos // PAGE + 1))

    def _can_spend(self, reads: int) -> bool:
        """Whether events may be answered one by one: half of their allowance is reserved for the list."""
        left = self.budget.remaining(READ) - self._detail_budget.reserved_reads()
        return self._event_budget.is_half_full(reads) and left > self.budget.limit(READ) * SHARE_FOR_EVENT_LISTS + reads

    def _require_event_budget(self, pages: int) -> None:
        """Raises RetryLaterError("burst") until events may read ``pages`` of the list, at most every LIST_PAUSE_S."""
        wait_s = self._event_budget.wait_s(min(pages, self._listing.pages))
        if self._last_contact_at is not None:
            since_s = (self._now() - self._last_contact_at).total_seconds()
            wait_s = max(wait_s, LIST_PAUSE_S - since_s if since_s >= 0 else 0.0)
        if wait_s > 0:
            raise RetryLaterError("burst", "many events at once; the next read of the list answers them", wait_s)

    def _ids_to_refresh(self, distinct: Collection[ChangeHint], debt_ids: Collection[str]) -> set[str]:
        """Return the ids whose details are read at once; none in a burst."""
        reads = READS_PER_HINT * len(distinct)
        if len(distinct) > MAX_REFRESHED:
            self._detail_budget.pause_for_burst()
            return set()
        if not self._can_spend(reads):
            return set()
        self._event_budget.spend(reads)
        return {*debt_ids, *(hint.id for hint in distinct if hint.id)}

    async def _fetch_singly(self, named: set[str], debt_ids: set[str], open_keys: Collection[str]) -> list[Fact]:
        alerts = alerts_by_todo(open_keys, self.account)
        by_key: dict[str, Fact] = {}
        try:
            for debt_id in debt_ids:
                by_key |= {fact.key: fact for fact in await self._fetch_debt(debt_id, open_keys)}
            for key in named - by_key.keys():
                facts = await self._reader.facts_of_todo(key, self._now(), alerts.get(key, ()), is_changed=True)
                by_key |= {fact.key: fact for fact in facts}
        except PermanentError as error:  # an invalid id in one event must not block the others
            if error.code not in {"refused", "not_found"}:
                raise
            log.warning("getbill.hint.refused", account=self.account, reason=error.message)
            return await self._sync(set(open_keys), LAST_MONTH, debt_ids)
        return list(by_key.values())

    async def _fetch_newest(
        self, named: set[str], debt_ids: set[str], open_keys: Collection[str], changed_ids: Collection[str]
    ) -> list[Fact]:
        """Find them on the newest pages. A few of the others are read one by one, the rest by reconciliation."""
        as_of = self._now()
        types = {split[0] for key in named if (split := split_key(key, self.account))}
        todo_type = types.pop() if len(types) == 1 and types <= wire.TYPES and not debt_ids else None
        known = {*open_keys, *(self._details.complete_keys or ())}
        listed, pages = await self._listing.read_newest(LAST_MONTH, named, debt_ids, todo_type, known)
        self._event_budget.spend(pages)
        facts = await self._reader.facts_of_list(listed, open_keys, as_of, changed_ids)
        unlisted = named - index_by_key(listed, self.account).keys()
        return [*facts, *await self._read_unlisted(unlisted, as_of, open_keys)]

    async def _fetch_debt(self, debt_id: str, open_keys: Collection[str]) -> list[Fact]:
        as_of = self._now()
        listed = await self._listing.read_all(ALL_TIME, debt_id)
        facts = await self._reader.facts_of_list(listed, open_keys, as_of, {debt_id})
        agreement = key_of(self.account, "agreement", debt_id)
        if agreement in open_keys and agreement not in index_by_key(listed, self.account):
            alerts = alerts_by_todo(open_keys, self.account)
            facts += await self._reader.facts_of_todo(agreement, as_of, alerts.get(agreement, ()), is_changed=True)
        return facts

    async def _sync(self, open_keys: set[str], period: str, changed_ids: Collection[str]) -> list[Fact]:
        """``as_of`` is the start of the first request: a decision made during the sync is newer."""
        as_of = self._now()
        self._expect_todos(len(open_keys))
        self._require_list_budget()
        listed = await self._listing.read_all(period)
        self._expect_todos(len(open_keys))
        facts = await self._reader.facts_of_list(listed, open_keys, as_of, changed_ids)
        listed_keys = index_by_key(listed, self.account).keys()
        open_here = {parent_of(key, self.account) or key for key in open_keys if split_key(key, self.account)}
        unlisted = open_here - listed_keys
        self._unlisted_read_at = {key: at for key, at in self._unlisted_read_at.items() if key in unlisted}
        facts += await self._read_unlisted(unlisted, as_of, open_keys)
        all_keys = frozenset(listed_keys) if period == ALL_TIME else None
        self._receivable_log.record(as_of, (), is_complete=True, listed=all_keys)
        self._last_sync_s = as_of.timestamp()
        return facts

    def _require_list_budget(self) -> None:
        """Raises RetryLaterError("budget") when the allowance does not suffice for the whole list."""
        needed, pages = math.ceil(self._detail_budget.reserved_reads()), self._detail_budget.pages
        if pages > 1 and (wait_s := self.budget.wait_s(READ, needed)):
            raise RetryLaterError("budget", f"a list of {pages} pages waits for allowance", wait_s, scope="internal")

    def _require_list_pause(self) -> None:
        """Raises RetryLaterError("budget") when so long a list may not be read as often as it is polled."""
        limit = self.budget.limit(READ)
        left = max(min(self.budget.remaining(READ) - limit * RESERVED_SHARE, limit * SHARE_FOR_LISTS), 1.0)
        pause_s = self._listing.pages * 3600 / left
        wait_s = self._last_sync_s + pause_s - self._now().timestamp()
        if self._listing.pages > 1 and pause_s > self.poll_every_s and wait_s > 0:
            message = f"a list of {self._listing.pages} pages is read less often"
            raise RetryLaterError("budget", message, wait_s, scope="internal")

    async def _read_unlisted(self, unlisted: set[str], as_of: datetime, open_keys: Collection[str]) -> list[Fact]:
        """Read the todos one by one, those read longest ago first, as many as a sync may."""
        read_at = self._unlisted_read_at
        alerts = alerts_by_todo(open_keys, self.account)
        facts: list[Fact] = []
        unreadable = UnreadableTodos(self.account)
        limit = MAX_UNLISTED if self.budget.share(READ) > SHARE_FOR_REFRESHING else MAX_UNLISTED // 5
        for key in sorted(unlisted, key=lambda key: (read_at.get(key, 0.0), key))[:limit]:
            try:
                facts += await self._reader.facts_of_todo(key, as_of, alerts.get(key, ()))
            except PermanentError as error:
                log.warning("getbill.todo.unreadable", account=self.account, key=key, reason=error.code)
            except RetryLaterError as error:
                if error.code in BUDGET_ERRORS:
                    break
                unreadable.add(key, error)
            read_at[key] = as_of.timestamp()
        return facts
