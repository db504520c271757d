"""``casebell audit``: every press, whose, through what, and what came of it at the source."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness import World, eventually, world
from tests.system.test_main_job import posted
from tests.system.test_verbs import press


def lines(here: World, *options: str) -> list[dict[str, Any]]:
    told = here.service.command("audit", "--format", "jsonl", *options)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.fixture
def here(tmp_path: Path) -> Any:
    with world(tmp_path, getbill_poll="1h", debitura_poll="1h") as made:
        yield made


def test_the_audit_tells_who_did_what_through_what_and_what_the_source_answered(here: World) -> None:
    todo = here.dispute(reference="INV-AUDIT-1")
    message = posted(here, "C0DISPUTES", "INV-AUDIT-1")
    press(here, message, "claim")
    eventually(lambda: len(lines(here)) == 1, "the claim to be taken")
    here.getbill.set_status(todo["id"], "rejected")
    key = lines(here)[0]["key"]
    late = here.service.command("act", key, "validate", "--note", "=HYPERLINK(1)")
    eventually(lambda: [row for row in lines(here) if row["outcome"] == "failed"], "Getbill's refusal")

    claimed, failed = lines(here)
    table = list(csv.DictReader(io.StringIO(here.service.command("audit").stdout)))

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
    eventually(lambda: lines(here), "the claim to be taken")

    assert lines(here, "--since", "2099-01-01") == []
    assert len(lines(here, "--since", "1h")) == 1


def test_a_stranger_s_press_is_in_the_audit_too(here: World) -> None:
    here.dispute(reference="INV-AUDIT-3")
    message = posted(here, "C0DISPUTES", "INV-AUDIT-3")
    press(here, message, "claim", "U0GUEST")

    (row,) = eventually(lambda: lines(here), "the refusal")

    assert (row["outcome"], row["answer"]) == ("refused", "not_allowed")
    assert row["who"] == "Gil Guest"
