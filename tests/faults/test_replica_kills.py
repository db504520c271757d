"""Replicas killed at random under load: the others go on, nothing is lost, nothing is repeated in silence."""

import random
from pathlib import Path

from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import world

KILLS = times(2, 60)


def test_replicas_killed_under_load_lose_nothing_and_repeat_nothing_in_silence(
    tmp_path: Path, postgres_url: str
) -> None:
    with world(tmp_path, replicas=3, getbill_poll="1h", database_url=postgres_url) as here:
        ledger = Ledger(here)
        with ledger.load():
            for _ in range(KILLS):
                ledger.wait_for_more()
                service = random.choice(here.replicas)
                service.kill()
                service.start()

        told = ledger.settle()
        ledger.assert_no_silent_repeat(told)
    assert len(ledger.acknowledged) > KILLS
    repeated = [reference for reference, n in told.items() if n > 1]
    print(f"{KILLS} kills, {len(told)} acknowledged, {len(repeated)} told again, saying so")  # noqa: T201 - a figure
