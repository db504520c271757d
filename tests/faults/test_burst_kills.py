"""A storm with replicas that are killed in its midst: one bucket for all, and every alert is told."""

import re
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select

from receiver.store.schema import alert_group
from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import World, eventually, world

ALERTS = times(24, 400)
OVER = 5


@pytest.mark.parametrize(("kind", "replicas", "kills"), [("sqlite", 1, times(2, 6)), ("postgresql", 2, times(0, 12))])
def test_a_storm_loses_nothing_to_kills_and_rings_no_more_often_for_replicas(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, replicas: int, kills: int
) -> None:
    chosen = {"database_url": request.getfixturevalue("postgres_url")} if kind == "postgresql" else {}
    with world(tmp_path, is_started=False, replicas=replicas, getbill_poll="1h", **chosen) as here:
        _limit(here)
        for service in here.replicas:
            service.start()
        ledger = Ledger(here, prefix="INV-STORM")
        sender = threading.Thread(target=_send_all, args=(ledger,))
        sender.start()
        for n in range(kills):
            already = n * (ALERTS - 10) // kills
            eventually(lambda already=already: len(ledger.acknowledged) > already, "alerts")  # type: ignore[misc]
            service = here.replicas[n % replicas]
            service.kill()
            service.start()
        sender.join()

        ledger.settle()

        storms = _storms(here.service.database_url)
        posts = [(post, f"{post.text} {post.blocks}") for post in here.posts("C0DISPUTES")]
    about = [words for post, words in posts if "at once" in post.text]
    each = {
        name: [words for post, words in posts if "at once" not in post.text and re.search(rf"{name}\b", words)]
        for name in ledger.acknowledged.values()
    }
    alone = {name for post, words in posts if post.thread_ts is None for name, told in each.items() if words in told}
    assert len(each) >= ALERTS
    assert [name for name, told in each.items() if not told] == []
    assert [name for name, told in each.items() if sum("may appear twice" in one for one in told) < len(told) - 1] == []
    assert len(alone) <= OVER
    assert len(about) >= storms >= 1  # a machine that is slow for a while calms one, and another follows
    assert sum("may appear twice" in words for words in about) >= len(about) - storms


def _storms(database_url: str) -> int:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = connection.execute(select(func.count()).select_from(alert_group)).scalar_one()
    engine.dispose()
    return found


def _limit(here: World) -> None:
    text = here.service.config.read_text()
    burst = f'burst    = {{ over = {OVER}, within = "1h" }}\n'
    here.service.config.write_text(text.replace('name     = "disputes"\n', f'name     = "disputes"\n{burst}'))


def _send_all(ledger: Ledger) -> None:
    """What is not acknowledged is sent again, as senders do."""
    for _ in range(ALERTS):
        event = ledger._new()
        while not ledger._tell(*event):
            threading.Event().wait(0.02)
