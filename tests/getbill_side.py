"""Helpers for the tests of Getbill's client: a manual clock, clients of stand-ins, requests and facts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from casebell_sandbox.getbill import GetbillStand
from receiver.domain.action import SourceCommand
from receiver.domain.fact import Fact, SourceReported
from receiver.domain.item import Snapshot
from receiver.domain.people import Person
from receiver.errors import DeliveryError
from receiver.upstream.getbill.client import Getbill
from tests.factories import NOW

BASE_URL = "http://localhost/external-api/v1"
PAYLOADS = Path(__file__).parent / "payloads" / "getbill"
KINDS = ["agreement", "portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection"]


class Watch:
    """A clock that only moves on ``move``."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


def client_of(app: Starlette, watch: Watch, **options: Any) -> Getbill:
    credentials: dict[str, Any] = {} if "client_id" in options else {"api_token": "getbill-token"}
    return Getbill(
        "main",
        BASE_URL,
        poll_every_s=300,
        now=watch,
        transport=httpx.ASGITransport(app),
        **credentials,
        **options,
    )


def key(todo: Mapping[str, Any]) -> str:
    return f"getbill:main:{todo['type']}:{todo['id']}"


def command_for(todo: Mapping[str, Any], verb: str = "validate", **changes: Any) -> SourceCommand:
    anna = Person(email="anna@creditor.example", name="Anna K")
    return replace(SourceCommand(7, key(todo), verb, anna, "Paid on 3 March", None, 0), **changes)


def by_key(facts: Sequence[Fact]) -> dict[str, Snapshot]:
    assert all(isinstance(fact, SourceReported) for fact in facts), facts
    return {fact.key: fact.snapshot for fact in facts if isinstance(fact, SourceReported)}


def requested_paths(stand: GetbillStand, path: str = "", method: str = "GET") -> list[str]:
    return [call.path for call in stand.faults.calls if path in call.path and call.method == method]


async def failure(work: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await work
    return raised.value


def serving(list_todos: Callable[[Request], Response]) -> Starlette:
    """A Getbill that serves only the list; everything else is 404."""

    async def endpoint(request: Request) -> Response:
        return list_todos(request)

    return Starlette(routes=[Route("/external-api/v1/todos", endpoint)])


def page(todos: list[Any], **pagination: Any) -> JSONResponse:
    return JSONResponse({"todos": todos, "pagination": pagination})


def plain(todo_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": todo_id, "type": "agreement", "debt": {"id": todo_id, "amount": 10}} | fields
