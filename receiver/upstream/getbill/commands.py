"""Executes people's decisions at Getbill: reads the todo, writes, and reads it again.

The read before the write finds a decision that somebody already made at Getbill. docs/vendors/getbill.md#todos
"""

from collections.abc import Callable
from datetime import datetime

from receiver.domain.action import REOPENING_VERBS, Plan, SourceCommand
from receiver.domain.fact import Fact, SourceAccepted, SourceCompleted, SourceGone, SourceRefused
from receiver.errors import DeliveryError, PermanentError
from receiver.observability import log
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.api import Api, Json
from receiver.upstream.getbill.details import Details
from receiver.upstream.getbill.reader import Reader
from receiver.upstream.getbill.translate import DECIDED, outcome_of, split_key
from receiver.upstream.http import one_line

STATUS_OF = {"validate": "validated", "reject": "rejected", "reopen": "suggested", "undo": "suggested"}
MAX_LABEL = 120


class Commands:
    """Writes to one account. ``plan_status_id``: the status that a changed plan gives its debt."""

    def __init__(
        self,
        account: str,
        api: Api,
        reader: Reader,
        details: Details,
        now: Callable[[], datetime],
        plan_status_id: str | None,
    ) -> None:
        self._account = account
        self._api = api
        self._reader = reader
        self._details = details
        self._now = now
        self._plan_status_id = plan_status_id

    async def execute(self, command: SourceCommand) -> list[Fact]:
        """Write the decision unless somebody already decided at Getbill; return the facts. Raises DeliveryError."""
        todo_type, todo_id = self._target(command)
        as_of = self._now()
        try:
            before = await self._reader.read_todo(todo_type, todo_id, is_interactive=True)
        except PermanentError as error:
            if error.code != "not_found":
                raise
            refused = SourceRefused(command.key, command.action_id, "not there any more at Getbill")
            return [SourceGone(command.key, as_of), refused]
        if command.plan is not None:
            return await self._change_plan(command, command.plan, todo_id, before)
        status, wanted = _status(before), STATUS_OF[command.verb]
        if status == wanted or {status, wanted} <= DECIDED:
            fact = await self._reader.as_fact(before, command.key, as_of, is_interactive=True)
            if status == wanted:
                return [fact, *_completion(command)]
            return [fact, SourceRefused(command.key, command.action_id, f"already {status} at Getbill")]
        await self._api.set_status(todo_type, todo_id, wanted, _notes(command))
        return await self._read_effect(command, todo_type, todo_id, lambda after: _status(after) == wanted)

    async def _change_plan(self, command: SourceCommand, plan: Plan, debt_id: str, before: Json) -> list[Fact]:
        """Write the plan. A repeated write after an unclear answer does no harm: the plan is the same."""
        if outcome_of(wire.Todo.model_validate(before)) is not None:
            fact = await self._reader.as_fact(before, command.key, self._now(), is_interactive=True)
            return [fact, SourceRefused(command.key, command.action_id, "already completed at Getbill")]
        await self._api.set_plan(debt_id, plan, self._plan_status_id)
        return await self._read_effect(command, "agreement", debt_id, lambda after: _has_plan(after, plan))

    async def _read_effect(
        self, command: SourceCommand, todo_type: str, todo_id: str, is_effective: Callable[[Json], bool]
    ) -> list[Fact]:
        """Read the todo after a successful write; if it does not show the change yet, the write is only accepted."""
        as_of = self._now()
        try:
            after = await self._reader.read_todo(todo_type, todo_id, is_interactive=True)
            if is_effective(after):
                fact = await self._reader.as_fact(after, command.key, as_of, is_interactive=True)
                return [fact, *_completion(command)]
        except DeliveryError as error:
            log.warning("getbill.todo.reread_failed", account=self._account, key=command.key, reason=error.code)
        self._details.forget(command.key)
        return [SourceAccepted(command.key, command.action_id)]

    def _target(self, command: SourceCommand) -> tuple[str, str]:
        """Return the todo's type and id. Raises PermanentError("not_offered") for a verb that it does not take."""
        split = split_key(command.key, self._account)
        is_plan = split is not None and split[0] == "agreement" and command.verb == "update_plan" and command.plan
        if split is None or not (is_plan or (split[0] in wire.DECIDABLE and command.verb in STATUS_OF)):
            raise PermanentError("not_offered", f"Getbill offers no {command.verb!r} for this")
        return split


def _completion(command: SourceCommand) -> list[Fact]:
    """Return SourceCompleted for a command that leaves the item open: the item's state does not show its success."""
    stays_open = command.verb in REOPENING_VERBS or command.verb == "update_plan"
    return [SourceCompleted(command.key, command.action_id)] if stays_open else []


def _has_plan(raw: Json, plan: Plan) -> bool:
    todo = wire.Todo.model_validate(raw)
    return (todo.plan_months, todo.plan_start_date) == (plan.months, plan.starts_on)


def _status(raw: Json) -> str | None:
    return wire.Todo.model_validate(raw).status


def _notes(command: SourceCommand) -> str:
    """Return the note that colleagues read at Getbill, and who decided in Casebell."""
    second = f", confirmed by {one_line(command.confirmed_by, MAX_LABEL)}," if command.confirmed_by else ""
    who = f"{one_line(command.person.label, MAX_LABEL)}{second} via Casebell"
    note = (command.note or "").encode("utf-8", "ignore").decode().replace("\x00", "").strip()
    return f"{note} ({who})" if note else who
