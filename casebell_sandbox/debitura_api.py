"""The Customer API of Debitura's stand-in: authentication, rate limits, routes, the shapes of its errors.

docs/vendors/debitura.md#errors
"""

import hmac
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from casebell_sandbox import debitura_cases as shapes
from casebell_sandbox.faults import Clock, Faults, Json
from casebell_sandbox.limits import Window

LONGEST_MESSAGE = 10_000


class Account(Protocol):
    """The data that the API serves."""

    api_key: str
    cases: dict[str, Json]
    chats: dict[str, list[Json]]
    users: list[Json]
    profile: Json
    webhooks: list[Json]
    windows: list[Window]
    faults: Faults

    @property
    def tasks(self) -> dict[str, Json]: ...

    def reply(self, case_id: str, message: str, user: Json) -> Json: ...


class ApiError(Exception):
    """A call answered with a status and a body of one of the documented shapes; None: an empty body."""

    def __init__(self, status: int, body: Json | None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def refusal(status: int, error: str, message: str) -> ApiError:
    """ApiErrorResponseDto."""
    business = [{"type": error, "message": message, "solutionUrl": None}]
    return ApiError(status, {"error": error, "message": message, "businessErrors": business})


def problem(status: int, title: str, detail: str, instance: str) -> ApiError:
    """RFC 7807 ProblemDetails, which /users answers with."""
    kind = f"https://tools.ietf.org/html/rfc9110#section-15.5.{status - 399}"
    return ApiError(status, {"type": kind, "title": title, "status": status, "detail": detail, "instance": instance})


class DebituraApi:
    """The routes over one account."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        routes = {
            "/tasks": self._tasks,
            "/cases": self._cases,
            "/cases/{id}": self._case,
            "/cases/{id}/tasks": self._case_tasks,
            "/cases/{id}/chats": self._chats,
            "/cases/case-reference/{reference}": lambda request, _: self._find(request, "reference"),
            "/cases/by-creditor-reference/{reference}": lambda request, _: self._find(request, "creditorReference"),
            "/users": self._users,
            "/me": lambda _request, _: account.profile,
            "/webhooks": lambda _request, _: account.webhooks,
        }
        methods = {"/cases/{id}/chats": ["GET", "POST"]}
        self.app = Starlette(
            routes=[Route(path, self._endpoint(fn), methods=methods.get(path, ["GET"])) for path, fn in routes.items()],
            middleware=[Middleware(account.faults.wrap)],
        )
        account.faults.too_many = self._forced_429

    def _endpoint(self, handler: Callable[[Request, bytes], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                self._authorize(request)
                return JSONResponse(handler(request, await request.body()))
            except ApiError as error:
                return (
                    Response(status_code=error.status) if error.body is None else JSONResponse(error.body, error.status)
                )

        return endpoint

    def _authorize(self, request: Request) -> None:
        """Raises ApiError: 401 without the key, in the shape of the endpoint; 429 over a rate limit."""
        given, path = request.headers.get("xapikey", ""), request.url.path
        if not hmac.compare_digest(given.encode(), self._account.api_key.encode()):
            why = "Missing or invalid API key"
            if path.endswith("/me"):
                raise ApiError(401, None)
            raise (
                problem(401, "Unauthorized", why, path)
                if path.endswith("/users")
                else refusal(401, "Unauthorized", why)
            )
        now_s = self._clock().timestamp()
        for window in self._account.windows:
            if wait_s := window.take(now_s):
                raise ApiError(429, _too_many(wait_s))

    def _forced_429(self) -> Response:
        return JSONResponse(_too_many(self._account.faults.retry_after_s), 429)

    def _tasks(self, request: Request, _body: bytes) -> Json:
        return self._paged(request, "tasks", self._filter_tasks(_query(request)))

    def _cases(self, request: Request, _body: bytes) -> Json:
        wanted = {one.lower() for one in _query(request).get("ids", [])}
        cases = [case for case in list(self._account.cases.values()) if not wanted or case["id"] in wanted]
        return self._paged(request, "cases", cases)

    def _paged(self, request: Request, key: str, found: list[Json]) -> Json:
        page, size = _page(_query(request), 10)
        if page is None or size is None:
            raise refusal(400, "InvalidPagination", "Page must be at least 1 and PageSize from 1 to 100.")
        return _paged(key, found, page, size)

    def _case_tasks(self, request: Request, _body: bytes) -> list[Json]:
        case = self._case(request, b"")
        return [task for task in self._filter_tasks(_query(request)) if task["caseId"] == case["id"]]

    def _filter_tasks(self, asked: dict[str, list[str]]) -> list[Json]:
        """The tasks with the requested status and types, newest first."""
        status, types = asked.get("status", ["Open"])[-1], asked.get("type", [])
        if status not in {"Open", "Solved"}:
            raise refusal(400, "InvalidStatus", f"Invalid status '{status}'. Valid values: Open, Solved.")
        if unknown := [name for name in types if name not in shapes.TYPES]:
            raise refusal(400, "InvalidType", f"Invalid task type '{unknown[0]}'.")
        newest_first = reversed(list(self._account.tasks.values()))
        return [task for task in newest_first if task["status"] == status and (not types or task["type"] in types)]

    def _case(self, request: Request, _body: bytes) -> Json:
        given = request.path_params["id"]
        try:
            case_id = str(UUID(given))
        except ValueError:
            raise refusal(400, "InvalidId", f"'{given}' is not a valid case id.") from None
        if case_id not in self._account.cases:
            raise refusal(404, "NotFound", "Case not found.")
        return self._account.cases[case_id]

    def _find(self, request: Request, field: str) -> Json:
        wanted = request.path_params["reference"]
        for case in list(self._account.cases.values()):
            if case[field] == wanted:
                return case
        raise refusal(404, "NotFound", "Case not found.")

    def _chats(self, request: Request, body: bytes) -> Any:
        case = self._case(request, b"")
        if request.method == "GET":
            return self._account.chats.get(case["id"], [])
        message, wanted = _chat_message(body)
        return self._account.reply(case["id"], message, self._sender(wanted))

    def _sender(self, wanted: Json) -> Json:
        """The team member a message is attributed to; the address wins over the id."""
        email, user_id = wanted.get("userEmail"), wanted.get("userId")
        if not email and not user_id:
            raise refusal(400, "MissingUserIdentifier", "Either UserEmail or UserId must be provided.")
        for user in self._account.users:
            if email and str(email).casefold() == user["email"].casefold():
                return user
            if not email and user_id == user["id"]:
                return user
        if email:
            hint = f"No active team member found with email '{email}'. Use GET /users to list the team."
            raise refusal(400, "InvalidUserEmail", hint)
        raise refusal(400, "InvalidUserId", f"No active team member found with id '{user_id}'.")

    def _users(self, request: Request, _body: bytes) -> Json:
        page, size = _page(_query(request), 50)
        if page is None or size is None:
            raise problem(400, "Bad Request", "Invalid pagination parameters", request.url.path)
        return _paged("users", self._account.users, page, size)


def _too_many(wait_s: float) -> Json:
    """The body of a 429; there is no Retry-After header."""
    message = "Rate limit exceeded. Please retry later."
    return {"error": "rate_limit_exceeded", "message": message, "retryAfter": round(wait_s, 1)}


def _query(request: Request) -> dict[str, list[str]]:
    """The query parameters by lower-case name, because ASP.NET ignores case."""
    asked: dict[str, list[str]] = {}
    for key, value in request.query_params.multi_items():
        asked.setdefault(key.lower(), []).append(value)
    return asked


def _page(asked: dict[str, list[str]], size: int) -> tuple[int | None, int | None]:
    """The page and its size; None for one that is out of bounds."""

    def number(name: str, default: int, most: int) -> int | None:
        text = asked.get(name, [str(default)])[-1]
        return int(text) if text.isdecimal() and 1 <= int(text) <= most else None

    return number("page", 1, 2**31 - 1), number("pagesize", size, 100)


def _paged(key: str, found: list[Json], page: int, size: int) -> Json:
    shown = found[(page - 1) * size : page * size]
    data = {"totalResults": len(found), "pageSize": size, "currentPage": page, "responseCount": len(shown)}
    return {"page": data | {"totalPages": math.ceil(len(found) / size)}, key: shown}


def _chat_message(body: bytes) -> tuple[str, Json]:
    """The message and the request's fields. Raises ApiError with the errors of the field."""
    try:
        wanted = json.loads(body)
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        raise ApiError(400, {"$": ["The JSON value could not be converted."]})
    message = wanted.get("message")
    if not isinstance(message, str) or not message.strip():
        raise ApiError(400, {"message": ["The Message field is required."]})
    if len(message.encode("utf-16-le", "surrogatepass")) // 2 > LONGEST_MESSAGE:
        raise ApiError(400, {"message": [f"Message must be a string with a maximum length of {LONGEST_MESSAGE}."]})
    return message, wanted
