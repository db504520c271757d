"""Replicas killed at random under load: the others go on, nothing is lost, nothing is repeated in silence."""

import random
import threading
import time
from pathlib import Path

from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import world

KILLS = times(2, 60)
SENDERS = 4


def test_replicas_killed_under_load_lose_nothing_and_repeat_nothing_in_silence(
    tmp_path: Path, postgres_url: str
) -> None:
    with world(tmp_path, replicas=3, getbill_poll="1h", database_url=postgres_url) as here:
        ledger, stop = Ledger(here), threading.Event()
        senders = [threading.Thread(target=ledger.send_until, args=(stop, 0.02)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        for _ in range(KILLS):
            time.sleep(random.uniform(0.02, 0.7))
            service = random.choice(here.replicas)
            service.kill()
            service.start()
        stop.set()
        for sender in senders:
            sender.join()

        told = ledger.settle()

        repeated = {reference: n for reference, n in told.items() if n > 1}
        silent = [reference for reference, n in repeated.items() if ledger.says_it_repeats(reference) < n - 1]
    assert len(ledger.acknowledged) > KILLS
    assert silent == [], "told twice without a word of it"
    print(f"{KILLS} kills, {len(told)} acknowledged, {len(repeated)} told again, saying so")  # noqa: T201 - a figure
