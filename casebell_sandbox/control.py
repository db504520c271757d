"""The sandbox's main page: it shows the current data of each outside system, and runs ``scenarios``."""

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from casebell_sandbox import invented
from casebell_sandbox.debitura_cases import about
from casebell_sandbox.faults import Json
from casebell_sandbox.getbill_todos import digits_of, kind_of
from casebell_sandbox.pages import page
from casebell_sandbox.posted import read_fields
from casebell_sandbox.scenarios import SCENARIOS, Result, Run, is_undecided
from casebell_sandbox.slack_workspace import Message
from casebell_sandbox.stand_ins import StandIns

MAX_LINES = 5
# A longer scenario continues in the background, and the page shows its progress.
PAGE_WITHIN_S = 0.5
KINDS = {
    "portal_dispute": "Formal dispute",
    "hardship": "Hardship",
    "payment_plan": "Payment plan proposal",
    "ai_dispute": "Dispute heard by AI",
    "objection": "Objection heard by AI",
    "agreement": "Agreement",
}
# The fields that a todo's panel shows beside its title.
WORDS = ("description", "detected_content", "debtor_message", "admin_notes")


@dataclass(frozen=True, slots=True)
class CardLine:
    """One line of a card: a todo or a task."""

    id: str
    name: str
    kind: str
    detail: str
    at: str
    is_open: bool


class ControlPage:
    """``/``, ``/control/{name}`` and ``/state``."""

    def __init__(self, world: StandIns) -> None:
        self._world = world
        self._last = ""
        self._running: set[asyncio.Task[Result]] = set()
        self.routes = [
            Route("/", self._show, methods=["GET"]),
            Route("/control/{name}", self._control, methods=["POST"]),
            Route("/state", self._state, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        world, asked = self._world, request.query_params
        todos, tasks = self._todos(), self._tasks()
        return page(
            "control.html",
            casebell_url=world.casebell_url,
            next_reference=invented.claim(len(world.getbill.debts) + 1).reference,
            last=world.progress or self._last,
            open_todos=sum(one.is_open for one in todos),
            todos=todos[:MAX_LINES],
            open_tasks=sum(one.is_open for one in tasks),
            tasks=tasks[:MAX_LINES],
            channels=self._channels(),
            limits=world.slack.limits,
            mails=[(n, one) for n, one in enumerate(list(world.mail.messages))][: -MAX_LINES - 1 : -1],
            mail_count=len(world.mail.messages),
            sent=list(world.sent)[:-9:-1],
            is_down={name: getattr(world, name).faults.down for name in ("getbill", "debitura", "slack")},
            todo=self._todo(asked.get("todo", "")),
            task=self._task(asked.get("task", "")),
            case=world.debitura.cases.get(asked.get("case", "")),
        )

    async def _control(self, request: Request) -> Response:
        """Run a scenario. A browser is redirected to the page soon, a program gets JSON at the end."""
        run = SCENARIOS.get(request.path_params["name"])
        if run is None:
            raise HTTPException(404, f"There is no scenario {request.path_params['name']!r}.")
        try:
            asked = await read_fields(request)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        work = asyncio.create_task(self._run_scenario(run, asked))
        self._running.add(work)
        work.add_done_callback(self._running.discard)
        if "text/html" in request.headers.get("accept", ""):
            await asyncio.wait({work}, timeout=PAGE_WITHIN_S)
            return RedirectResponse("../", 303)
        result = await work
        return JSONResponse({"ok": result.is_ok, "did": result.summary, **result.facts}, 200 if result.is_ok else 409)

    async def _run_scenario(self, run: Run, asked: Json) -> Result:
        result = await run(self._world, asked)
        self._last = result.summary
        return result

    async def _state(self, _request: Request) -> Response:
        world = self._world
        return JSONResponse(
            {
                "getbill": {"down": world.getbill.faults.down, "todos": list(world.getbill.todos.values())},
                "debitura": {"down": world.debitura.faults.down, "tasks": list(world.debitura.tasks.values())},
                "slack": {
                    "down": world.slack.faults.down,
                    "real_pace": world.slack.limits.is_real,
                    "channels": {key: len(world.slack.posts(key)) for key in list(world.slack.channels)},
                    "messages": [
                        one.as_json() | {"channel": one.channel} for one in list(world.slack.messages.values())
                    ],
                },
                "mail": [
                    {"to": mail.recipients, "subject": str(mail.message["subject"] or "")}
                    for mail in list(world.mail.messages)
                ],
                "webhooks": [
                    {"at": one.at.isoformat(), "source": one.source, "event": one.event, "status": one.status}
                    for one in list(world.sent)
                ],
            }
        )

    def _todos(self) -> list[CardLine]:
        """Undecided ones first, then newest first."""
        shown = [self._line_of_todo(todo) for todo in reversed(list(self._world.getbill.todos.values()))]
        return sorted(shown, key=lambda one: not one.is_open)

    def _line_of_todo(self, todo: Json) -> CardLine:
        debt = self._world.getbill.debts[todo["debt"]["id"]]
        return CardLine(
            id=todo["id"],
            name=debt["invoice_reference"],
            kind=KINDS.get(kind_of(todo), kind_of(todo)),
            detail=f"{debt['debtor_company'] or debt['lastname']} · {_money(todo, debt)}",
            at=str(todo.get("status") or debt["status"].rpartition(".")[2]),
            is_open=is_undecided(self._world, todo),
        )

    def _tasks(self) -> list[CardLine]:
        shown = [self._line_of_task(task) for task in reversed(list(self._world.debitura.tasks.values()))]
        return sorted(shown, key=lambda one: not one.is_open)

    def _line_of_task(self, task: Json) -> CardLine:
        case = self._world.debitura.cases.get(task["caseId"] or "")
        return CardLine(
            id=task["id"],
            name=task["caseReference"] or "Your account",
            kind=about(task["type"]).label,
            detail=str(case["debtor"]["name"]) if case else task["type"],
            at=str(task["status"]).lower(),
            is_open=task["status"] == "Open",
        )

    def _todo(self, todo_id: str) -> Any:
        """The panel of one todo, as in Getbill's own app; None if there is none."""
        todo = self._world.getbill.todos.get(todo_id)
        if todo is None:
            return None
        return self._line_of_todo(todo), [str(todo[name]) for name in WORDS if todo.get(name)], todo

    def _task(self, task_id: str) -> Any:
        """The panel of one task with its chat."""
        task = self._world.debitura.tasks.get(task_id)
        if task is None:
            return None
        return self._line_of_task(task), list(self._world.debitura.chats.get(task["caseId"] or "", [])), task

    def _channels(self) -> list[tuple[Json, list[Message]]]:
        slack = self._world.slack
        return [(channel, slack.roots(channel["id"])) for channel in list(slack.channels.values())]


def _money(todo: Json, debt: Json) -> str:
    amount = todo.get("total_amount", debt["amount"])
    return f"{amount:,.{digits_of(debt)}f} {debt['currency']}"
