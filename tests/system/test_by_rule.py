"""A rule of [[automations]] over the real process: it validates, is undone by the button, stops and dies."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from casebell_sandbox.slack_payloads import elements
from tests.harness import World, eventually, world

RULE = """
[[automations]]
name    = "confident"
match   = { kind = ["ai_dispute"], min_confidence = 90 }
verb    = "validate"
note    = "AI confidence {ai_confidence} %"
dry_run = false
at_most = 2
"""


@contextmanager
def ruled(folder: Path, rule: str = RULE) -> Iterator[World]:
    with world(folder, is_started=False, getbill_poll="1h", debitura_poll="1h") as here:
        here.service.config.write_text(here.service.config.read_text() + rule)
        here.service.start()
        yield here


def detected(here: World, reference: str, confidence: int = 95) -> dict[str, Any]:
    """Getbill's AI finds a dispute, and Getbill tells."""
    todo = here.getbill.add("ai_dispute", reference=reference, ai_confidence=confidence)
    with suppress(httpx.TransportError):  # killed before it could answer
        here.getbill_event(here.getbill.event(todo, event_id=reference))
    return todo


def message_of(here: World, reference: str) -> Any:
    def look() -> Any:
        return next((post for post in here.posts("C0DISPUTES") if reference in str(post.blocks)), None)

    return eventually(look, f"a message about {reference}")


def buttons(message: Any) -> list[str]:
    return [str(element["action_id"]) for _, element in elements(message.blocks) if not element.get("url")]


def states(here: World) -> dict[str, str]:
    return {item["snapshot"]["reference"]: item["state"] for item in here.service.items()}


def writes(here: World) -> int:
    return len([call for call in here.getbill.faults.calls if call.method == "PUT"])


def test_a_confident_dispute_is_validated_told_once_undone_by_the_button_and_left_alone(tmp_path: Path) -> None:
    with ruled(tmp_path) as here:
        todo = detected(here, "INV-RULE")
        unsure = detected(here, "INV-UNSURE", confidence=60)
        message = message_of(here, "INV-RULE")
        eventually(lambda: "Validated automatically by rule confident" in str(message.blocks), "who did it")
        assert here.getbill.todos[todo["id"]]["status"] == "validated"
        assert "AI confidence 95 % (" in here.getbill.todos[todo["id"]]["admin_notes"]
        assert "undo" in buttons(message)

        asyncio.run(here.slack.click(message.channel, message.ts, "undo", user="U0ANNA"))
        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "suggested", "Getbill to take it back")
        eventually(lambda: "validate" in buttons(message), "the item to be open again")
        here.getbill_event(here.getbill.event(todo, event_id="again"))
        here.service.kill()
        here.service.start()
        told = here.service.command("item", f"getbill:main:ai_detection:{todo['id']}").stdout
        last = detected(here, "INV-LAST", confidence=60)
        message_of(here, "INV-LAST")

        assert (states(here)["INV-RULE"], writes(here)) == ("open", 2)
        assert [here.getbill.todos[one["id"]]["status"] for one in (unsure, last)] == ["suggested"] * 2
        assert len([post for post in here.posts("C0DISPUTES") if "INV-RULE" in str(post.blocks)]) == 1
        assert "automation:confident" in told


def test_a_rule_stops_at_its_share_and_the_admins_get_one_mail(tmp_path: Path) -> None:
    with ruled(tmp_path) as here:
        todos = [detected(here, f"INV-MANY-{n}") for n in range(4)]
        messages = [message_of(here, f"INV-MANY-{n}") for n in range(4)]

        def done() -> bool:
            return [here.getbill.todos[todo["id"]]["status"] for todo in todos].count("validated") == 2

        def mails() -> list[Any]:
            return [m for m in here.mail.messages if "Automation (confident) has stopped" in str(m.message["subject"])]

        eventually(done, "the share of an hour")
        eventually(mails, "a mail to the admins")
        eventually(lambda: ["validate" in buttons(m) for m in messages].count(True) == 2, "two for people")

        assert (len(mails()), writes(here)) == (1, 2)


def test_a_dry_run_says_so_and_changes_nothing(tmp_path: Path) -> None:
    with ruled(tmp_path, RULE.replace("dry_run = false", "dry_run = true")) as here:
        todo = detected(here, "INV-DRY")
        message = message_of(here, "INV-DRY")
        eventually(lambda: "Dry run: rule confident would have validated this" in str(message.blocks), "the dry run")
        shown = here.service.command("item", f"getbill:main:ai_detection:{todo['id']}").stdout

        assert "dry run, would validate: AI confidence 95 %" in " ".join(shown.split())
        assert (states(here)["INV-DRY"], writes(here), "validate" in buttons(message)) == ("open", 0, True)


DEATHS = [
    ("before", "automations.apply_with_automations"),
    ("after", "automations.apply_with_automations"),
    ("before", "commands._finish"),  # Getbill has done it, the row does not know
]


@pytest.mark.parametrize(("when", "work"), DEATHS, ids=[f"{when} {work}" for when, work in DEATHS])
def test_a_kill_around_a_decision_of_a_rule_loses_and_doubles_nothing(tmp_path: Path, when: str, work: str) -> None:
    with ruled(tmp_path) as here:
        here.service.stop()
        here.service.start_deadly(when, work)
        todo = detected(here, "INV-KILL")
        eventually(lambda: not here.service.is_running(), "the service to die at the named point")

        here.service.start()
        here.getbill_event(here.getbill.event(todo, event_id="INV-KILL"))  # as a sender without an answer would

        eventually(lambda: states(here).get("INV-KILL") == "resolved", "the rule's decision")
        assert (here.getbill.todos[todo["id"]]["status"], writes(here)) == ("validated", 1)
