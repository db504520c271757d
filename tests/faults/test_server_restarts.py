"""A PostgreSQL that loses power again and again under load: whoever was told 2xx was told the truth."""

import random
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import eventually, world
from tests.postgres import NoPostgresError, Server, own_server

RESTARTS = times(2, 40)
SENDERS = 2


def test_a_server_that_loses_power_again_and_again_loses_nothing_acknowledged(tmp_path: Path) -> None:
    try:
        with own_server(fsync="on") as server:
            _suffer(tmp_path, server)
    except NoPostgresError as error:
        pytest.skip(str(error))


def _suffer(folder: Path, server: Server) -> None:
    with world(folder, replicas=2, getbill_poll="1h", database_url=server.url("postgres")) as here:
        ledger, stop = Ledger(here), threading.Event()
        senders = [threading.Thread(target=ledger.send_until, args=(stop, 0.02)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        for _ in range(RESTARTS):
            n = len(ledger.acknowledged)
            eventually(lambda n=n: len(ledger.acknowledged) > n + 10, "webhooks to be taken")  # type: ignore[misc]
            time.sleep(random.uniform(0.0, 0.5))
            server.stop(signal.SIGQUIT)
            time.sleep(random.uniform(0.0, 0.5))
            server.start(fsync="on")
        stop.set()
        for sender in senders:
            sender.join()

        told = ledger.settle()

        repeated = {reference: n for reference, n in told.items() if n > 1}
        silent = [reference for reference, n in repeated.items() if ledger.says_it_repeats(reference) < n - 1]
        ended = [service for service in here.replicas if not service.is_running()]
    assert silent == [], "told twice without a word of it"
    assert ended == []
    print(f"{RESTARTS} restarts, {len(told)} acknowledged, {len(repeated)} told again, saying so")  # noqa: T201 - a figure
