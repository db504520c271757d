"""A stand-in for Debitura: tasks, cases and chats in memory, its Customer API, its webhooks.

It behaves as docs/vendors/debitura.md describes. Another thread may call it: every change is one operation on a dict or
list.
"""

import base64
import hmac
import itertools
import json
from dataclasses import fields, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from casebell_sandbox import debitura_cases as shapes
from casebell_sandbox.debitura_api import DebituraApi
from casebell_sandbox.faults import Clock, Faults, Json, utc_now
from casebell_sandbox.invented import Claim, claim
from casebell_sandbox.limits import Window

CLAIM_FIELDS = {field.name for field in fields(Claim)}
# Of the documented test vector: docs/vendors/debitura.md#webhooks
SECRET = "dGhpc2lzYWJhc2U2NGVuY29kZWRzZWNyZXQ="  # noqa: S105 - public on purpose, from the vendor's page


class DebituraStand:
    """One creditor account; ``faults`` injects errors.

    solve_after_s: seconds after a reply in which the chat tasks of its case are solved; infinite: never.
    has_templates: whether every new ``action.path`` is a template; None: alternately.
    """

    def __init__(
        self,
        api_key: str = "debitura-key",
        secret: str = SECRET,
        solve_after_s: float = 3.0,
        per_minute: int = 2_000,
        per_hour: int = 20_000,
        per_day: int = 100_000,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self.api_key = api_key
        self.secret = secret
        self.solve_after_s = solve_after_s
        self.has_templates: bool | None = None
        self.cases: dict[str, Json] = {}
        self.chats: dict[str, list[Json]] = {}
        self.users = shapes.new_team()
        self.profile = shapes.new_profile()
        self.webhooks = [shapes.new_subscription(clock())]
        self.windows = [
            Window(per_minute, 60),
            *(Window(*day, is_fixed=True) for day in ((per_hour, 3600), (per_day, 86400))),
        ]
        self._tasks: dict[str, Json] = {}
        self._solved_at: dict[str, float] = {}
        self._clock = clock
        self._count = itertools.count(1)
        self.faults = Faults("/chats")
        self.app = DebituraApi(self, clock).app

    @property
    def tasks(self) -> dict[str, Json]:
        """Every task by id. Tasks whose reply is older than ``solve_after_s`` are solved first."""
        now = self._clock()
        for task_id, at in list(self._solved_at.items()):
            if at <= now.timestamp():
                self._solved_at.pop(task_id, None)
                self.solve(task_id)
        return self._tasks

    def add_task(
        self,
        type: str,  # noqa: A002 - the word of Debitura's task
        question: str | None = None,
        *,
        claim: Claim | None = None,
        case: Json | None = None,
        **overrides: Any,
    ) -> Json:
        """Add an open task; returns the stored record, which may be changed.

        It gets a new case, unless ``caseId`` is given or the type concerns the account. The case of a chat task gets
        ``question`` (or an invented one) from the partner. ``case`` replaces fields of the new case, ``overrides``
        those of the task or of the claim (``reference``, ``amount``, ``currency``).
        """
        now, about = self._clock(), shapes.about(type)
        found = None
        if "caseId" in overrides:
            found = self.cases.get(overrides["caseId"])
        elif about.has_case:
            found = self._new_case(claim, overrides, about.lifecycle, now) | (case or {})
            self.cases[found["id"]] = found
        if found is not None and type in shapes.CHAT_TYPES:
            self._add_chat(found["id"], 0, question or shapes.QUESTIONS[type], shapes.PARTNER)
        n = next(self._count)
        has_template = n % 2 == 0 if self.has_templates is None else self.has_templates
        task = shapes.new_task(type, found, now, has_template=has_template)
        task |= {key: value for key, value in overrides.items() if key not in CLAIM_FIELDS}
        self._tasks[task["id"]] = task
        return task

    def add_case(self, *, claim: Claim | None = None, lifecycle: str = "Active", **changes: Any) -> Json:
        """Add a case without a task. ``changes`` replace its fields."""
        found = self._new_case(claim, {}, lifecycle, self._clock()) | changes
        self.cases[found["id"]] = found
        return found

    def move_case(self, case_id: str, lifecycle: str, close_code: str = "Paid") -> Json:
        """The partner continues, pauses or closes a case, the last with ``close_code``."""
        now, is_closed = shapes.naive(self._clock()), lifecycle == "Closed"
        ended: Json = {"closeCode": close_code, "dateFinished": now} if is_closed else {"closeCode": None}
        if is_closed and close_code == "Paid":
            ended["remainder"] = 0.0
        self.cases[case_id].update(lifecycle=lifecycle, dateUpdated=now, **ended)
        return self.cases[case_id]

    def add_partner_question(self, text: str, case_id: str | None = None) -> Json:
        """The partner writes in a case's chat (by default a new case's); returns the ReplyToChat task for it."""
        if case_id is None:
            return self.add_task("ReplyToChat", text)
        return self.add_task("ReplyToChat", text, caseId=case_id)

    def reply(self, case_id: str, message: str, user: Json) -> Json:
        """The creditor writes in a case's chat; its open chat tasks are solved ``solve_after_s`` later."""
        for task in list(self.tasks.values()):
            if task["caseId"] == case_id and task["type"] in shapes.CHAT_TYPES and task["status"] == "Open":
                self._solved_at.setdefault(task["id"], self._clock().timestamp() + self.solve_after_s)
        return self._add_chat(case_id, 1, message, shapes.author_of(user, self.users.index(user)))

    def solve(self, task_id: str) -> Json:
        """Solve the task: its condition has cleared."""
        task = self._tasks[task_id]
        now = shapes.naive(self._clock())
        task.update(status="Solved", dateSolved=now)
        case = self.cases.get(task["caseId"] or "")
        if case is not None and case["lifecycle"] != "Closed":
            case.update(lifecycle="Active", dateUpdated=now)
        return task

    def solve_in_portal(self, task_id: str) -> Json:
        """A person solves the task in Debitura's portal; a chat task by an answer there."""
        task = self._tasks[task_id]
        if task["caseId"] and task["type"] in shapes.CHAT_TYPES:
            self._add_chat(task["caseId"], 1, "Answered in the portal.", shapes.author_of(self.users[0], 0))
        return self.solve(task_id)

    def event(self, name: str, case_id: str, **data: Any) -> bytes:
        """The body of a webhook; ``data`` is added to its data."""
        about = {"caseId": case_id, "reference": self.cases.get(case_id, {}).get("reference")}
        if name == "case.updated":
            about |= {"oldLifecycle": "Active", "newLifecycle": self.cases.get(case_id, {}).get("lifecycle")}
        body = {
            "id": str(uuid4()),
            "specVersion": "1.0",
            "event": name,
            "timestamp": f"{shapes.naive(self._clock())}Z",
            "data": about | data,
            "links": {"self": f"https://customer-api.debitura.com/cases/{case_id}"},
        }
        return json.dumps(body, ensure_ascii=False).encode()

    def sign(self, body: bytes, now: datetime | None = None) -> dict[str, str]:
        """The headers that Debitura sends with ``body``, signed at ``now``. Any body can be signed."""
        event = json.loads(body) if body.startswith(b'{"') and body.endswith(b"}") else {}
        t = int((now or self._clock()).timestamp())
        v1 = hmac.new(base64.b64decode(self.secret), f"{t}.".encode() + body, "sha256").hexdigest()
        return {
            "Content-Type": "application/json",
            "X-Debitura-Signature": f"t={t},v1={v1}",
            "X-Debitura-Timestamp": str(t),
            "X-Debitura-Event": str(event.get("event", "")),
        }

    def _new_case(self, given: Claim | None, overrides: Json, lifecycle: str, now: datetime) -> Json:
        n = len(self.cases) + 1
        taken = {case["creditorReference"] for case in list(self.cases.values())}
        unused = (claim(later) for later in itertools.count(n) if claim(later).reference not in taken)
        owed = replace(given or next(unused), **{key: overrides[key] for key in CLAIM_FIELDS & overrides.keys()})
        return shapes.new_case(owed, f"Q8OA{n:04d}", lifecycle, now)

    def _add_chat(self, case_id: str, role: int, message: str, author: Json) -> Json:
        chat = shapes.new_chat(role, message, author, self._clock())
        self.chats.setdefault(case_id, []).append(chat)
        return chat
