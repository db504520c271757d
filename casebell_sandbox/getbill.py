"""A stand-in for Getbill: todos and debts in memory, its external API, its media links, its webhooks.

It behaves as docs/vendors/getbill.md describes. Another thread may call it: every change is one operation on a dict.
"""

import hmac
import itertools
import json
import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from casebell_sandbox import getbill_media as media
from casebell_sandbox import getbill_todos as shapes
from casebell_sandbox.faults import Clock, Faults, Json, utc_now
from casebell_sandbox.getbill_access import Access
from casebell_sandbox.getbill_changes import AGREEMENT, DISPUTE, RefusedCallError, valid_changes
from casebell_sandbox.invented import Claim, claim

API = "/external-api/v1"
CLAIM_FIELDS = {field.name for field in fields(Claim)}

Handler = Callable[[Request, bytes], Json]


class GetbillStand:
    """One Getbill company. ``access``: its credentials, scopes and rate limits; ``faults`` injects errors.

    is_single_sparse: a single todo lacks sub_type, severity and proof_files, as the documented sample does.
    refuses_statusless: 422 for a decision on a kind without a status in the list (Getbill's behaviour is unknown).
    """

    def __init__(
        self,
        token: str = "getbill-token",  # noqa: S107 - public on purpose, the sandbox's own
        secret: str = "getbill-secret",  # noqa: S107 - the same
        reads_per_hour: int = 1000,
        writes_per_hour: int = 500,
        media_ttl_s: float = 3600,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self.access = Access(token, reads_per_hour, writes_per_hour, clock)
        self.token = token
        self.secret = secret
        self.media_ttl_s = media_ttl_s
        self.public_url = "http://getbill.sandbox"
        self.is_single_sparse = False
        self.refuses_statusless = False
        self.todos: dict[str, Json] = {}
        self.debts: dict[str, Json] = {}
        self.faults = Faults("/status", lambda: self.access.forced_429(self.faults.retry_after_s))
        self._clock = clock
        self._media_key = secrets.token_bytes(32)
        self._count = itertools.count(1)
        self._debt_count = itertools.count(1)
        self.app = Starlette(
            routes=self._routes(),
            middleware=[Middleware(self.faults.wrap)],
            exception_handlers={HTTPException: _unknown_route},
        )

    def add(
        self,
        sub_type: str,
        *,
        claim: Claim | None = None,
        debt: Json | None = None,
        is_group: bool = False,
        **overrides: Any,
    ) -> Json:
        """Add a todo about a new debt, or about ``debt``; returns the stored record, which may be changed.

        ``overrides`` replace fields of the todo, or of its claim (``reference``, ``amount``, ``currency``).
        """
        now, owed = self._clock(), self._claim(claim, overrides)
        found = [debt or self._new_debt(sub_type, owed, now)]
        for part in range(2, 4 if is_group else 2):
            other = replace(owed, reference=f"{owed.reference}-{part}", amount=owed.amount * part)
            found.append(self._new_debt(sub_type, other, now))
        n = next(self._count)
        todo_id = f"enc_group_{n}" if is_group else f"enc_{1000 + n}"
        if sub_type == "agreement" and not is_group:
            todo_id = found[0]["id"]
        todo = shapes.new_todo(sub_type, todo_id, found, now, n)
        todo |= {key: value for key, value in overrides.items() if key not in CLAIM_FIELDS}
        self.todos[todo["id"]] = todo
        return todo

    def _claim(self, given: Claim | None, overrides: Json) -> Claim:
        owed = given or claim(len(self.debts) + 1)
        return replace(owed, **{key: overrides[key] for key in CLAIM_FIELDS & overrides.keys()})

    def _new_debt(self, sub_type: str, owed: Claim, now: datetime) -> Json:
        on_hold = shapes.TYPE_OF.get(sub_type, "debtor_request") == "debtor_request"
        status = "status.default.on_hold" if on_hold else "status.default.active"
        debt = shapes.new_debt(owed, f"enc_{400 + next(self._debt_count)}", status, now)
        self.debts[debt["id"]] = debt
        return debt

    def set_status(self, todo_id: str, status: str, admin_notes: str | None = None) -> Json:
        """A person decides in Getbill's own app; for an agreement ``status`` is that of the debt."""
        todo = self.todos[todo_id]
        if todo["type"] == "agreement":
            return self._change_agreement(todo, {"debt_status_id": shapes.DEBT_STATUS_IDS[status]})
        return self._change_dispute(todo, {"status": status, "admin_notes": admin_notes})

    def remove(self, todo_id: str) -> None:
        """Delete the todo."""
        self.todos.pop(todo_id, None)

    def event(
        self,
        todo: Json | None,
        type: str = "dispute.created",  # noqa: A002 - the word of Getbill's envelope
        *,
        content: str = "todo",
        event_id: str | None = None,
    ) -> bytes:
        """The body of a webhook. ``content``: the whole "todo", the "debt", only its "debt_id", or "nothing"."""
        data: Json = {}
        if todo is not None and content == "todo":
            data = {"todo": self._single(todo, self.public_url)}
        elif todo is not None and content == "debt":
            data = self.debts[todo["debt"]["id"]]
        elif todo is not None and content == "debt_id":
            data = {"debt_id": todo["debt"]["id"]}
        envelope = {"type": type, "data": data} | ({"id": event_id} if event_id else {})
        return json.dumps(envelope, ensure_ascii=False).encode()

    def sign(self, body: bytes) -> dict[str, str]:
        """The headers that Getbill sends with ``body``."""
        signature = hmac.new(self.secret.encode(), body, "sha256").hexdigest()
        return {"Content-Type": "application/json", "X-GetBill-Signature": signature}

    def _routes(self) -> list[Route]:
        read, write = "debts:read", "debts:write"
        return [
            Route(f"{API}/todos", self._endpoint(read, self._list), methods=["GET"]),
            Route(f"{API}/todos/stats", self._endpoint(read, self._stats), methods=["GET"]),
            Route(f"{API}/todos/{{type}}/{{id}}", self._endpoint(read, self._get), methods=["GET"]),
            Route(f"{API}/todos/{{type}}/{{id}}/status", self._endpoint(write, self._put_status), methods=["PUT"]),
            Route(f"{API}/debts/{{id}}", self._endpoint(read, self._get_debt), methods=["GET"]),
            Route("/token", self.access.grant, methods=["POST"]),
            Route("/media/{name}", self._media, methods=["GET"]),
        ]

    def _endpoint(self, scope: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            window = self.access.window(scope)
            try:
                self.access.admit(request, scope)
                answer, status = handler(request, await request.body()), 200
            except RefusedCallError as refused:
                answer, status = refused.body, refused.status
            return JSONResponse(answer, status, self.access.quota(window))

        return endpoint

    def _list(self, request: Request, _body: bytes) -> Json:
        page, limit = _number(request, "page", 1, 10**9), _number(request, "limit", 20, 100)
        wanted, debt_id = request.query_params.get("type", "all"), request.query_params.get("debt_id")
        kind = None if wanted == "all" else _canonical(wanted)
        found = [
            todo
            for todo in self._todos_of_period(request)
            if kind in {None, todo["type"]} and (debt_id is None or debt_id in shapes.debt_ids(todo))
        ]
        shown = found[(page - 1) * limit : page * limit]
        pages = math.ceil(len(found) / limit)
        return {
            "todos": [shapes.as_list_entry(todo, self._sign(_base_url(request))) for todo in shown],
            "pagination": {"page": page, "limit": limit, "total": len(found), "pages": pages},
        }

    def _todos_of_period(self, request: Request) -> list[Json]:
        """The todos of the requested period, newest first."""
        period = request.query_params.get("period", "since_last_month")
        if period not in shapes.PERIODS:
            raise RefusedCallError(400, f"Invalid period: {period}")
        days = shapes.PERIODS[period]
        since = datetime.min.replace(tzinfo=UTC)
        if days is not None:
            since = self._clock().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
        newest_first = sorted(self.todos.values(), key=_created_at)[::-1]  # also within one second
        return [todo for todo in newest_first if _created_at(todo) >= since]

    def _stats(self, request: Request, _body: bytes) -> Json:
        return {"stats": shapes.statistics(self._todos_of_period(request), self._clock())}

    def _get(self, request: Request, _body: bytes) -> Json:
        return {"todo": self._single(self._find(request), _base_url(request))}

    def _find(self, request: Request) -> Json:
        """The todo of the path. An agreement is identified by the id of one of its debts."""
        kind, wanted = _canonical(request.path_params["type"]), request.path_params["id"]
        for todo in list(self.todos.values()):
            ids = shapes.debt_ids(todo) if kind == "agreement" else {todo["id"]}
            if todo["type"] == kind and wanted in ids:
                return todo
        raise RefusedCallError(404, "Todo not found")

    def _put_status(self, request: Request, body: bytes) -> Json:
        todo = self._find(request)
        try:
            wanted = json.loads(body)
        except ValueError:
            wanted = None
        if todo["type"] == "agreement":
            self._change_agreement(todo, valid_changes(wanted, AGREEMENT))
        else:
            changes = valid_changes(wanted, DISPUTE)
            if self.refuses_statusless and "status" not in shapes.LISTED_DETAIL.get(shapes.kind_of(todo), {"status"}):
                raise RefusedCallError(422, "This todo has no status", {"status": ["Not supported for this type."]})
            self._change_dispute(todo, changes)
        return {"todo": self._single(todo, _base_url(request))}

    def _change_dispute(self, todo: Json, changes: Json) -> Json:
        now = shapes.iso(self._clock())
        reviewed = {"reviewed_at": None if changes["status"] == "suggested" else now} if "status" in changes else {}
        todo.update(changes | reviewed | {"updated_at": now})
        return todo

    def _change_agreement(self, todo: Json, changes: Json) -> Json:
        if "debt_status_id" in changes:
            words = {status_id: word for word, status_id in shapes.DEBT_STATUS_IDS.items()}
            self._set_debt_status(shapes.debt_ids(todo), words[changes["debt_status_id"]])
        plan = {key: value for key, value in changes.items() if key != "debt_status_id"}
        todo.update(plan | {"updated_at": shapes.iso(self._clock())})
        if plan:
            total = todo.get("total_amount", todo["debt"]["amount"])
            start = datetime.fromisoformat(todo["plan_start_date"]).date()
            first = min(todo["first_payment_amount"], total)
            digits = shapes.digits_of(self.debts[todo["debt"]["id"]])
            todo["installments"] = shapes.installments(total, todo["plan_months"], start, first, digits)
        return todo

    def _set_debt_status(self, debt_ids: set[str], word: str) -> None:
        """Change the status of the debts, and of their copies in every todo."""
        for debt_id in debt_ids & self.debts.keys():
            self.debts[debt_id]["status"] = word
        for todo in list(self.todos.values()):
            for shown in [todo["debt"], *todo.get("debts", [])]:
                if shown["id"] in debt_ids:
                    shown.update(status=word, status_id=shapes.DEBT_STATUS_IDS[word])

    def _get_debt(self, request: Request, _body: bytes) -> Json:
        debt = self.debts.get(request.path_params["id"])
        if debt is None:
            raise RefusedCallError(404, "Debt not found")
        return {"error": False, "data": debt}

    def _single(self, todo: Json, base_url: str) -> Json:
        expires_at = shapes.iso(self._clock() + timedelta(seconds=self.media_ttl_s))
        return shapes.as_single(todo, self._sign(base_url), expires_at, is_sparse=self.is_single_sparse)

    def _sign(self, base_url: str) -> Callable[[str], str]:
        return lambda name: media.link(base_url, name, self._media_key, self._clock(), self.media_ttl_s)

    async def _media(self, request: Request) -> Response:
        return media.serve(request, self._media_key, self._clock())


async def _unknown_route(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": True, "message": str(error), "code": status}, status)


def _base_url(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"


def _created_at(todo: Json) -> datetime:
    return _instant(str(todo["created_at"]))


@lru_cache(maxsize=50_000)
def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _canonical(name: str) -> str:
    kind = shapes.LEGACY.get(name, name)
    if kind not in shapes.TYPES:
        raise RefusedCallError(400, f"Invalid todo type: {name}")
    return kind


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise RefusedCallError(400, f"Invalid {name}: expected an integer from 1 to {most}")
    return int(text)
