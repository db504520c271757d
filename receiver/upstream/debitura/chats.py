"""Sends a reply to the partner at most once: searches the chat before a retry and after an unclear answer.

All steps fit into the lease of the outbox row, so a second process cannot start while this one still sends.
docs/vendors/debitura.md#idempotency
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
from receiver.upstream.debitura.tasks import list_open_tasks
from receiver.upstream.debitura.team import Team
from receiver.upstream.debitura.translate import SOLVED, is_open, task_id_in
from receiver.upstream.lenient import text

CHECK_BEFORE_S = 30.0
CHECK_AFTER_S = 25.0
CLOCK_SLACK = timedelta(seconds=60)
REPEAT_AFTER = timedelta(seconds=60)
MAX_CACHED = 1_000


class Replies:
    """Sends replies. ``settle_s``: seconds that a message may take to appear in the chat."""

    def __init__(self, api: Api, team: Team, account: str, now: Now, settle_s: float) -> None:
        self._api = api
        self._team = team
        self._account = account
        self._now = now
        self._settle_s = settle_s
        self._sent_at: dict[int, datetime] = {}  # by action: start of the last attempt in this process

    async def execute(self, command: SourceCommand) -> list[Fact]:
        """Send the reply unless it was sent already or the task is solved; return the facts. Raises DeliveryError."""
        task_id, case_id = self._reply_target(command)
        message = _message(command)
        async with _time_limit(CHECK_BEFORE_S):
            sender = await self._team.sender(command.person)
            if command.maybe_duplicate and await self._is_in_chat(command, case_id, message, sender):
                return [SourceAccepted(command.key, command.action_id)]
            read_at = self._now()
            if not await self._is_task_open(task_id, case_id):
                return _already_solved(command, read_at)
        if command.maybe_duplicate and self._now() - self._last_attempt_at(command) <= REPEAT_AFTER:
            raise UncertainError("not_seen_yet", "Debitura does not show the reply yet")
        await self._send(command, case_id, message, sender)
        return [SourceAccepted(command.key, command.action_id)]

    def _reply_target(self, command: SourceCommand) -> tuple[str, str]:
        task_id, case_id = task_id_in(command.key, self._account), wire.uuid(command.case_id)
        if command.verb != "reply":
            raise PermanentError("not_offered", f"Debitura has no way to {command.verb} a task")
        if task_id is None or case_id is None:
            raise PermanentError("not_offered", "This task has no chat to reply in; open it at Debitura")
        return task_id, case_id

    async def _send(self, command: SourceCommand, case_id: str, message: str, sender: str) -> None:
        """POST once; after an unclear answer search the chat. Raises UncertainError when the reply is not there."""
        self._sent_at[command.action_id] = self._now()
        if len(self._sent_at) > MAX_CACHED:
            self._sent_at.pop(next(iter(self._sent_at)))
        try:
            await self._api.send_chat(case_id, message, sender)
        except UncertainError as error:
            if not await self._is_in_chat_after_failure(command, case_id, message, sender):
                raise UncertainError(error.code, f"{error.message}; the reply does not show in the chat") from error
        except PermanentError:
            self._team.forget()
            raise

    async def _is_in_chat_after_failure(self, command: SourceCommand, case_id: str, message: str, sender: str) -> bool:
        try:
            async with _time_limit(CHECK_AFTER_S):
                return await self._is_in_chat(command, case_id, message, sender)
        except DeliveryError:
            return False

    async def _is_in_chat(self, command: SourceCommand, case_id: str, message: str, sender: str) -> bool:
        """Whether the chat contains the reply, at once or after ``settle_s``."""
        since = _command_time(command) - CLOCK_SLACK
        for wait_s in (0.0, self._settle_s):
            await asyncio.sleep(wait_s)
            chats = await self._api.chats(case_id)
            if any(_is_reply(chat, message, sender, since) for chat in chats):
                return True
        return False

    async def _is_task_open(self, task_id: str, case_id: str) -> bool:
        """Whether the task is still open. Asks the account's list when the case's list fails.

        docs/vendors/debitura.md#tasks
        """
        try:
            tasks = await self._api.case_tasks(case_id)
        except RetryLaterError:
            tasks = None
        if tasks is None:
            tasks = [task.task() for task in (await list_open_tasks(self._api)).values()]
        return any(task.id == task_id and is_open(task) for task in tasks)

    def _last_attempt_at(self, command: SourceCommand) -> datetime:
        return max(_command_time(command), self._sent_at.get(command.action_id, datetime.min.replace(tzinfo=UTC)))


def _message(command: SourceCommand) -> str:
    message = text(command.text) or ""
    if not 1 <= utf16_units(message) <= MAX_REPLY:
        raise PermanentError("bad_input", f"A reply has 1 to {MAX_REPLY} characters")
    return message


def _already_solved(command: SourceCommand, read_at: datetime) -> list[Fact]:
    """Return the facts for a task that somebody else solved.

    The refusal comes first: the ledger must not credit a person with a reply that was perhaps never sent.
    """
    what = "whether the reply was sent is not known" if command.maybe_duplicate else "the reply was not sent"
    refused = SourceRefused(command.key, command.action_id, f"already solved at Debitura; {what}")
    return [refused, SourceGone(command.key, read_at, is_certain=True, outcome=SOLVED)]


def _command_time(command: SourceCommand) -> datetime:
    return datetime.fromtimestamp(command.asked_at_us / 1_000_000, UTC)


def _is_reply(chat: wire.Chat, message: str, sender: str, since: datetime) -> bool:
    author = chat.user.email if chat.user and chat.user.email else ""
    is_recent = chat.date_created is not None and chat.date_created >= since
    return is_recent and author.casefold() == sender.casefold() and chat.message == message


@asynccontextmanager
async def _time_limit(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise RetryLaterError("timeout", f"Debitura did not answer within {seconds:.0f} s") from None
