"""``kill -9`` at random moments under load: a restart needs no hand, and nothing acknowledged is lost."""

from pathlib import Path

from casebell_sandbox.limits import Window
from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import World, world

KILLS = times(3, 200)


def test_random_kills_under_load_lose_nothing_and_repeat_nothing_in_silence(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False, getbill_poll="1h") as here:
        _lift_limits(here)
        here.service.start()
        ledger = Ledger(here)
        with ledger.load():
            for _ in range(KILLS):
                ledger.wait_for_more()
                here.service.kill()
                here.service.start()

        told = ledger.settle()
        ledger.assert_no_silent_repeat(told)
    assert len(ledger.acknowledged) > KILLS
    repeated = [reference for reference, n in told.items() if n > 1]
    print(f"{KILLS} kills, {len(told)} acknowledged, {len(repeated)} told again, saying so")  # noqa: T201 - a figure


def _lift_limits(here: World) -> None:
    """A source's hourly budget is not what is tested here: every start reads its list."""
    here.getbill.access.reads = Window(1_000_000, 3600)
    text = here.service.config.read_text()
    here.service.config.write_text(text.replace("[[getbill]]", "[[getbill]]\nreads_per_hour = 1000000", 1))
