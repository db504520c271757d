"""A replica that is frozen for longer than its leases, and goes on afterwards as if nothing had been."""

import signal
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, update

from receiver.store.schema import event, lease, outbox
from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import World, world

FREEZES = times(2, 30)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_replica_frozen_past_its_leases_overwrites_nothing_and_repeats_nothing_in_silence(
    tmp_path: Path, postgres_url: str
) -> None:
    with world(tmp_path, replicas=3, getbill_poll="1h", database_url=postgres_url) as here:
        everybody = list(here.replicas)
        ledger = Ledger(here)
        with ledger.load():
            for n in range(FREEZES):
                ledger.wait_for_more()
                frozen = everybody[n % len(everybody)]
                frozen.signal(signal.SIGSTOP)
                here.replicas.remove(frozen)
                end_all_leases(here)
                ledger.wait_for_more(least=10, most=10)
                frozen.signal(signal.SIGCONT)
                here.replicas.append(frozen)

        told = ledger.settle()
        ledger.assert_no_silent_repeat(told)
        ended = [service for service in everybody if not service.is_running()]
    assert ended == []
    repeated = [reference for reference, n in told.items() if n > 1]
    print(f"{FREEZES} freezes, {len(told)} acknowledged, {len(repeated)} told again, saying so")  # noqa: T201 - a figure


def end_all_leases(here: World) -> None:
    """What three minutes would do to the frozen one; to the others it does more than can happen to them."""
    engine = create_engine(here.service.database_url)
    with engine.begin() as connection:
        for table in (event, outbox):
            connection.execute(update(table).where(table.c.lease_until.is_not(None)).values(lease_until=LONG_AGO))
        connection.execute(update(lease).values(until=LONG_AGO))
    engine.dispose()
