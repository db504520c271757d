"""The scenarios behind the buttons of the sandbox's page, by name.

Each one changes a stand-in as people or programs would, sends Casebell the webhook that the real system would send, and
returns a sentence about what it did.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from casebell_sandbox import seed
from casebell_sandbox.debitura_cases import CHAT_TYPES, LATER_TYPES, QUESTIONS, about
from casebell_sandbox.faults import Json
from casebell_sandbox.getbill_todos import TYPE_OF
from casebell_sandbox.invented import claim
from casebell_sandbox.stand_ins import StandIns

BURST, LARGEST_BURST, AT_ONCE = 200, 2000, 20
STAGES = ("Active", "Paused", "Closed")
DECISIONS = ("validated", "rejected", "suggested")
GIVEN = ("reference", "currency", "title", "detected_content")
EVENT_OF = {"agreement": "agreement.created"}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a scenario: a sentence for people, facts for programs. ``is_ok`` False: nothing could be done."""

    summary: str
    facts: Json = field(default_factory=dict)
    is_ok: bool = True


Run = Callable[[StandIns, Json], Awaitable[Result]]


async def dispute(world: StandIns, params: Json) -> Result:
    """A debtor disputes in Getbill's portal. Parameters: those of GIVEN, and ``kind``, another of Getbill's kinds."""
    wanted = {name: params[name] for name in GIVEN if _has_text(params, name)}
    if isinstance(params.get("amount"), int | float):
        wanted["amount"] = params["amount"]
    kind = params.get("kind")
    todo = world.getbill.add(kind if isinstance(kind, str) and kind in TYPE_OF else "portal_dispute", **wanted)
    status = await world.send_getbill_webhook(todo, _created_event(todo))
    reference = todo["debt"]["reference"]
    facts = {"id": todo["id"], "reference": reference, "webhook": status}
    return Result(f"{reference} is disputed; {_format_answer(status)}", facts)


async def question(world: StandIns, params: Json) -> Result:
    """A partner writes in a case's chat, which creates a task. Debitura has webhooks for chats, not for tasks."""
    text = params["text"] if _has_text(params, "text") else QUESTIONS["ReplyToChat"]
    task = world.debitura.add_partner_question(text)
    status = await world.send_debitura_webhook("chat.created", task["caseId"])
    facts = {"id": task["id"], "caseId": task["caseId"], "reference": task["caseReference"], "webhook": status}
    return Result(f"The partner asks about {task['caseReference']}; {_format_answer(status)}", facts)


async def burst(world: StandIns, params: Json) -> Result:
    """``count`` disputes at once."""
    count = str(params.get("count", BURST))
    number = min(int(count), LARGEST_BURST) if count.isdecimal() and len(count) < 9 else BURST
    todos, gate = [world.getbill.add("portal_dispute") for _ in range(number)], asyncio.Semaphore(AT_ONCE)
    accepted: list[bool] = []

    async def send(todo: Json) -> None:
        async with gate:
            accepted.append(200 <= await world.send_getbill_webhook(todo) < 300)
            world.progress = f"{len(accepted)} of {number} disputes are sent; Casebell took {sum(accepted)}"

    world.progress = f"0 of {number} disputes are sent"
    try:
        await asyncio.gather(*map(send, todos))
    finally:
        world.progress = ""
    return Result(
        f"{number} disputes at once; Casebell took {sum(accepted)}", {"sent": number, "accepted": sum(accepted)}
    )


async def every_kind(world: StandIns, _asked: Json) -> Result:
    """One todo of each kind, one task of each type."""
    before = world.getbill.todos.keys() | world.debitura.tasks.keys()
    seed.fill(world.getbill, world.debitura)
    todos = [todo for key, todo in list(world.getbill.todos.items()) if key not in before]
    tasks = [task for key, task in list(world.debitura.tasks.items()) if key not in before]
    for todo in todos:
        await world.send_getbill_webhook(todo, _created_event(todo))
    for task in tasks:
        if task["type"] in CHAT_TYPES:
            await world.send_debitura_webhook("chat.created", task["caseId"])
    facts = {"todos": len(todos), "tasks": len(tasks)}
    return Result(f"{len(todos)} todos and {len(tasks)} tasks: one of each kind", facts)


async def unknown_task(world: StandIns, _asked: Json) -> Result:
    """A task of an unknown type. No webhook is sent; the next poll finds it."""
    task = world.debitura.add_task(next(iter(LATER_TYPES)))
    return Result(f"A task of the new type {task['type']}; the next poll finds it", {"id": task["id"]})


async def decide(world: StandIns, params: Json) -> Result:
    """A colleague decides in Getbill's own app: the newest open dispute is validated, or ``id`` gets ``status``."""
    status = params.get("status") if params.get("status") in DECISIONS else "validated"
    todo = world.getbill.todos.get(str(params["id"])) if "id" in params else newest_undecided(world)
    if todo is None:
        return Result("No dispute is open in Getbill", is_ok=False)
    word = "status.default.settled" if todo["type"] == "agreement" else str(status)
    world.getbill.set_status(todo["id"], word, "Decided in Getbill by a colleague")
    answer = await world.send_getbill_webhook(todo, "dispute.updated")
    reference = todo["debt"]["reference"]
    facts = {"id": todo["id"], "reference": reference, "status": status, "webhook": answer}
    return Result(f"A colleague {word.rpartition('.')[2]} {reference} in Getbill; {_format_answer(answer)}", facts)


async def solve(world: StandIns, params: Json) -> Result:
    """A person solves a task in Debitura's portal: the newest open one, or the one with ``id``."""
    open_tasks = [task for task in list(world.debitura.tasks.values()) if task["status"] == "Open"]
    task = world.debitura.tasks.get(str(params["id"])) if "id" in params else next(reversed(open_tasks), None)
    if task is None or task["status"] != "Open":
        return Result("No task is open at Debitura", is_ok=False)
    world.debitura.solve_in_portal(task["id"])
    facts = {"id": task["id"], "reference": task["caseReference"]}
    if not task["caseId"]:
        return Result(f"“{about(task['type']).label}” was solved in the portal; the next poll finds out", facts)
    status = await world.send_debitura_webhook("case.updated", task["caseId"])
    label = f"“{about(task['type']).label}” on {task['caseReference']}"
    return Result(f"{label} was solved in the portal; {_format_answer(status)}", facts | {"webhook": status})


async def conflict(world: StandIns, _asked: Json) -> Result:
    """One receivable in both systems: the debtor disputes it in Getbill, and the partner collects it."""
    owed = claim(max(len(world.getbill.debts), len(world.debitura.cases)) + 1)
    case = world.debitura.add_case(claim=owed)
    todo = world.getbill.add("portal_dispute", claim=owed)
    answers = (
        await world.send_debitura_webhook("case.created", case["id"]),
        await world.send_getbill_webhook(todo, _created_event(todo)),
    )
    facts = {"id": todo["id"], "caseId": case["id"], "case": case["reference"], "reference": owed.reference}
    answer = _format_answer(max(answers))
    return Result(f"{owed.reference} is disputed in Getbill and pursued as case {case['reference']}; {answer}", facts)


async def move(world: StandIns, params: Json) -> Result:
    """The partner moves the case with ``id`` (else the newest disputed one) to the stage ``to`` (else Paused)."""
    to = str(params["to"]) if params.get("to") in STAGES else "Paused"
    case = world.debitura.cases.get(str(params["id"])) if "id" in params else _newest_disputed(world)
    if case is None:
        return Result("No active case is disputed in Getbill", is_ok=False)
    world.debitura.move_case(case["id"], to)
    status = await world.send_debitura_webhook("case.closed" if to == "Closed" else "case.updated", case["id"])
    facts = {"caseId": case["id"], "case": case["reference"], "lifecycle": to, "webhook": status}
    return Result(f"Case {case['reference']} is {to.lower()} now; {_format_answer(status)}", facts)


def _newest_disputed(world: StandIns) -> Json | None:
    disputed = {
        todo["debt"]["reference"]
        for todo in list(world.getbill.todos.values())
        if todo.get("sub_type") == "portal_dispute" and todo["status"] != "rejected"
    }
    active = [case for case in list(world.debitura.cases.values()) if case["lifecycle"] == "Active"]
    return next((case for case in reversed(active) if case["creditorReference"] in disputed), None)


def _switch(system: str, *, is_down: bool) -> Run:
    async def switch(world: StandIns, _asked: Json) -> Result:
        getattr(world, system).faults.down = is_down
        name = system.capitalize()
        return Result(f"{name} is down: its API answers 503" if is_down else f"{name} is back")

    return switch


def _pace(*, is_real: bool) -> Run:
    async def switch(world: StandIns, _asked: Json) -> Result:
        world.slack.limits.is_real = is_real
        return Result("Slack takes one post a second in a channel" if is_real else "Slack takes posts as they come")

    return switch


SCENARIOS: dict[str, Run] = {
    "dispute": dispute,
    "question": question,
    "burst": burst,
    "every-kind": every_kind,
    "unknown-task": unknown_task,
    "conflict": conflict,
    "move": move,
    "decide": decide,
    "solve": solve,
    **{f"{name}-down": _switch(name, is_down=True) for name in ("getbill", "debitura", "slack")},
    **{f"{name}-up": _switch(name, is_down=False) for name in ("getbill", "debitura", "slack")},
    "slack-slow": _pace(is_real=True),
    "slack-fast": _pace(is_real=False),
}


def is_undecided(world: StandIns, todo: Json) -> bool:
    """Whether a person still has to decide: a dispute is suggested, an agreement's debt is not settled."""
    if todo["type"] == "agreement":
        return bool(world.getbill.debts[todo["debt"]["id"]]["status"] != "status.default.settled")
    return bool(todo.get("status") == "suggested")


def newest_undecided(world: StandIns) -> Json | None:
    disputes = [todo for todo in list(world.getbill.todos.values()) if todo["type"] != "agreement"]
    return next((todo for todo in reversed(disputes) if is_undecided(world, todo)), None)


def _created_event(todo: Json) -> str:
    return EVENT_OF.get(todo["type"], "dispute.created")


def _has_text(params: Json, name: str) -> bool:
    return isinstance(params.get(name), str) and bool(params[name].strip())


def _format_answer(status: int) -> str:
    return f"Casebell answered {status}" if status else "Casebell did not answer"
