"""A reply to the partner, at most once: looked for before and after, never blindly repeated.

Serves step 9 (debitura.md, Consequences 9 and 11). Everything fits into the lease of the outbox row with room to
spare, so that no second process can begin while this one still sends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from receiver.domain.action import MAX_REPLY, SourceCommand, utf16_units
from receiver.domain.fact import Fact, SourceAccepted, SourceGone, SourceRefused
from receiver.errors import DeliveryError, PermanentError, RetryLaterError, UncertainError
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api, Now
from receiver.upstream.debitura.tasks import open_tasks
from receiver.upstream.debitura.team import Team
from receiver.upstream.debitura.translate import SOLVED, is_open, task_id_in
from receiver.upstream.lenient import text

BEFORE_S = 30.0
AFTER_S = 25.0
CLOCK_SLACK = timedelta(seconds=60)
REPEAT_AFTER = timedelta(seconds=60)
MOST_REMEMBERED = 1_000


class Replies:
    """Sends what people answer. ``settle_s``: how long a message may take to show among the chats."""

    def __init__(self, api: Api, team: Team, account: str, now: Now, settle_s: float) -> None:
        self._api = api
        self._team = team
        self._account = account
        self._now = now
        self._settle_s = settle_s
        self._sent_at: dict[int, datetime] = {}  # by action: since when an earlier try may still be under way

    async def execute(self, order: SourceCommand) -> list[Fact]:
        """Send the reply, unless it was sent or is not wanted any more; what came of it. Raises DeliveryError."""
        task_id, case_id = self._place(order)
        message = _message(order)
        async with _within(BEFORE_S):
            sender = await self._team.sender(order.person)
            if order.maybe_duplicate and await self._is_there(order, case_id, message, sender):
                return [SourceAccepted(order.key, order.action_id)]
            read_at = self._now()
            if not await self._is_waiting(task_id, case_id):
                return _too_late(order, read_at)
        if order.maybe_duplicate and self._now() - self._last_try(order) <= REPEAT_AFTER:
            raise UncertainError("not_seen_yet", "Debitura does not show the reply yet")
        await self._send(order, case_id, message, sender)
        return [SourceAccepted(order.key, order.action_id)]

    def _place(self, order: SourceCommand) -> tuple[str, str]:
        task_id, case_id = task_id_in(order.key, self._account), wire.uuid(order.case_id)
        if order.verb != "reply":
            raise PermanentError("not_offered", f"Debitura has no way to {order.verb} a task")
        if task_id is None or case_id is None:
            raise PermanentError("not_offered", "This task has no chat to reply in; open it at Debitura")
        return task_id, case_id

    async def _send(self, order: SourceCommand, case_id: str, message: str, sender: str) -> None:
        """One POST; when it may have arrived, a look for it. Raises UncertainError when that does not show it."""
        self._sent_at[order.action_id] = self._now()
        if len(self._sent_at) > MOST_REMEMBERED:
            self._sent_at.pop(next(iter(self._sent_at)))
        try:
            await self._api.send_chat(case_id, message, sender)
        except UncertainError as error:
            if not await self._is_there_after_all(order, case_id, message, sender):
                raise UncertainError(error.code, f"{error.message}; the reply does not show in the chat") from error
        except PermanentError:
            self._team.forget()
            raise

    async def _is_there_after_all(self, order: SourceCommand, case_id: str, message: str, sender: str) -> bool:
        try:
            async with _within(AFTER_S):
                return await self._is_there(order, case_id, message, sender)
        except DeliveryError:
            return False

    async def _is_there(self, order: SourceCommand, case_id: str, message: str, sender: str) -> bool:
        """Whether the chat shows the reply, now or once it had time to appear."""
        since = _asked_at(order) - CLOCK_SLACK
        for wait_s in (0.0, self._settle_s):
            await asyncio.sleep(wait_s)
            chats = await self._api.chats(case_id)
            if any(_is_ours(chat, message, sender, since) for chat in chats):
                return True
        return False

    async def _is_waiting(self, task_id: str, case_id: str) -> bool:
        """Whether the task is still open; asked of the account when its case cannot say (section 1, test host)."""
        try:
            listed = await self._api.case_tasks(case_id)
        except RetryLaterError:
            listed = None
        if listed is None:
            listed = [task.task() for task in (await open_tasks(self._api)).values()]
        return any(task.id == task_id and is_open(task) for task in listed)

    def _last_try(self, order: SourceCommand) -> datetime:
        return max(_asked_at(order), self._sent_at.get(order.action_id, datetime.min.replace(tzinfo=UTC)))


def _message(order: SourceCommand) -> str:
    message = text(order.text) or ""
    if not 1 <= utf16_units(message) <= MAX_REPLY:
        raise PermanentError("bad_input", f"A reply has 1 to {MAX_REPLY} characters")
    return message


def _too_late(order: SourceCommand, read_at: datetime) -> list[Fact]:
    """Somebody else solved it. Refused comes first: the ledger must not credit a reply that nobody saw leave."""
    what = "whether the reply was sent is not known" if order.maybe_duplicate else "the reply was not sent"
    refused = SourceRefused(order.key, order.action_id, f"already solved at Debitura; {what}")
    return [refused, SourceGone(order.key, read_at, is_certain=True, outcome=SOLVED)]


def _asked_at(order: SourceCommand) -> datetime:
    return datetime.fromtimestamp(order.asked_at_us / 1_000_000, UTC)


def _is_ours(chat: wire.Chat, message: str, sender: str, since: datetime) -> bool:
    author = chat.user.email if chat.user and chat.user.email else ""
    is_recent = chat.date_created is not None and chat.date_created >= since
    return is_recent and author.casefold() == sender.casefold() and chat.message == message


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise RetryLaterError("timeout", f"Debitura did not answer within {seconds:.0f} s") from None
