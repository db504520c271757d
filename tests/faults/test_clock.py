"""A service whose clock is two hours off, and is put right: nothing is lost, and nothing waits for the wrong time."""

from pathlib import Path

import pytest

from tests.broken.preload import preloading
from tests.faults.ledger import Ledger
from tests.harness import World, eventually, world
from tests.person import buttons, posted

TWO_HOURS_S = 7200


@pytest.mark.parametrize("off_s", [TWO_HOURS_S, -TWO_HOURS_S], ids=["ahead", "behind"])
def test_what_came_under_a_wrong_clock_is_told_under_the_right_one(tmp_path: Path, off_s: int) -> None:
    with world(tmp_path, is_started=False) as here:
        here.service.environment = preloading(tmp_path, CLOCK_OFF_S=str(off_s))
        here.service.start()
        ledger = Ledger(here, prefix="INV-CLOCK")
        todo = here.dispute(reference="INV-CLOCK-0")
        message = posted(here, "C0DISPUTES", "INV-CLOCK-0")
        for _ in range(3):
            ledger.send()
        _killed_with_leases_held(here)

        here.service.environment = {}
        here.service.start()
        assert ledger.send()
        here.getbill.set_status(todo["id"], "validated")

        ledger.settle()
        posted(here, "C0DISPUTES", "INV-CLOCK-K")
        eventually(lambda: not buttons(message), "what the source says now to count")


def _killed_with_leases_held(here: World) -> None:
    here.service.stop()
    here.service.start_deadly("after", "claim_policy.claim_batch")
    here.send_until_dead(here.getbill.event(here.getbill.add("portal_dispute", reference="INV-CLOCK-K")))
