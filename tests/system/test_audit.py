"""``casebell audit``: every press, whose, through what, and what came of it at the source."""

import csv
import io
import json
from typing import Any

import pytest

from tests.harness import World, eventually
from tests.person import LOOKS_AGAIN_S, posted, press


def lines(here: World, reference: str, *options: str) -> list[dict[str, Any]]:
    told = here.service.command("audit", "--format", "jsonl", *options)
    assert told.returncode == 0, told.stderr
    return [row for row in map(json.loads, told.stdout.splitlines()) if row["reference"] == reference]


@pytest.fixture(scope="session")
def here(quiet: World) -> World:
    return quiet


def test_the_audit_tells_who_did_what_through_what_and_what_the_source_answered(here: World) -> None:
    todo = here.dispute(reference="INV-AUDIT-1")
    message = posted(here, "C0DISPUTES", "INV-AUDIT-1")
    press(here, message, "claim")
    eventually(lambda: len(lines(here, "INV-AUDIT-1")) == 1, "the claim to be taken", every_s=LOOKS_AGAIN_S)
    here.getbill.set_status(todo["id"], "rejected")
    key = lines(here, "INV-AUDIT-1")[0]["key"]
    late = here.service.command("act", key, "validate", "--note", "=HYPERLINK(1)")
    eventually(
        lambda: [row for row in lines(here, "INV-AUDIT-1") if row["outcome"] == "failed"],
        "Getbill's refusal",
        every_s=LOOKS_AGAIN_S,
    )

    claimed, failed = lines(here, "INV-AUDIT-1")
    table = [
        row
        for row in csv.DictReader(io.StringIO(here.service.command("audit").stdout))
        if row["reference"] == "INV-AUDIT-1"
    ]

    assert late.returncode in {0, 1}
    assert (claimed["verb"], claimed["via"], claimed["outcome"], claimed["answer"]) == ("claim", "slack", "done", None)
    assert claimed["slack_id"]
    assert (failed["verb"], failed["via"], failed["key"], failed["reference"]) == (
        "validate",
        "cli",
        key,
        "INV-AUDIT-1",
    )
    assert "rejected" in failed["answer"]
    assert [row["verb"] for row in table] == ["claim", "validate"]
    assert table[1]["note"] == "'=HYPERLINK(1)"  # no formula for whoever opens it in a spreadsheet


def test_the_audit_begins_where_it_is_asked_to(here: World) -> None:
    here.dispute(reference="INV-AUDIT-2")
    message = posted(here, "C0DISPUTES", "INV-AUDIT-2")
    press(here, message, "claim")
    eventually(lambda: lines(here, "INV-AUDIT-2"), "the claim to be taken", every_s=LOOKS_AGAIN_S)

    assert lines(here, "INV-AUDIT-2", "--since", "2099-01-01") == []
    assert len(lines(here, "INV-AUDIT-2", "--since", "1h")) == 1


def test_a_stranger_s_press_is_in_the_audit_too(here: World) -> None:
    here.dispute(reference="INV-AUDIT-3")
    message = posted(here, "C0DISPUTES", "INV-AUDIT-3")
    press(here, message, "claim", "U0GUEST")

    (row,) = eventually(lambda: lines(here, "INV-AUDIT-3"), "the refusal", every_s=LOOKS_AGAIN_S)

    assert (row["outcome"], row["answer"]) == ("refused", "not_allowed")
    assert row["who"] == "Gil Guest"
