"""Steps 4 and 9 for Getbill, and its reconciliation: fulfils ``ports.Upstream`` for one account.

Decides what to read and when to write; how a todo is read stands in ``reader.py``, how it is sent in ``api.py``.
"""

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

from receiver.domain.action import REOPENING, Plan, SourceCommand
from receiver.domain.digest import SourceFigures
from receiver.domain.fact import Fact, SourceAccepted, SourceDid, SourceGone, SourceRefused
from receiver.domain.item import Item, Medium
from receiver.errors import DeliveryError, PermanentError, RetryLaterError
from receiver.observability import log
from receiver.ports import ChangeHint, Health, ReceivableBatch, SyncPass
from receiver.upstream.getbill import inbound, media, wire
from receiver.upstream.getbill.api import PAGE, Api, Json
from receiver.upstream.getbill.budget import KEPT_BACK, READ, WRITE, Budget
from receiver.upstream.getbill.details import (
    ALLOWANCE_ENDED,
    MOST_AILING,
    ONE_AILS,
    SHARE_FOR_LISTS,
    SHARE_FOR_REFRESHING,
    Details,
)
from receiver.upstream.getbill.event_snapshot import carried
from receiver.upstream.getbill.hint_budget import for_events
from receiver.upstream.getbill.installment_alerts import alerts_by_todo, parent_of
from receiver.upstream.getbill.listing import Listing, by_key
from receiver.upstream.getbill.reader import EVER, Reader
from receiver.upstream.getbill.stats import counts_of, summary_of
from receiver.upstream.getbill.tokens import Tokens
from receiver.upstream.getbill.translate import DECIDED, SOURCE, key_of, outcome_of, split_key
from receiver.upstream.http import Http, OnReply, Transport, one_line
from receiver.upstream.receivable_log import ReceivableLog

STATUS_OF = {"validate": "validated", "reject": "rejected", "reopen": "suggested", "undo": "suggested"}
MOST_HINTS = 5  # more than these, and one look at the list is cheaper
READS_A_HINT = 2  # the todo and its debt
MOST_FRESH = 20  # hinted at together: more, and what is remembered of their debts does for now
MOST_UNSEEN = 50  # open here and not in the list: read singly, so many a pass
RECENT = "since_last_month"
MOST_LABEL = 120
SHARE_FOR_LOOKS = 0.1  # of the hourly reads, besides one whole list
LOOKS_APART_S = 10.0  # at the list: what comes meanwhile is answered by the next one
AFTER_RESTART = 10.0  # reads for events one by one: what was left before is not known

CURES = {
    "unauthorized": "check api_token, or client_id and client_secret, of this [[getbill]] account",
    "forbidden": "give the OAuth client the scopes debts:read and debts:write (Company → API Client Management)",
    "not_found": "check base_url of this [[getbill]] account",
    "redirected": "check base_url of this [[getbill]] account",
    "unexpected_answer": "check base_url of this [[getbill]] account",
    "unreachable": "check base_url and whether this machine may reach it",
    "rate_limited": "poll less often (poll_every), or ask Getbill for a higher limit",
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Getbill:
    """One Getbill company. ``budget`` shows what is left of its hourly allowance."""

    source = SOURCE
    longest_s = 75.0  # a token, a look, the write, a look: fifteen each, and a second token

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
        now: Callable[[], datetime] = _utc_now,
        transport: Transport | None = None,
        observe: OnReply | None = None,
    ) -> None:
        def now_s() -> float:
            return now().timestamp()

        self.account = account
        self.poll_every_s = poll_every_s
        self.budget = Budget({READ: reads_per_hour, WRITE: writes_per_hour}, now_s=now_s)
        self._plan_status_id = plan_status_id
        self._todo_url = todo_url
        self._now = now
        self._media = media.Hosts(base_url, media_hosts)
        endpoint = None
        if api_token is None and token_url:
            endpoint = Http(token_url, {}, transport=transport, on_reply=observe)
        tokens = Tokens(
            api_token=api_token, endpoint=endpoint, client_id=client_id, client_secret=client_secret, now_s=now_s
        )
        self._api = Api(base_url, tokens, self.budget, transport=transport, observe=observe)
        self._books = ReceivableLog(now)
        self._pace = for_events(reads_per_hour, now_s)
        self._listing = Listing(account, self._api, now_s)
        self._details = Details(account, self._api, self._listing, self.budget, poll_every_s=poll_every_s, now_s=now_s)
        self._reader = Reader(account, self._api, self._listing, self._details, self._books, todo_url=todo_url)
        self._heard_at: datetime | None = None
        self._read_alone_at: dict[str, float] = {}
        self._passed_at_s = 0.0

    def read(self, body: bytes) -> ChangeHint | None:
        return inbound.read(body)

    def facts_from_event(self, body: bytes) -> list[Fact]:
        found = carried(body, self._now(), self.account, self._todo_url)
        return [found] if found else []

    def key_of(self, hint: ChangeHint) -> str | None:
        return key_of(self.account, hint.what, hint.id) if hint.what and hint.id else None

    def recall(self, keys: Collection[str], heard_at: datetime | None) -> None:
        if keys and self._details.stored is None:
            self._pace.lower(AFTER_RESTART)
        self._heard_at = heard_at
        self._details.recall(keys)

    async def fetch(self, hints: Collection[ChangeHint], open_keys: Collection[str]) -> list[Fact]:
        """What the todos and debts in ``hints`` say now; when there are many, as the newest pages of the list show.

        Raises RetryLaterError("burst") while events have used up their part of the hourly reads.
        """
        distinct = set(hints)
        named = {key_of(self.account, hint.what, hint.id) for hint in distinct if hint.what and hint.id}
        debt_ids = {hint.debt_id for hint in distinct if hint.debt_id and not (hint.what and hint.id)}
        is_vague = len(named) + len(debt_ids) < len(distinct)
        self._expect(len(open_keys) + len(distinct))
        reads = READS_A_HINT * len(distinct)
        if not is_vague and len(distinct) <= MOST_HINTS and self._may_spend(reads):
            self._pace.spend(reads)
            return await self._singly(named, debt_ids, open_keys)
        self._wait_for(self._listing.pages if is_vague else len(distinct) // PAGE + 1)
        fresh = self._fresh(distinct, debt_ids)
        if not is_vague:
            return await self._among_newest(named, debt_ids, open_keys, fresh)
        found = await self._pass({*open_keys, *named}, RECENT, fresh)
        self._pace.spend(self._listing.pages)
        return found

    def _expect(self, todos: int) -> None:
        self._details.expect(max(self._listing.pages, todos // PAGE + 1))

    def _may_spend(self, reads: int) -> bool:
        """Whether events may still be answered one by one: half of their allowance is for looks at the list."""
        left = self.budget.remaining(READ) - self._details.kept_back()
        return self._pace.is_half_full(reads) and left > self.budget.limit(READ) * SHARE_FOR_LOOKS + reads

    def _wait_for(self, pages: int) -> None:
        """Events that cannot be afforded one by one wait until a look at the list can, which then answers them all."""
        wait_s = self._pace.wait_s(min(pages, self._listing.pages))
        if self._heard_at is not None:
            since_s = (self._now() - self._heard_at).total_seconds()
            wait_s = max(wait_s, LOOKS_APART_S - since_s if since_s >= 0 else 0.0)
        if wait_s > 0:
            raise RetryLaterError("burst", "many events at once; the next look at the list answers them", wait_s)

    def _fresh(self, distinct: Collection[ChangeHint], debt_ids: Collection[str]) -> set[str]:
        """Ids of which the details are read at once; in a burst they are left for later."""
        reads = READS_A_HINT * len(distinct)
        if len(distinct) > MOST_FRESH:
            self._details.wait_for_burst()
            return set()
        if not self._may_spend(reads):
            return set()
        self._pace.spend(reads)
        return {*debt_ids, *(hint.id for hint in distinct if hint.id)}

    async def _singly(self, named: set[str], debt_ids: set[str], open_keys: Collection[str]) -> list[Fact]:
        alerts = alerts_by_todo(open_keys, self.account)
        found: dict[str, Fact] = {}
        try:
            for debt_id in debt_ids:
                found |= {fact.key: fact for fact in await self._of_debt(debt_id, open_keys)}
            for key in named - found.keys():
                said = await self._reader.alone(key, self._now(), alerts.get(key, ()), is_fresh=True)
                found |= {fact.key: fact for fact in said}
        except PermanentError as error:  # one odd id in an event must not hold up the others
            if error.code not in {"refused", "not_found"}:
                raise
            log.warning("getbill.hint.refused", account=self.account, reason=error.message)
            return await self._pass(set(open_keys), RECENT, debt_ids)
        return list(found.values())

    async def _among_newest(
        self, named: set[str], debt_ids: set[str], open_keys: Collection[str], fresh: Collection[str]
    ) -> list[Fact]:
        """What the newest pages show of these; those on none of them are read singly, a few, or left to the sweep."""
        said_at = self._now()
        types = {split[0] for key in named if (split := split_key(key, self.account))}
        what = types.pop() if len(types) == 1 and types <= wire.TYPES and not debt_ids else None
        known = {*open_keys, *(self._details.stored or ())}
        listed, pages = await self._listing.newest(RECENT, named, debt_ids, what, known)
        self._pace.spend(pages)
        found = await self._reader.facts(listed, open_keys, said_at, fresh)
        return [*found, *await self._alone(named - by_key(listed, self.account).keys(), said_at, open_keys)]

    async def list_receivables(self) -> list[ReceivableBatch]:
        """How the debts stand that the todos read since are about; nothing is read for this."""
        return self._books.take()

    async def reconcile(
        self, open_keys: Collection[str], *, is_full: bool, versions: Mapping[str, int] | None = None
    ) -> SyncPass:
        """One pass over the last month's todos, or all of them; open keys that were not listed are read singly.

        Raises RetryLaterError when the list could not be heard out, and then nothing is concluded; "budget" also while
        a list so long would use up what is left of the hourly reads.
        """
        del versions  # what it says of a todo comes from several answers: comparing them is as much work as saying it
        if not is_full:
            self._stretch()
        began_at = self._now()
        facts = await self._pass(set(open_keys), EVER if is_full else RECENT, frozenset())
        return SyncPass(began_at, facts, frozenset(open_keys) - {fact.key for fact in facts})

    async def execute(self, order: SourceCommand) -> list[Fact]:
        """Write the decision, unless somebody already decided at Getbill; what the todo says afterwards."""
        what, todo_id = self._decidable(order)
        said_at = self._now()
        try:
            before = await self._reader.one(what, todo_id, is_interactive=True)
        except PermanentError as error:
            if error.code != "not_found":
                raise
            gone = SourceRefused(order.key, order.action_id, "not there any more at Getbill")
            return [SourceGone(order.key, said_at), gone]
        if order.plan is not None:
            return await self._change_plan(order, order.plan, todo_id, before)
        status, wanted = _status(before), STATUS_OF[order.verb]
        if status == wanted or {status, wanted} <= DECIDED:
            said: list[Fact] = [await self._reader.said(before, order.key, said_at, is_interactive=True)]
            reason = f"already {status} at Getbill"
            if status == wanted:
                return [*said, *_done(order)]
            return [*said, SourceRefused(order.key, order.action_id, reason)]
        await self._api.set_status(what, todo_id, wanted, _notes(order))
        return await self._effect(order, what, todo_id, lambda after: _status(after) == wanted)

    async def media_url(self, item: Item, medium: Medium) -> str:
        """A fresh link, good for an hour. Raises PermanentError: media_gone, host_not_allowed."""
        split = split_key(item.key, self.account)
        if split is None:
            raise PermanentError("media_gone", "this is no todo of this account")
        try:
            todo = wire.Todo.model_validate(await self._reader.one(*split, is_interactive=True))
        except PermanentError as error:
            code = "media_gone" if error.code == "not_found" else error.code
            raise PermanentError(code, error.message) from error
        return self._media.checked(media.link_of(todo, medium))

    async def health(self) -> list[Health]:
        name = f"{SOURCE}:{self.account}"
        try:
            stats = await self._api.stats()
        except DeliveryError as error:
            return [Health(name, False, error.message, CURES.get(error.code, ""))]
        left = f"{self.budget.remaining(READ)} reads and {self.budget.remaining(WRITE)} writes left this hour"
        return [Health(name, True, f"{summary_of(stats)}; {left}")]

    async def figures(self) -> SourceFigures:
        """Getbill's own count of the last month's todos, unless its allowance is needed for people."""
        stats = await self._api.stats(is_interactive=False)
        return SourceFigures(SOURCE, self.account, counts_of(stats))

    async def close(self) -> None:
        await self._api.close()

    async def _of_debt(self, debt_id: str, open_keys: Collection[str]) -> list[Fact]:
        said_at = self._now()
        listed = await self._listing.whole(EVER, debt_id)
        found = await self._reader.facts(listed, open_keys, said_at, {debt_id})
        agreement = key_of(self.account, "agreement", debt_id)
        if agreement in open_keys and agreement not in by_key(listed, self.account):
            alerts = alerts_by_todo(open_keys, self.account)
            found += await self._reader.alone(agreement, said_at, alerts.get(agreement, ()), is_fresh=True)
        return found

    async def _pass(self, open_keys: set[str], period: str, fresh: Collection[str]) -> list[Fact]:
        """``said_at`` is when the first request began: a click answered meanwhile is newer than all of this."""
        said_at = self._now()
        self._expect(len(open_keys))
        self._check_whole_list()
        listed = await self._listing.whole(period)
        self._expect(len(open_keys))
        found = await self._reader.facts(listed, open_keys, said_at, fresh)
        shown = by_key(listed, self.account).keys()
        ours = {parent_of(key, self.account) or key for key in open_keys if split_key(key, self.account)}
        unseen = ours - shown
        self._read_alone_at = {key: at for key, at in self._read_alone_at.items() if key in unseen}
        found += await self._alone(unseen, said_at, open_keys)
        self._books.note(said_at, (), is_pass=True, listed=frozenset(shown) if period == EVER else None)
        self._passed_at_s = said_at.timestamp()
        return found

    def _check_whole_list(self) -> None:
        """A list that cannot be read to its end is not begun."""
        needed = math.ceil(self._details.kept_back())
        if self._details.pages > 1 and (wait_s := self.budget.wait_s(READ, needed)):
            what = f"a list of {self._details.pages} pages waits for allowance"
            raise RetryLaterError("budget", what, wait_s, reach="ours")

    def _stretch(self) -> None:
        """Many pages and few reads for them: then the list is read as often as they last."""
        limit = self.budget.limit(READ)
        left = max(min(self.budget.remaining(READ) - limit * KEPT_BACK, limit * SHARE_FOR_LISTS), 1.0)
        pause_s = self._listing.pages * 3600 / left
        wait_s = self._passed_at_s + pause_s - self._now().timestamp()
        if self._listing.pages > 1 and pause_s > self.poll_every_s and wait_s > 0:
            what = f"a list of {self._listing.pages} pages is read less often"
            raise RetryLaterError("budget", what, wait_s, reach="ours")

    async def _alone(self, unseen: set[str], said_at: datetime, open_keys: Collection[str]) -> list[Fact]:
        """The todos that were read longest ago, as many as a pass may."""
        read_at = self._read_alone_at
        alerts = alerts_by_todo(open_keys, self.account)
        found: list[Fact] = []
        ailing = 0
        most = MOST_UNSEEN if self.budget.share(READ) > SHARE_FOR_REFRESHING else MOST_UNSEEN // 5
        for key in sorted(unseen, key=lambda key: (read_at.get(key, 0.0), key))[:most]:
            try:
                found += await self._reader.alone(key, said_at, alerts.get(key, ()))
            except PermanentError as error:
                log.warning("getbill.todo.unreadable", account=self.account, key=key, reason=error.code)
            except RetryLaterError as error:
                if error.code in ALLOWANCE_ENDED:
                    break
                ailing += 1
                if error.code not in ONE_AILS or ailing > MOST_AILING:
                    raise
                log.warning("getbill.todo.unreadable", account=self.account, key=key, reason=error.code)
            read_at[key] = said_at.timestamp()
        return found

    async def _change_plan(self, order: SourceCommand, plan: Plan, debt_id: str, before: Json) -> list[Fact]:
        """Written again after a try that perhaps arrived: the same plan twice is the same plan."""
        if outcome_of(wire.Todo.model_validate(before)) is not None:
            said = await self._reader.said(before, order.key, self._now(), is_interactive=True)
            return [said, SourceRefused(order.key, order.action_id, "already completed at Getbill")]
        await self._api.set_plan(debt_id, plan, self._plan_status_id)
        return await self._effect(order, "agreement", debt_id, lambda after: _has_plan(after, plan))

    async def _effect(
        self, order: SourceCommand, what: str, todo_id: str, is_there: Callable[[Json], bool]
    ) -> list[Fact]:
        """After a write that Getbill took: what the todo says now, if it says so already."""
        said_at = self._now()
        try:
            after = await self._reader.one(what, todo_id, is_interactive=True)
            if is_there(after):
                return [await self._reader.said(after, order.key, said_at, is_interactive=True), *_done(order)]
        except DeliveryError as error:
            log.warning("getbill.todo.unread_after_write", account=self.account, key=order.key, reason=error.code)
        self._details.forget(order.key)
        return [SourceAccepted(order.key, order.action_id)]

    def _decidable(self, order: SourceCommand) -> tuple[str, str]:
        split = split_key(order.key, self.account)
        is_plan = split is not None and split[0] == "agreement" and order.verb == "update_plan" and order.plan
        if split is None or not (is_plan or (split[0] in wire.DECIDABLE and order.verb in STATUS_OF)):
            raise PermanentError("not_offered", f"Getbill offers no {order.verb!r} for this")
        return split


def _done(order: SourceCommand) -> list[Fact]:
    """What leaves the item open is said to be done: nothing else shows that it is what was asked."""
    stays_open = order.verb in REOPENING or order.verb == "update_plan"
    return [SourceDid(order.key, order.action_id)] if stays_open else []


def _has_plan(raw: Json, plan: Plan) -> bool:
    todo = wire.Todo.model_validate(raw)
    return (todo.plan_months, todo.plan_start_date) == (plan.months, plan.starts_on)


def _status(raw: Json) -> str | None:
    return wire.Todo.model_validate(raw).status


def _notes(order: SourceCommand) -> str:
    """What colleagues read at Getbill: the note, and who decided where."""
    second = f", confirmed by {one_line(order.confirmed_by, MOST_LABEL)}," if order.confirmed_by else ""
    who = f"{one_line(order.person.label, MOST_LABEL)}{second} via Casebell"
    note = (order.note or "").encode("utf-8", "ignore").decode().replace("\x00", "").strip()
    return f"{note} ({who})" if note else who
