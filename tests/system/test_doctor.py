"""``casebell doctor`` says what keeps alerts from where they belong, and what helps."""

import json
from pathlib import Path
from typing import Any

from tests.harness import World, eventually, world
from tests.person import LOOKS_AGAIN_S


def rows(here: World) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(here.service.command("doctor", "--json").stdout)}


def test_the_doctor_names_the_cure_for_a_dead_channel_and_sees_the_way_of_the_buttons(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        well = rows(here)
        here.slack.channels["C0DISPUTES"]["is_archived"] = True
        here.dispute(reference="INV-ILL")
        eventually(lambda: "slack:C0DISPUTES" in rows(here), "a red row", every_s=LOOKS_AGAIN_S)
        ill = rows(here)
        asked = here.service.post("/slack/interactions", b"ssl_check=1", {})

    assert well["slack interactions"]["is_well"]
    assert "slack:C0DISPUTES" not in well
    assert (ill["slack:C0DISPUTES"]["is_well"], "is_archived" in ill["slack:C0DISPUTES"]["detail"]) == (False, True)
    assert "Unarchive the channel" in ill["slack:C0DISPUTES"]["cure"]
    assert "casebell retry" in ill["deliveries slack"]["cure"]
    assert asked.status_code == 401  # unsigned
