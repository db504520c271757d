"""docs/sources.md is true: its code and its tests are there, and nothing that the vendors document is missing."""

import ast
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import BaseModel
from starlette.routing import Route

from casebell_sandbox.debitura import DebituraStand
from casebell_sandbox.debitura_cases import TYPES
from casebell_sandbox.getbill import GetbillStand
from casebell_sandbox.getbill_todos import TYPE_OF, as_list_entry, statistics
from receiver.domain.item import Detail, Medium
from receiver.domain.money import Money
from receiver.ports import ChangeHint
from receiver.upstream.debitura import inbound as debitura_events
from receiver.upstream.debitura import translate as debitura_words
from receiver.upstream.debitura import wire as debitura
from receiver.upstream.getbill import inbound as getbill_events
from receiver.upstream.getbill import wire as getbill
from receiver.upstream.getbill.translate import snapshot
from tests.adapters.debitura_world import Clock, World, payload
from tests.factories import NOW

ROOT = Path(__file__).parents[2]
CODE, TESTS = ROOT / "receiver" / "upstream", ROOT / "tests"
GETBILL_EVENTS = (
    "debt.created", "debt.updated", "debt.status_changed",
    "followup.created", "followup.updated", "followup.completed", "followup.failed",
    "payment.received", "payment.failed", "payment_plan.created", "payment_plan.completed", "payment_plan.canceled",
)  # fmt: skip
UNNAMED_EVENTS = ("dispute.*", "agreement.*", "todo.*", "debtor_request.*", "ai_detection.*")
EVENTS_OF_NO_TODO = ("company.credits_low", "report.generated")
DEBITURA_EVENTS = (
    "case.created", "case.updated", "case.closed", "payment.created", "payment.deleted", "chat.created",
)  # fmt: skip
WIRES: dict[str, dict[str, type[BaseModel]]] = {
    "Getbill": {
        "todo": getbill.EventTodo, "debt": getbill.Debt, "installment": getbill.Installment,
        "proof_file": getbill.ProofFile, "pagination": getbill.Pagination, "stats": getbill.Stats,
    },
    "Debitura": {
        "task": debitura.Task, "action": debitura.Action, "case": debitura.Case, "chat": debitura.Chat,
        "author": debitura.Author, "user": debitura.User, "profile": debitura.Profile,
        "subscription": debitura.Subscription, "page": debitura.Page,
    },
}  # fmt: skip
SCHEMAS = {
    "task": "Tasks.TaskDto", "action": "Tasks.TaskActionDto", "case": "Cases.InvoiceDto", "chat": "Chats.ChatDto",
    "author": "Users.UserRelationDto", "user": "Users.CollectionPartnerUserDto", "profile": "Me.CreditorMeApiDTO",
    "subscription": "Dtos.WebhookDto", "page": "Base.PageData",
}  # fmt: skip


class Line(NamedTuple):
    source: str
    part: str
    names: tuple[str, ...]
    code: str
    tests: tuple[str, ...]


@cache
def lines() -> tuple[Line, ...]:
    return tuple(_lines((ROOT / "docs" / "sources.md").read_text(encoding="utf-8")))


def _lines(text: str) -> Iterator[Line]:
    source = part = ""
    for line in text.splitlines():
        if line.startswith("## "):
            source, _, part = line[3:].partition(": ")
        elif line.startswith("| ") and not line.startswith("| what |"):
            what, code, tests = (cell.strip() for cell in line.strip("|").split(" | "))
            yield Line(source, part, tuple(_quoted(what)), code, tuple(_quoted(tests)))


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def named(source: str, *parts: str) -> set[str]:
    return {
        name for line in lines() if line.source == source and (not parts or line.part in parts) for name in line.names
    }


@cache
def defined_in(path: Path) -> frozenset[str]:
    """Functions, classes and their methods."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{method.name}" for method in inner}
    return frozenset(found)


def is_there(folder: Path, place: str) -> bool:
    path, _, name = place.partition(" : ")
    return name in defined_in(folder / path)


def document() -> Any:
    return payload("customer-api")


def operations_we_call() -> set[str]:
    """Of Debitura, as ``api.py`` writes them down."""
    verbs = {"_pages": "GET", "_page": "GET", "_object": "GET", "_list": "GET"}
    found: set[str] = set()
    for call in ast.walk(ast.parse((CODE / "debitura" / "api.py").read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        first = call.args[0] if call.args else None
        method = _path(first) if call.func.attr == "_call" and first is not None else verbs.get(call.func.attr)
        paths = [path for arg in call.args if (path := _path(arg)).startswith("/")]
        found |= {f"{method} {path}" for path in paths if method}
    return found


def _path(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_path(part) if isinstance(part, ast.Constant) else "{id}" for part in node.values)
    return ""


def test_every_row_names_code_and_a_test_that_are_there() -> None:
    served = [line for line in lines() if line.part != "left out"]

    assert len(served) > 50
    assert [line for line in lines() if not line.tests] == []
    assert [
        line.code for line in served if not all(is_there(CODE, place) for place in _quoted(line.code) or [""])
    ] == []
    assert [place for line in lines() for place in line.tests if not is_there(TESTS, place)] == []
    assert [
        place for line in lines() for place in line.tests if not place.partition(" : ")[2].startswith("test_")
    ] == []


def test_every_operation_of_the_vendors_has_a_row() -> None:
    routes = [route for route in GetbillStand().app.routes if isinstance(route, Route)]
    getbills = {
        f"{m} {r.path.removeprefix('/external-api/v1')}" for r in routes for m in (r.methods or ()) if m != "HEAD"
    }
    debituras = {f"{method.upper()} {path}" for path, item in document()["paths"].items() for method in item}

    assert len(debituras) == 53
    assert sorted(getbills - named("Getbill", "operations")) == []
    assert sorted(debituras - named("Debitura", "operations", "left out")) == []
    assert {name for name in named("Debitura") if re.match("[A-Z]+ /", name)} == debituras


def test_every_event_and_every_type_of_todo_and_task_has_a_row() -> None:
    events = {*GETBILL_EVENTS, *UNNAMED_EVENTS, *EVENTS_OF_NO_TODO}

    assert sorted(events - named("Getbill", "events")) == []
    assert sorted({*DEBITURA_EVENTS} - named("Debitura", "events")) == []
    assert sorted(TYPE_OF.keys() - named("Getbill", "types of todos")) == []
    assert sorted(TYPES.keys() - named("Debitura", "types of tasks")) == []


def test_every_field_of_the_vendors_has_a_row() -> None:
    schemas = document()["components"]["schemas"]
    by_ending = {group: next(s for n, s in schemas.items() if n.endswith(f".{end}")) for group, end in SCHEMAS.items()}
    debituras = {f"{group}.{name}" for group, schema in by_ending.items() for name in schema["properties"]}

    assert sorted(set(_getbills_fields()) - named("Getbill", "fields", "left out")) == []
    assert sorted(debituras - named("Debitura", "fields", "left out")) == []


def _getbills_fields() -> Iterator[str]:
    """As the stand-in shows them, whose fields are held to the documented ones by tests of its own."""
    stand = GetbillStand()
    todos = [*(stand.add(kind) for kind in TYPE_OF), stand.add("agreement", is_group=True)]
    for todo in todos:
        for shown in (as_list_entry(todo, str), todo | as_list_entry(todo, str)):
            yield from (f"todo.{name}" for name in shown)
            for group, rows in (("installment", "installments"), ("proof_file", "proof_files"), ("debt", "debts")):
                yield from (f"{group}.{name}" for row in shown.get(rows, ()) for name in row)
    yield "todo.media_urls_expire_at"  # only where the single todo has a link
    debt = next(iter(stand.debts.values()))
    yield from (f"debt.{name}" for name in debt)
    yield from (f"stats.{name}" for name in statistics(todos, NOW))
    yield from (f"pagination.{name}" for name in ("page", "limit", "total", "pages"))


@pytest.mark.parametrize("source", WIRES)
def test_what_is_left_out_is_not_even_read(source: str) -> None:
    read = {
        f"{group}.{field.alias or name}"
        for group, wire in WIRES[source].items()
        for name, field in wire.model_fields.items()
    }

    left_out = {name for name in named(source, "left out") if name.partition(".")[0] in WIRES[source]}
    assert left_out
    assert sorted(left_out & read) == []
    assert sorted(name for name in named(source, "fields") if name not in read) == []


def test_what_is_left_out_is_never_called() -> None:
    called = operations_we_call()

    assert called == {name for name in named("Debitura", "operations") if re.match("[A-Z]+ /", name)}
    assert called & named("Debitura", "left out") == set()


@pytest.mark.parametrize("event", [*GETBILL_EVENTS, *(family.replace("*", "created") for family in UNNAMED_EVENTS)])
def test_an_event_of_every_listed_type_makes_us_look(event: str) -> None:
    def hint(data: object) -> ChangeHint | None:
        return getbill_events.read(json.dumps({"type": event, "data": data}).encode())

    assert hint({"debt_id": "enc_9"}) == hint({"debt": {"id": "enc_9"}}) == ChangeHint(debt_id="enc_9")
    assert hint({"todo": {"type": "ai_detection", "id": "enc_7"}}) == ChangeHint(what="ai_detection", id="enc_7")
    assert hint({}) == hint(None) == ChangeHint()


@pytest.mark.parametrize("event", EVENTS_OF_NO_TODO)
def test_an_event_about_no_todo_is_taken_and_left(event: str) -> None:
    assert getbill_events.read(json.dumps({"type": event, "data": {"id": "1"}}).encode()) is None


@pytest.mark.parametrize("event", DEBITURA_EVENTS)
def test_an_event_of_debitura_makes_its_case_be_read(event: str) -> None:
    case_id = "8f19c2b0-1111-4222-8333-444455556666"

    body = DebituraStand().event(event, case_id)

    assert debitura_events.read(body) == ChangeHint(what="case", id=case_id)


@pytest.mark.parametrize(
    ("kind", "fields", "details"),
    [
        (
            "agreement",
            {"plan_months": 6, "plan_start_date": "2026-04-01", "first_payment_amount": 10},
            {"plan_months", "plan_start_date", "first_payment_amount"},
        ),
        (
            "objection",
            {"objection_type": "refusal", "admin_notes": "Look"},
            {"objection_type", "admin_notes", "call", "source"},
        ),
    ],
)
def test_each_of_these_reaches_the_item(kind: str, fields: dict[str, Any], details: set[str]) -> None:
    todo = GetbillStand().add(kind) | fields | {"audio_url": "https://x.example/a", "pdf_url": "https://x.example/b"}

    shown = snapshot(getbill.Todo.model_validate(todo), None, "main")

    assert details <= {detail.name for detail in shown.details}
    assert shown.media == (Medium("recording", "recording"), Medium("document", "document"))


def test_a_debt_gives_what_its_todo_does_not_carry() -> None:
    stand = GetbillStand()
    todo = stand.add("portal_dispute", amount=12, currency="DKK", reference="INV-9")
    debt = getbill.Debt.model_validate(stand.debts[todo["debt"]["id"]])
    without = getbill.Todo.model_validate(todo | {"debt": {"id": todo["debt"]["id"]}})

    shown = snapshot(without, debt, "main")

    assert (shown.amount, shown.case_reference, shown.reference) == (Money(Decimal(12), "DKK"), "DEBT-9", "INV-9")


def test_a_task_whose_case_cannot_be_read_keeps_its_own_reference() -> None:
    task = debitura.Task.model_validate(payload("task__reply_to_chat") | {"caseReference": "INV-7"})

    shown = debitura_words.snapshot(task, None, [], "main")

    assert (shown.case_reference, Detail("type_label", text="Reply to chat") in shown.details) == ("INV-7", True)


@pytest.mark.anyio
async def test_an_account_is_told_by_its_company() -> None:
    stand = DebituraStand()
    client = World("http://debitura.test", Clock()).client(transport=httpx.ASGITransport(app=stand.app))

    rows = await client.health()
    await client.close()

    assert rows[0].detail == f"accepts the key of {stand.profile['companyName']}"
