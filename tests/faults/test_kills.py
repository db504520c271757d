"""``kill -9`` at random moments under load: a restart needs no hand, and nothing acknowledged is lost."""

import random
import threading
import time
from pathlib import Path

from receiver.sandbox.limits import Window
from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import World, world

KILLS = times(4, 200)
SENDERS = times(4, 2)
LIVES_S = times(7, 15) / 10


def test_random_kills_under_load_lose_nothing_and_repeat_nothing_in_silence(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False, getbill_poll="1h") as here:
        _lift_limits(here)
        here.service.start()
        ledger, stop = Ledger(here), threading.Event()
        senders = [threading.Thread(target=ledger.send_until, args=(stop, times(2, 5) / 100)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        for _ in range(KILLS):
            time.sleep(random.uniform(0.02, LIVES_S))
            here.service.kill()
            here.service.start()
        stop.set()
        for sender in senders:
            sender.join()

        told = ledger.settle()

        repeated = {reference: n for reference, n in told.items() if n > 1}
        silent = [reference for reference, n in repeated.items() if ledger.says_it_repeats(reference) < n - 1]
    assert len(ledger.acknowledged) > KILLS
    assert silent == [], "told twice without a word of it"
    print(f"{KILLS} kills, {len(told)} acknowledged, {len(repeated)} told again, saying so")  # noqa: T201 - a figure


def _lift_limits(here: World) -> None:
    """A source's hourly budget is not what is tested here: every start reads its list."""
    here.getbill.access.reads = Window(1_000_000, 3600)
    text = here.service.config.read_text()
    here.service.config.write_text(text.replace("[[getbill]]", "[[getbill]]\nreads_per_hour = 1000000", 1))
