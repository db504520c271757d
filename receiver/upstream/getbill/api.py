"""Getbill's external API, one method an endpoint: token, allowance, response envelope, error messages.

Knows nothing of items and raises only delivery errors. docs/vendors/getbill.md
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from receiver.domain.action import Plan
from receiver.errors import PermanentError, RetryLaterError
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.budget import READ, WRITE, Budget
from receiver.upstream.getbill.tokens import Tokens
from receiver.upstream.http import Http, OnReply, Reply, Transport, default_message_of, one_line, path_segment

PAGE = 100
DEFAULT_PAUSE_S = 60.0  # after a 429 that names no wait

Json = dict[Any, Any]


class Operation(NamedTuple):
    name: str
    method: str
    kind: str
    scope: str


LIST = Operation("todos.list", "GET", READ, "debts:read")
GET = Operation("todos.get", "GET", READ, "debts:read")
STATS = Operation("todos.stats", "GET", READ, "debts:read")
STATUS = Operation("todos.status", "PUT", WRITE, "debts:write")
DEBT = Operation("debts.get", "GET", READ, "debts:read")


class Api:
    """The API of one account. ``observe`` is called for every call, after the budget."""

    def __init__(
        self,
        base_url: str,
        tokens: Tokens,
        budget: Budget,
        *,
        transport: Transport | None = None,
        observe: OnReply | None = None,
    ) -> None:
        self._tokens = tokens
        self._budget = budget
        self._observe = observe or (lambda _operation, _status, _headers: None)
        self._http = Http(
            base_url,
            {},
            transport=transport,
            retry_after_of=_retry_after_of,
            message_of=message_of,
            on_reply=self._on_reply,
        )

    async def page(
        self,
        number: int,
        period: str,
        debt_id: str | None = None,
        todo_type: str | None = None,
        *,
        is_interactive: bool = False,
    ) -> wire.TodoPage:
        """Return one page of the list, optionally of one debt or of one type (by its current or its old name)."""
        params: dict[str, str | int] = {"page": number, "limit": PAGE, "period": period}
        if todo_type is not None:
            params["type"] = todo_type
        if debt_id is not None:
            params["debt_id"] = debt_id
        response = await self._call(LIST, "/todos", params=params, is_interactive=is_interactive)
        return wire.TodoPage.model_validate(_object_with(response, "todos", list))

    async def todo(self, todo_type: str, todo_id: str, *, is_interactive: bool = False) -> Json:
        """Return a single todo, as raw JSON."""
        path = f"/todos/{path_segment(todo_type)}/{path_segment(todo_id)}"
        response = await self._call(GET, path, is_interactive=is_interactive)
        todo: Json = _object_with(response, "todo", dict)["todo"]
        return todo

    async def debt(self, debt_id: str, *, is_interactive: bool = False) -> wire.Debt:
        response = await self._call(DEBT, f"/debts/{path_segment(debt_id)}", is_interactive=is_interactive)
        return wire.Debt.model_validate(_object_with({"debt": response.get("data", response)}, "debt", dict)["debt"])

    async def set_status(self, todo_type: str, todo_id: str, status: str, notes: str) -> None:
        path = f"/todos/{path_segment(todo_type)}/{path_segment(todo_id)}/status"
        await self._call(STATUS, path, json={"status": status, "admin_notes": notes}, is_interactive=True)

    async def set_plan(self, debt_id: str, plan: Plan, status_id: str | None = None) -> None:
        """Change an agreement. ``status_id``: the new status of the debt; None leaves it unchanged.

        The path takes the id of the debt: docs/vendors/getbill.md#todos
        """
        body: Json = {} if status_id is None else {"debt_status_id": status_id}
        body |= {
            "plan_months": plan.months,
            "plan_start_date": plan.starts_on.isoformat(),
            "first_payment_amount": float(plan.first_payment),
        }
        await self._call(STATUS, f"/todos/agreement/{path_segment(debt_id)}/status", json=body, is_interactive=True)

    async def stats(self, *, is_interactive: bool = True) -> wire.Stats:
        response = await self._call(STATS, "/todos/stats", is_interactive=is_interactive)
        return wire.Stats.model_validate(_object_with(response, "stats", dict)["stats"])

    async def close(self) -> None:
        await self._http.close()
        await self._tokens.close()

    async def _call(
        self,
        operation: Operation,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: object = None,
        is_interactive: bool = False,
    ) -> Json:
        """Return the response object. After a 401 it retries once with a new token: the first try changed nothing."""
        token = await self._tokens.bearer()
        try:
            return await self._send(operation, path, params, json, token, is_interactive=is_interactive)
        except PermanentError as error:
            new_token = await self._tokens.replace_rejected(token) if error.code == "unauthorized" else None
            if new_token is None:
                raise
        return await self._send(operation, path, params, json, new_token, is_interactive=is_interactive)

    async def _send(
        self,
        operation: Operation,
        path: str,
        params: Mapping[str, str | int] | None,
        json: object,
        token: str,
        *,
        is_interactive: bool,
    ) -> Json:
        self._budget.spend(operation.kind, is_interactive=is_interactive)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            reply = await self._http.call(
                operation.method, path, params=params, json=json, headers=headers, operation=operation.name
            )
        except RetryLaterError as error:
            if error.code == "rate_limited" and (error.after_s or self._budget.remaining(operation.kind)):
                self._budget.block(operation.kind, error.after_s or DEFAULT_PAUSE_S)
            raise
        except PermanentError as error:
            if error.code == "forbidden" and "scope" not in error.message.lower():
                raise PermanentError(error.code, f'{error.message} (needs the scope "{operation.scope}")') from error
            raise
        return _response_object(reply, operation)

    def _on_reply(self, operation: str, status: str, headers: Mapping[str, str]) -> None:
        self._budget.update_from_headers(WRITE if operation == STATUS.name else READ, headers)
        self._observe(operation, status, headers)


def message_of(data: Any) -> str | None:
    """Return the message of an error body, with the fields it names: docs/vendors/getbill.md#errors"""
    message = default_message_of(data)
    details = data.get("details") if isinstance(data, dict) else None
    if not isinstance(details, dict):
        return message
    field_errors = [
        f"{field}: {' '.join(map(str, messages))}" for field, messages in details.items() if isinstance(messages, list)
    ]
    return " ".join(filter(None, [message, f"({'; '.join(field_errors)})" if field_errors else None])) or None


def _retry_after_of(data: Any) -> object:
    details = data.get("details") if isinstance(data, dict) else None
    return details.get("retry_after") if isinstance(details, dict) else None


def _response_object(reply: Reply, operation: Operation) -> Json:
    """Return the response's JSON object. For a write, a 2xx without JSON gives an empty object.

    A proxy may answer 200 with HTML although the write happened; the caller reads the todo again.
    """
    if isinstance(reply.data, dict):
        if reply.data.get("error") is True:
            raise PermanentError("refused", one_line(message_of(reply.data) or "Getbill refused without a word"))
        return reply.data
    if operation.method == "GET":
        content_type = one_line(reply.headers.get("content-type", "")) or "without a content type"
        raise RetryLaterError("unexpected_answer", f"Getbill's answer is not a JSON object: {content_type}")
    return {}


def _object_with(response: Json, name: str, kind: type) -> Json:
    """Return the object that contains ``name``: the response, or its ``data`` as in Getbill's other resources."""
    for candidate in (response, response.get("data")):
        if isinstance(candidate, dict) and isinstance(candidate.get(name), kind):
            return candidate
    raise RetryLaterError("unexpected_answer", f"Getbill's answer has no {name!r}")
