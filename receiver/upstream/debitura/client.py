"""Debitura's side of ``ports.Upstream``, for one creditor account.

Derives facts from the list of tasks; ``chats.py`` sends replies and ``api.py`` makes the calls.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

from receiver.domain.action import SourceCommand
from receiver.domain.fact import Fact, SourceGone, SourceReported
from receiver.domain.item import Item, Medium
from receiver.domain.people import People
from receiver.errors import DeliveryError, PermanentError
from receiver.observability import log
from receiver.ports import ChangeHint, Health, ReceivableBatch, SyncResult
from receiver.upstream.debitura import inbound
from receiver.upstream.debitura.api import Api
from receiver.upstream.debitura.case_cache import EMPTY, CaseCache, Context
from receiver.upstream.debitura.cases import Cases
from receiver.upstream.debitura.chats import Replies
from receiver.upstream.debitura.subscriptions import Subscriptions
from receiver.upstream.debitura.tasks import ListedTask, find_solved, list_open_tasks
from receiver.upstream.debitura.team import Team
from receiver.upstream.debitura.translate import SOLVED, SOURCE, key_of, snapshot, task_id_in
from receiver.upstream.http import OnReply, Transport
from receiver.upstream.receivable_log import ReceivableLog

REFUSED_PAUSE = timedelta(minutes=5)
SETTLE_S = 5.0
YIELD_EVERY = 1_000
FIRST_VERSION = 1  # the version of an item that a sync opens

CURES = {
    "unauthorized": "check api_key of this [[debitura]] account; keys are made at app.debitura.com/CreditorApiKey",
    "forbidden": "check api_key of this [[debitura]] account; keys are made at app.debitura.com/CreditorApiKey",
    "not_found": "check base_url and api_key of this [[debitura]] account",
    "redirected": "check base_url of this [[debitura]] account",
    "unexpected_answer": "check base_url of this [[debitura]] account",
    "unreachable": "check base_url and whether this machine may reach it",
    "rate_limited": "poll less often (poll_every); the limits are for each key",
}


class Debitura:
    """One creditor account. ``settle_s``: seconds that a reply may take to appear in the chat."""

    source = SOURCE
    max_duration_s = 75.0  # checks before (30), the POST (15), checks after (25), and a margin

    def __init__(
        self,
        account: str,
        base_url: str,
        api_key: str,
        *,
        poll_every_s: float,
        people: People,
        reply_as: str | None = None,
        solution_hosts: Collection[str] = (),
        case_url: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: Transport | None = None,
        observe: OnReply | None = None,
        settle_s: float = SETTLE_S,
    ) -> None:
        self.account = account
        self.poll_every_s = poll_every_s
        self._hosts = tuple(solution_hosts)
        self._now = now
        self._configured = sorted({*people.debitura_users.values(), *filter(None, [reply_as])})
        self._api = Api(base_url, api_key, now, transport=transport, observe=observe)
        self._cases = Cases(self._api, account, ReceivableLog(now), now, poll_every_s, case_url)
        self._contexts = CaseCache(self._api, now, self._cases.record)
        self._subscriptions = Subscriptions(self._api, account)
        self._team = Team(self._api, people, reply_as, now)
        self._replies = Replies(self._api, self._team, account, now, settle_s)
        self._sync_lock = asyncio.Lock()
        self._receivables_lock = asyncio.Lock()
        self._reported: dict[str, int] = {}  # by task: hash of the item's version, the task and its context
        self._refusal: tuple[PermanentError, datetime] | None = None

    def read(self, body: bytes) -> ChangeHint | None:
        return inbound.read(body)

    def facts_from_event(self, body: bytes) -> list[Fact]:
        """Return nothing: no event is about a task (docs/vendors/debitura.md#webhooks)."""
        del body
        return []

    async def fetch(self, hints: Collection[ChangeHint], open_keys: Collection[str]) -> list[Fact]:
        """Make a full sync, since no event is about a task, and read the cases again that the events name."""
        changed = {hint.id for hint in hints if hint.what == inbound.CASE and hint.id}
        self._cases.add_hints(changed)
        return list((await self._sync(open_keys, changed=changed)).facts)

    async def reconcile(
        self, open_keys: Collection[str], *, is_full: bool, versions: Mapping[str, int] | None = None
    ) -> SyncResult:
        """Make a full sync. ``is_full``: read every case again and return the facts of all tasks.

        Raises RetryLaterError("incomplete_pass") when the list is not complete; no fact is derived from such a list.
        """
        return await self._sync(open_keys, is_full=is_full, versions=(None if is_full else versions) or {})

    async def list_receivables(self) -> list[ReceivableBatch]:
        """Return the cases read since the last call; reads the list of all cases when that is due."""
        async with self._receivables_lock:
            return await self._cases.list_receivables()

    async def execute(self, command: SourceCommand) -> list[Fact]:
        """Send the reply to the partner, at most once.

        PermanentError: not_offered, bad_input, no_sender, or Debitura's refusal. UncertainError: maybe sent.
        """
        return await self._replies.execute(command)

    async def media_url(self, item: Item, medium: Medium) -> str:
        raise PermanentError("media_gone", f"Debitura keeps no {medium.what} with a task ({item.kind})")

    async def health(self) -> list[Health]:
        name = f"{SOURCE}:{self.account}"
        try:
            profile = await self._api.me()
        except DeliveryError as error:
            return [Health(name, is_well=False, detail=error.message, cure=CURES.get(error.code, ""))]
        detail = f"accepts the key of {profile.company_name}" if profile.company_name else "accepts the key"
        well = Health(name, is_well=True, detail=detail)
        return [well, await self._check_senders(name), *await self._check_webhooks(name)]

    async def close(self) -> None:
        await self._api.close()

    async def _sync(
        self,
        open_keys: Collection[str],
        *,
        changed: Collection[str] = (),
        is_full: bool = False,
        versions: Mapping[str, int] | None = None,
    ) -> SyncResult:
        """``as_of`` is the start of the first request: what a person does during the sync is newer.

        ``versions`` None: the sync is not a regular one and does not change what the next one compares with.
        """
        async with self._sync_lock:
            as_of = self._now()
            tasks = await self._list_tasks(as_of)
            prefix = key_of(self.account, "")
            missing_keys = {key for key in open_keys if not (key.startswith(prefix) and key[len(prefix) :] in tasks)}
            missing_facts = await self._missing_task_facts(missing_keys, as_of)
            contexts = await self._contexts.contexts_for(tasks.values(), changed=changed, is_full=is_full)
            subscription_facts = await self._subscriptions.facts(open_keys, as_of, is_full=is_full)
            changed_tasks = list(tasks.values())
            if versions is not None:
                changed_tasks, self._reported = await self._select_changed(changed_tasks, contexts, versions)
        unread = missing_keys - {fact.key for fact in (*missing_facts, *subscription_facts)}
        facts = chain(self._task_facts(changed_tasks, contexts, as_of), missing_facts, subscription_facts)
        return SyncResult(as_of, facts, frozenset(unread))

    async def _list_tasks(self, now: datetime) -> dict[str, ListedTask]:
        """List the open tasks. After a refusal it repeats the refusal for REFUSED_PAUSE without a call."""
        if self._refusal and now < self._refusal[1]:
            raise PermanentError(self._refusal[0].code, self._refusal[0].message)
        self._refusal = None
        try:
            return await list_open_tasks(self._api)
        except PermanentError as error:
            self._refusal = (error, now + REFUSED_PAUSE)
            log.error("upstream.account.refused", source=SOURCE, account=self.account, code=error.code)
            raise

    async def _select_changed(
        self, tasks: Sequence[ListedTask], contexts: Mapping[str, Context], versions: Mapping[str, int]
    ) -> tuple[list[ListedTask], dict[str, int]]:
        """Return the tasks that differ from the last sync, and the hashes for the next comparison."""
        changed_tasks: list[ListedTask] = []
        reported: dict[str, int] = {}
        for n, task in enumerate(tasks):
            if n % YIELD_EVERY == 0:
                await asyncio.sleep(0)  # lets clicks run in between
            version = versions.get(key_of(self.account, task.id))
            mark = hash((version or FIRST_VERSION, task.mark, contexts.get(task.case_id or "", EMPTY).mark))
            if not version or self._reported.get(task.id) != mark:
                changed_tasks.append(task)
            reported[task.id] = mark
        return changed_tasks, reported

    def _task_facts(
        self, tasks: Iterable[ListedTask], contexts: Mapping[str, Context], as_of: datetime
    ) -> Iterator[Fact]:
        for task in tasks:
            context = contexts.get(task.case_id or "", EMPTY)
            yield SourceReported(snapshot(task.task(), context.case, context.chats, self.account, self._hosts), as_of)

    async def _missing_task_facts(self, missing_keys: Collection[str], as_of: datetime) -> list[Fact]:
        """Return the facts for open keys that a complete sync did not list.

        They are certain when Debitura lists the task as solved.
        """
        missing_ids = {task_id for key in missing_keys if (task_id := task_id_in(key, self.account))}
        solved = await find_solved(self._api, missing_ids) if missing_ids else set()
        return [
            SourceGone(key_of(self.account, task_id), as_of, is_certain=task_id in solved, outcome=SOLVED)
            for task_id in sorted(missing_ids)
        ]

    async def _check_senders(self, name: str) -> Health:
        """Whether every configured sender is a member of the team."""
        name = f"{name} senders"
        if not self._configured:
            return Health(name, is_well=True, detail="none configured: people reply as themselves if in the team")
        try:
            missing = [email for email in self._configured if await self._team.member(email) is None]
        except DeliveryError as error:
            return Health(name, is_well=False, detail=error.message, cure=CURES.get(error.code, ""))
        if missing:
            cure = "correct reply_as and [people] debitura_users, or invite them to the team at Debitura"
            return Health(name, is_well=False, detail=f"not in the team: {', '.join(missing)}", cure=cure)
        return Health(name, is_well=True, detail=", ".join(self._configured))

    async def _check_webhooks(self, name: str) -> list[Health]:
        """Whether Debitura switched a webhook off; empty when the key may not list webhooks.

        docs/vendors/debitura.md#webhooks
        """
        name = f"{name} webhooks"
        try:
            subscriptions = await self._api.webhooks()
        except PermanentError:
            return []
        except DeliveryError as error:
            return [Health(name, is_well=False, detail=error.message, cure=CURES.get(error.code, ""))]
        disabled = [subscription for subscription in subscriptions if subscription.is_active is False]
        if not disabled:
            detail = f"{len(subscriptions)} active" if subscriptions else "none: polling only"
            return [Health(name, is_well=True, detail=detail)]
        why = "; ".join(f"{each.url or 'one'} is off: {each.disabled_reason or 'no reason given'}" for each in disabled)
        cure = "once the address answers, switch it on again at Debitura (PATCH /webhooks/{id}, isActive=true)"
        return [Health(name, is_well=False, detail=why, cure=cure)]
