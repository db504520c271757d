"""Getbill's external API, one method an endpoint (getbill.md, Todos, Debts): token, allowance, envelope, refusal.

Serves steps 4 and 9. Knows nothing of items; raises only delivery errors.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from receiver.domain.action import Plan
from receiver.errors import PermanentError, RetryLaterError
from receiver.upstream.getbill import wire
from receiver.upstream.getbill.budget import READ, WRITE, Budget
from receiver.upstream.getbill.tokens import Tokens
from receiver.upstream.http import Http, OnReply, Reply, Transport, default_message_of, one_line, segment

PAGE = 100
UNTOLD_S = 60.0  # after a 429 that does not say for how long

Json = dict[Any, Any]


class Operation(NamedTuple):
    name: str
    method: str
    cls: str
    scope: str


LIST = Operation("todos.list", "GET", READ, "debts:read")
GET = Operation("todos.get", "GET", READ, "debts:read")
STATS = Operation("todos.stats", "GET", READ, "debts:read")
STATUS = Operation("todos.status", "PUT", WRITE, "debts:write")
DEBT = Operation("debts.get", "GET", READ, "debts:read")


class Api:
    """``observe`` hears of every call after the budget has."""

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
            on_reply=self._replied,
        )

    async def page(
        self,
        number: int,
        period: str,
        debt_id: str | None = None,
        what: str | None = None,
        *,
        is_interactive: bool = False,
    ) -> wire.TodoPage:
        """One page of the list, or of one debt's part of it, or of one type's by either of its names."""
        params: dict[str, str | int] = {"page": number, "limit": PAGE, "period": period}
        if what is not None:
            params["type"] = what
        if debt_id is not None:
            params["debt_id"] = debt_id
        found = _inside(await self._call(LIST, "/todos", params=params, is_interactive=is_interactive), "todos", list)
        return wire.TodoPage.model_validate(found)

    async def todo(self, what: str, todo_id: str, *, is_interactive: bool = False) -> Json:
        """A single todo, raw."""
        path = f"/todos/{segment(what)}/{segment(todo_id)}"
        found = await self._call(GET, path, is_interactive=is_interactive)
        todo: Json = _inside(found, "todo", dict)["todo"]
        return todo

    async def debt(self, debt_id: str, *, is_interactive: bool = False) -> wire.Debt:
        found = await self._call(DEBT, f"/debts/{segment(debt_id)}", is_interactive=is_interactive)
        return wire.Debt.model_validate(_inside({"debt": found.get("data", found)}, "debt", dict)["debt"])

    async def set_status(self, what: str, todo_id: str, status: str, notes: str) -> None:
        path = f"/todos/{segment(what)}/{segment(todo_id)}/status"
        await self._call(STATUS, path, json={"status": status, "admin_notes": notes}, is_interactive=True)

    async def set_plan(self, debt_id: str, plan: Plan, status_id: str | None = None) -> None:
        """Change an agreement; its path takes the debt's id (getbill.md, Todos).

        ``status_id``: the debt's from then on; None leaves it.
        """
        wanted: Json = {} if status_id is None else {"debt_status_id": status_id}
        wanted |= {
            "plan_months": plan.months,
            "plan_start_date": plan.starts_on.isoformat(),
            "first_payment_amount": float(plan.first_payment),
        }
        await self._call(STATUS, f"/todos/agreement/{segment(debt_id)}/status", json=wanted, is_interactive=True)

    async def stats(self, *, is_interactive: bool = True) -> wire.Stats:
        found = await self._call(STATS, "/todos/stats", is_interactive=is_interactive)
        return wire.Stats.model_validate(_inside(found, "stats", dict)["stats"])

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
        """The answer's object; once more with another token after a 401, which surely changed nothing."""
        token = await self._tokens.bearer()
        try:
            return await self._send(operation, path, params, json, token, is_interactive=is_interactive)
        except PermanentError as error:
            other = await self._tokens.instead_of(token) if error.code == "unauthorized" else None
            if other is None:
                raise
        return await self._send(operation, path, params, json, other, is_interactive=is_interactive)

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
        self._budget.spend(operation.cls, is_interactive=is_interactive)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            reply = await self._http.call(
                operation.method, path, params=params, json=json, headers=headers, operation=operation.name
            )
        except RetryLaterError as error:
            if error.code == "rate_limited" and (error.after_s or self._budget.remaining(operation.cls)):
                self._budget.close(operation.cls, error.after_s or UNTOLD_S)
            raise
        except PermanentError as error:
            if error.code == "forbidden" and "scope" not in error.message.lower():
                raise PermanentError(error.code, f'{error.message} (needs the scope "{operation.scope}")') from error
            raise
        return _object(reply, operation)

    def _replied(self, operation: str, status: str, headers: Mapping[str, str]) -> None:
        self._budget.hear(WRITE if operation == STATUS.name else READ, headers)
        self._observe(operation, status, headers)


def message_of(data: Any) -> str | None:
    """Getbill's own words for a refusal, with the fields it names (getbill.md, Errors)."""
    words = default_message_of(data)
    details = data.get("details") if isinstance(data, dict) else None
    if not isinstance(details, dict):
        return words
    named = [f"{field}: {' '.join(map(str, said))}" for field, said in details.items() if isinstance(said, list)]
    return " ".join(filter(None, [words, f"({'; '.join(named)})" if named else None])) or None


def _retry_after_of(data: Any) -> object:
    details = data.get("details") if isinstance(data, dict) else None
    return details.get("retry_after") if isinstance(details, dict) else None


def _object(reply: Reply, operation: Operation) -> Json:
    """The answer's object. A page of HTML with 200 comes from a proxy: a write may still have happened, and is read."""
    if isinstance(reply.data, dict):
        if reply.data.get("error") is True:
            raise PermanentError("refused", one_line(message_of(reply.data) or "Getbill refused without a word"))
        return reply.data
    if operation.method == "GET":
        kind = one_line(reply.headers.get("content-type", "")) or "of no named kind"
        raise RetryLaterError("unexpected_answer", f"Getbill's answer is no JSON object but {kind}")
    return {}


def _inside(found: Json, name: str, kind: type) -> Json:
    """The object that holds ``name``: the answer itself or, as with Getbill's other resources, its ``data``."""
    for place in (found, found.get("data")):
        if isinstance(place, dict) and isinstance(place.get(name), kind):
            return place
    raise RetryLaterError("unexpected_answer", f"Getbill's answer holds no {name!r}")
