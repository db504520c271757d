"""Steps 4 and 9 for Debitura, and its reconciliation: fulfils ``ports.Upstream`` for one creditor account.

Decides what a pass over the tasks means; how a reply leaves stands in ``chats.py``, how one calls in ``api.py``.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

from receiver.domain.action import SourceCommand
from receiver.domain.fact import Fact, SourceGone, SourceSaid
from receiver.domain.item import Item, Medium
from receiver.domain.people import People
from receiver.errors import DeliveryError, PermanentError
from receiver.observability import log
from receiver.ports import ChangeHint, Health, ReceivableBatch, SyncPass
from receiver.upstream.debitura import inbound
from receiver.upstream.debitura.api import Api
from receiver.upstream.debitura.case_cache import NOTHING, CaseCache, Context
from receiver.upstream.debitura.cases import Cases
from receiver.upstream.debitura.chats import Replies
from receiver.upstream.debitura.subscriptions import Subscriptions
from receiver.upstream.debitura.tasks import Listed, open_tasks, solved_among
from receiver.upstream.debitura.team import Team
from receiver.upstream.debitura.translate import SOLVED, SOURCE, key_of, snapshot, task_id_in
from receiver.upstream.http import OnReply, Transport
from receiver.upstream.receivable_log import ReceivableLog

REFUSED_PAUSE = timedelta(minutes=5)
SETTLE_S = 5.0
MOST_AT_A_STRETCH = 1_000
FIRST_VERSION = 1  # of an item that a pass opens

CURES = {
    "unauthorized": "check api_key of this [[debitura]] account; keys are made at app.debitura.com/CreditorApiKey",
    "forbidden": "check api_key of this [[debitura]] account; keys are made at app.debitura.com/CreditorApiKey",
    "not_found": "check base_url and api_key of this [[debitura]] account",
    "redirected": "check base_url of this [[debitura]] account",
    "unexpected_answer": "check base_url of this [[debitura]] account",
    "unreachable": "check base_url and whether this machine may reach it",
    "rate_limited": "poll less often (poll_every); the limits are for each key",
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Debitura:
    """One creditor account. ``settle_s``: how long a reply may take to show among the chats when in doubt."""

    source = SOURCE
    longest_s = 75.0  # a look of thirty, the write of fifteen, a look of twenty-five

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
        now: Callable[[], datetime] = _utc_now,
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
        self._contexts = CaseCache(self._api, now, self._cases.note)
        self._subscriptions = Subscriptions(self._api, account)
        self._team = Team(self._api, people, reply_as, now)
        self._replies = Replies(self._api, self._team, account, now, settle_s)
        self._one_pass = asyncio.Lock()
        self._one_survey = asyncio.Lock()
        self._told: dict[str, int] = {}  # by task: its item's version, itself and what stood around it, as one number
        self._refused: tuple[PermanentError, datetime] | None = None

    def read(self, body: bytes) -> ChangeHint | None:
        return inbound.read(body)

    def facts_from_event(self, body: bytes) -> list[Fact]:
        """Nothing: there is no event about a task (debitura.md, section 9)."""
        del body
        return []

    async def fetch(self, hints: Collection[ChangeHint], open_keys: Collection[str]) -> list[Fact]:
        """A pass over everything, for no event is about a task; the cases that events named are read anew."""
        changed = {hint.id for hint in hints if hint.what == inbound.CASE and hint.id}
        self._cases.name(changed)
        return list((await self._pass(open_keys, changed=changed)).facts)

    async def reconcile(
        self, open_keys: Collection[str], *, is_full: bool, versions: Mapping[str, int] | None = None
    ) -> SyncPass:
        """One complete pass, with every case read anew if ``is_full``, and then everything is said again.

        Raises RetryLaterError("incomplete_pass") when the list was not heard out, and then nothing is concluded.
        """
        return await self._pass(open_keys, is_full=is_full, versions=(None if is_full else versions) or {})

    async def list_receivables(self) -> list[ReceivableBatch]:
        """The cases read since, for tasks, for events and, when that is due, all of them."""
        async with self._one_survey:
            return await self._cases.take()

    async def execute(self, order: SourceCommand) -> list[Fact]:
        """Send the reply to the partner, at most once.

        PermanentError: not_offered, bad_input, no_sender, or Debitura's refusal. UncertainError: perhaps sent.
        """
        return await self._replies.execute(order)

    async def media_url(self, item: Item, medium: Medium) -> str:
        raise PermanentError("media_gone", f"Debitura keeps no {medium.what} with a task ({item.kind})")

    async def health(self) -> list[Health]:
        name = f"{SOURCE}:{self.account}"
        try:
            profile = await self._api.me()
        except DeliveryError as error:
            return [Health(name, is_well=False, detail=error.message, cure=CURES.get(error.code, ""))]
        whose = f"accepts the key of {profile.company_name}" if profile.company_name else "accepts the key"
        return [Health(name, is_well=True, detail=whose), await self._senders(name), *await self._webhooks(name)]

    async def close(self) -> None:
        await self._api.close()

    async def _pass(
        self,
        open_keys: Collection[str],
        *,
        changed: Collection[str] = (),
        is_full: bool = False,
        versions: Mapping[str, int] | None = None,
    ) -> SyncPass:
        """``said_at`` is when the first request began: what a person does meanwhile is newer than all of this.

        ``versions`` None: this is no regular pass, and the next one is told nothing of it.
        """
        async with self._one_pass:
            self._stay_away_when_refused()
            said_at = self._now()
            try:
                tasks = await open_tasks(self._api)
            except PermanentError as error:
                self._refused = (error, said_at + REFUSED_PAUSE)
                log.error("upstream.account.refused", source=SOURCE, account=self.account, code=error.code)
                raise
            prefix = key_of(self.account, "")
            unlisted = {key for key in open_keys if not (key.startswith(prefix) and key[len(prefix) :] in tasks)}
            gone = await self._gone(unlisted, said_at)
            contexts = await self._contexts.of(tasks.values(), changed=changed, is_full=is_full)
            off = await self._subscriptions.facts(open_keys, said_at, is_full=is_full)
            news = list(tasks.values())
            if versions is not None:
                news, self._told = await self._news(news, contexts, versions)
        unheard = unlisted - {fact.key for fact in (*gone, *off)}
        return SyncPass(said_at, chain(self._said(news, contexts, said_at), gone, off), frozenset(unheard))

    async def _news(
        self, tasks: Sequence[Listed], contexts: Mapping[str, Context], versions: Mapping[str, int]
    ) -> tuple[list[Listed], dict[str, int]]:
        """Those that are not what they were at the last pass, and what the next pass is to compare with."""
        news: list[Listed] = []
        told: dict[str, int] = {}
        for n, task in enumerate(tasks):
            if n % MOST_AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # clicks get in between
            version = versions.get(key_of(self.account, task.id))
            mark = hash((version or FIRST_VERSION, task.mark, contexts.get(task.case_id or "", NOTHING).mark))
            if not version or self._told.get(task.id) != mark:
                news.append(task)
            told[task.id] = mark
        return news, told

    def _stay_away_when_refused(self) -> None:
        """A key that is refused is tried again only now and then (debitura.md, Consequences 12)."""
        if self._refused and self._now() < self._refused[1]:
            raise PermanentError(self._refused[0].code, self._refused[0].message)
        self._refused = None

    def _said(self, tasks: Iterable[Listed], contexts: Mapping[str, Context], said_at: datetime) -> Iterator[Fact]:
        for task in tasks:
            context = contexts.get(task.case_id or "", NOTHING)
            yield SourceSaid(snapshot(task.task(), context.case, context.chats, self.account, self._hosts), said_at)

    async def _gone(self, unlisted: Collection[str], said_at: datetime) -> list[Fact]:
        """Open keys that a complete pass did not show: certain when Debitura lists them as solved."""
        vanished = {task_id for key in unlisted if (task_id := task_id_in(key, self.account))}
        solved = await solved_among(self._api, vanished) if vanished else set()
        return [
            SourceGone(key_of(self.account, task_id), said_at, is_certain=task_id in solved, outcome=SOLVED)
            for task_id in sorted(vanished)
        ]

    async def _senders(self, name: str) -> Health:
        """Whether whoever replies are sent as is in the team."""
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

    async def _webhooks(self, name: str) -> list[Health]:
        """Whether Debitura has switched a webhook off; nothing to say where it does not tell (section 9)."""
        name = f"{name} webhooks"
        try:
            found = await self._api.webhooks()
        except PermanentError:
            return []
        except DeliveryError as error:
            return [Health(name, is_well=False, detail=error.message, cure=CURES.get(error.code, ""))]
        off = [sub for sub in found if sub.is_active is False]
        if not off:
            return [Health(name, is_well=True, detail=f"{len(found)} active" if found else "none: polling only")]
        why = "; ".join(f"{sub.url or 'one'} is off: {sub.disabled_reason or 'no reason given'}" for sub in off)
        cure = "once the address answers, switch it on again at Debitura (PATCH /webhooks/{id}, isActive=true)"
        return [Health(name, is_well=False, detail=why, cure=cure)]
