"""A PostgreSQL that loses power again and again under load: whoever was told 2xx was told the truth."""

import signal
from pathlib import Path

import pytest

from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import eventually, world
from tests.postgres import NoPostgresError, Server, own_server

RESTARTS = times(2, 40)


def test_a_server_that_loses_power_again_and_again_loses_nothing_acknowledged(tmp_path: Path) -> None:
    try:
        with own_server(fsync="on") as server:
            _suffer(tmp_path, server)
    except NoPostgresError as error:
        pytest.skip(str(error))


def _suffer(folder: Path, server: Server) -> None:
    with world(folder, replicas=2, getbill_poll="1h", database_url=server.url("postgres")) as here:
        ledger = Ledger(here)
        with ledger.load():
            for _ in range(RESTARTS):
                ledger.wait_for_more(least=4, most=12)
                server.stop(signal.SIGQUIT)
                before = ledger.refused
                eventually(lambda before=before: ledger.refused > before, "webhooks to be refused")  # type: ignore[misc]
                server.start(fsync="on")

        told = ledger.settle()
        ledger.assert_no_silent_repeat(told)
        ended = [service for service in here.replicas if not service.is_running()]
    assert ended == []
    repeated = [reference for reference, n in told.items() if n > 1]
    print(f"{RESTARTS} restarts, {len(told)} acknowledged, {len(repeated)} told again, saying so")  # noqa: T201 - a figure
