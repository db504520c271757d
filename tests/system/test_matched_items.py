"""What neither vendor can see: one receivable in both systems, told where it is decided, and the two in conflict."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casebell_sandbox.invented import claim
from casebell_sandbox.slack_payloads import elements
from tests.harness import World, eventually, world

PHRASES = {"disputed": "disputed at Getbill, pursued by Debitura", "paid": "paid at Getbill, open at Debitura"}


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, getbill_poll="1s") as made:
        yield made


def posts_with(joined: World, words: str) -> list[Any]:
    return [
        post for channel in ("C0DISPUTES", "C0TASKS") for post in joined.posts(channel) if words in str(post.blocks)
    ]


def the_conflict(joined: World) -> dict[str, Any] | None:
    found = [item for item in joined.service.items() if item["snapshot"]["kind"] == "conflict"]
    assert len(found) <= 1, found
    return found[0] if found else None


def in_both(joined: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """A dispute in Getbill and an active case without a task, about the same claim."""
    owed = claim(41)
    case = joined.debitura.add_case(claim=owed)
    todo = joined.getbill.add("portal_dispute", claim=owed)
    joined.getbill_event(joined.getbill.event(todo))
    return todo, case


def urls_of(post: Any) -> list[str]:
    return [element["url"] for _, element in elements(post.blocks) if element.get("url")]


def test_a_dispute_shows_the_case_it_is_collected_in_and_the_conflict_between_them_opens_once(joined: World) -> None:
    _, case = in_both(joined)
    words = f"Also at Debitura: Case {case['reference']}, Active, partner Inkasso Nord AB"

    (dispute,) = eventually(lambda: posts_with(joined, words), "the dispute to show its twin")
    (conflict,) = eventually(lambda: posts_with(joined, PHRASES["disputed"]), "the conflict to ring")

    assert "This alert closes by itself once the two agree." in str(conflict.blocks)
    assert [f"case={case['id']}" in url for url in urls_of(conflict)] == [False, True]
    assert dispute is not conflict
    assert eventually(lambda: [m for m in joined.mail.messages if "Conflict" in str(m.message["subject"])], "a mail")


def test_a_conflict_closes_when_the_other_side_agrees_and_opens_again_when_it_does_not(joined: World) -> None:
    _, case = in_both(joined)
    (conflict,) = eventually(lambda: posts_with(joined, PHRASES["disputed"]), "the conflict to ring")

    joined.debitura.move_case(case["id"], "Paused")
    eventually(lambda: "agree again" in str(conflict.blocks), "the conflict to close")
    eventually(lambda: (the_conflict(joined) or {}).get("state") == "resolved", "the ledger to know")
    joined.debitura.move_case(case["id"], "Active")

    eventually(lambda: PHRASES["disputed"] in str(conflict.blocks), "the conflict to open again")
    assert len(posts_with(joined, PHRASES["disputed"])) == 1


def test_a_conflict_is_claimed_like_everything_else_and_survives_a_kill(joined: World) -> None:
    in_both(joined)
    found = eventually(lambda: the_conflict(joined), "the conflict")
    assert found is not None

    claimed = joined.service.command("act", found["snapshot"]["key"], "claim")
    joined.service.kill()
    joined.service.start()

    assert claimed.returncode == 0, claimed.stdout + claimed.stderr
    eventually(lambda: posts_with(joined, "Claimed by"), "the claim to show")
    assert (the_conflict(joined) or {}).get("state") == "open"
    assert len(posts_with(joined, PHRASES["disputed"])) == 1


def test_while_a_side_is_down_nothing_opens_and_nothing_closes(joined: World) -> None:
    todo, _ = in_both(joined)
    eventually(lambda: the_conflict(joined), "the conflict")

    joined.debitura.faults.down = True
    joined.getbill.set_status(todo["id"], "rejected")
    item = f"getbill:main:debtor_request:{todo['id']}"
    eventually(
        lambda: {i["snapshot"]["key"]: i["state"] for i in joined.service.items()}[item] == "resolved", "the decision"
    )
    during = the_conflict(joined)
    joined.debitura.faults.down = False

    assert during is not None
    assert during["state"] == "open"
    eventually(lambda: (the_conflict(joined) or {}).get("state") == "resolved", "the conflict to close")
