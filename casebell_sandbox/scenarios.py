"""What can be made to happen in the outside world, by name: the buttons of the sandbox's page.

Each scenario changes a stand-in as people or programs out there would, tells Casebell what that system would tell, and
says in a sentence what it did.
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
class Done:
    """What came of a scenario: a sentence for people, facts for programs. ``is_done`` False: there was nothing."""

    did: str
    facts: Json = field(default_factory=dict)
    is_done: bool = True


Run = Callable[[StandIns, Json], Awaitable[Done]]


async def dispute(world: StandIns, asked: Json) -> Done:
    """A debtor disputes in Getbill's portal. ``GIVEN`` may be given, and as ``kind`` another of Getbill's kinds."""
    wanted = {name: asked[name] for name in GIVEN if _word(asked, name)}
    if isinstance(asked.get("amount"), int | float):
        wanted["amount"] = asked["amount"]
    kind = asked.get("kind")
    todo = world.getbill.add(kind if isinstance(kind, str) and kind in TYPE_OF else "portal_dispute", **wanted)
    status = await world.getbill_tells(todo, _created(todo))
    reference = todo["debt"]["reference"]
    facts = {"id": todo["id"], "reference": reference, "webhook": status}
    return Done(f"{reference} is disputed; {_answered(status)}", facts)


async def question(world: StandIns, asked: Json) -> Done:
    """A partner writes in a case's chat: a task, and the chat's webhook, since Debitura has none for tasks."""
    text = asked["text"] if _word(asked, "text") else QUESTIONS["ReplyToChat"]
    task = world.debitura.partner_asks(text)
    status = await world.debitura_tells("chat.created", task["caseId"])
    facts = {"id": task["id"], "caseId": task["caseId"], "reference": task["caseReference"], "webhook": status}
    return Done(f"The partner asks about {task['caseReference']}; {_answered(status)}", facts)


async def burst(world: StandIns, asked: Json) -> Done:
    """Many disputes within moments; ``count`` of them."""
    count = str(asked.get("count", BURST))
    number = min(int(count), LARGEST_BURST) if count.isdecimal() and len(count) < 9 else BURST
    todos, gate = [world.getbill.add("portal_dispute") for _ in range(number)], asyncio.Semaphore(AT_ONCE)
    taken: list[bool] = []

    async def tell(todo: Json) -> None:
        async with gate:
            taken.append(200 <= await world.getbill_tells(todo) < 300)
            world.progress = f"{len(taken)} of {number} disputes are sent; Casebell took {sum(taken)}"

    world.progress = f"0 of {number} disputes are sent"
    try:
        await asyncio.gather(*map(tell, todos))
    finally:
        world.progress = ""
    return Done(f"{number} disputes at once; Casebell took {sum(taken)}", {"sent": number, "accepted": sum(taken)})


async def every_kind(world: StandIns, _asked: Json) -> Done:
    """One of each kind Getbill has, one task of each type Debitura has."""
    before = world.getbill.todos.keys() | world.debitura.tasks.keys()
    seed.fill(world.getbill, world.debitura)
    todos = [todo for key, todo in list(world.getbill.todos.items()) if key not in before]
    tasks = [task for key, task in list(world.debitura.tasks.items()) if key not in before]
    for todo in todos:
        await world.getbill_tells(todo, _created(todo))
    for task in tasks:
        if task["type"] in CHAT_TYPES:
            await world.debitura_tells("chat.created", task["caseId"])
    facts = {"todos": len(todos), "tasks": len(tasks)}
    return Done(f"{len(todos)} todos and {len(tasks)} tasks: one of each kind", facts)


async def unknown_task(world: StandIns, _asked: Json) -> Done:
    """A task of a type that is in no catalogue; nothing tells of it, the next poll finds it."""
    task = world.debitura.add_task(next(iter(LATER_TYPES)))
    return Done(f"A task of the new type {task['type']}; the next poll finds it", {"id": task["id"]})


async def decide(world: StandIns, asked: Json) -> Done:
    """A colleague decides in Getbill's own app: the newest open dispute is validated, or ``id`` gets ``status``."""
    status = asked.get("status") if asked.get("status") in DECISIONS else "validated"
    todo = world.getbill.todos.get(str(asked["id"])) if "id" in asked else newest_undecided(world)
    if todo is None:
        return Done("No dispute is open in Getbill", is_done=False)
    word = "status.default.settled" if todo["type"] == "agreement" else str(status)
    world.getbill.set_status(todo["id"], word, "Decided in Getbill by a colleague")
    answer = await world.getbill_tells(todo, "dispute.updated")
    reference = todo["debt"]["reference"]
    facts = {"id": todo["id"], "reference": reference, "status": status, "webhook": answer}
    return Done(f"A colleague {word.rpartition('.')[2]} {reference} in Getbill; {_answered(answer)}", facts)


async def solve(world: StandIns, asked: Json) -> Done:
    """Somebody solves a task in Debitura's portal: the newest open one, or the one with ``id``."""
    open_tasks = [task for task in list(world.debitura.tasks.values()) if task["status"] == "Open"]
    task = world.debitura.tasks.get(str(asked["id"])) if "id" in asked else next(reversed(open_tasks), None)
    if task is None or task["status"] != "Open":
        return Done("No task is open at Debitura", is_done=False)
    world.debitura.solve_in_portal(task["id"])
    facts = {"id": task["id"], "reference": task["caseReference"]}
    if not task["caseId"]:
        return Done(f"“{about(task['type']).label}” was solved in the portal; the next poll finds out", facts)
    status = await world.debitura_tells("case.updated", task["caseId"])
    label = f"“{about(task['type']).label}” on {task['caseReference']}"
    return Done(f"{label} was solved in the portal; {_answered(status)}", facts | {"webhook": status})


async def conflict(world: StandIns, _asked: Json) -> Done:
    """One receivable in both systems: the debtor disputes it in Getbill, the partner collects it all the same."""
    owed = claim(max(len(world.getbill.debts), len(world.debitura.cases)) + 1)
    case = world.debitura.add_case(claim=owed)
    todo = world.getbill.add("portal_dispute", claim=owed)
    answers = (await world.debitura_tells("case.created", case["id"]), await world.getbill_tells(todo, _created(todo)))
    facts = {"id": todo["id"], "caseId": case["id"], "case": case["reference"], "reference": owed.reference}
    told = _answered(max(answers))
    return Done(f"{owed.reference} is disputed in Getbill and pursued as case {case['reference']}; {told}", facts)


async def move(world: StandIns, asked: Json) -> Done:
    """The partner pauses (``to``: another of ``STAGES``) the case with ``id``, else the newest that is disputed."""
    to = str(asked["to"]) if asked.get("to") in STAGES else "Paused"
    case = world.debitura.cases.get(str(asked["id"])) if "id" in asked else _newest_disputed(world)
    if case is None:
        return Done("No active case is disputed in Getbill", is_done=False)
    world.debitura.move_case(case["id"], to)
    status = await world.debitura_tells("case.closed" if to == "Closed" else "case.updated", case["id"])
    facts = {"caseId": case["id"], "case": case["reference"], "lifecycle": to, "webhook": status}
    return Done(f"Case {case['reference']} is {to.lower()} now; {_answered(status)}", facts)


def _newest_disputed(world: StandIns) -> Json | None:
    disputed = {
        todo["debt"]["reference"]
        for todo in list(world.getbill.todos.values())
        if todo.get("sub_type") == "portal_dispute" and todo["status"] != "rejected"
    }
    active = [case for case in list(world.debitura.cases.values()) if case["lifecycle"] == "Active"]
    return next((case for case in reversed(active) if case["creditorReference"] in disputed), None)


def _switch(system: str, *, is_down: bool) -> Run:
    async def switch(world: StandIns, _asked: Json) -> Done:
        getattr(world, system).faults.down = is_down
        name = system.capitalize()
        return Done(f"{name} is down: its API answers 503" if is_down else f"{name} is back")

    return switch


def _pace(*, is_real: bool) -> Run:
    async def switch(world: StandIns, _asked: Json) -> Done:
        world.slack.limits.is_real = is_real
        return Done("Slack takes one post a second in a channel" if is_real else "Slack takes posts as they come")

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


def _created(todo: Json) -> str:
    return EVENT_OF.get(todo["type"], "dispute.created")


def _word(asked: Json, name: str) -> bool:
    return isinstance(asked.get(name), str) and bool(asked[name].strip())


def _answered(status: int) -> str:
    return f"Casebell answered {status}" if status else "Casebell did not answer"
