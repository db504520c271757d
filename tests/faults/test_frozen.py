"""A replica that is frozen for longer than its leases, and goes on afterwards as if nothing had been."""

import random
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, update

from receiver.store.schema import inbox, lease, outbox
from tests.faults.ledger import Ledger
from tests.faults.much import times
from tests.harness import World, eventually, world

FREEZES = times(2, 30)
SENDERS = 2
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_replica_frozen_past_its_leases_overwrites_nothing_and_repeats_nothing_in_silence(
    tmp_path: Path, postgres_url: str
) -> None:
    with world(tmp_path, replicas=3, getbill_poll="1h", database_url=postgres_url) as here:
        everybody = list(here.replicas)
        ledger, stop = Ledger(here), threading.Event()
        senders = [threading.Thread(target=ledger.send_until, args=(stop, 0.02)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        for n in range(FREEZES):
            time.sleep(random.uniform(0.1, 0.7))
            frozen = everybody[n % len(everybody)]
            frozen.signal(signal.SIGSTOP)
            here.replicas.remove(frozen)
            end_all_leases(here)
            n_told = len(ledger.acknowledged)
            eventually(lambda n_told=n_told: len(ledger.acknowledged) > n_told + 20, "the others to go on")  # type: ignore[misc]
            frozen.signal(signal.SIGCONT)
            here.replicas.append(frozen)
        stop.set()
        for sender in senders:
            sender.join()

        told = ledger.settle()

        repeated = {reference: n for reference, n in told.items() if n > 1}
        silent = [reference for reference, n in repeated.items() if ledger.says_it_repeats(reference) < n - 1]
        ended = [service for service in everybody if not service.is_running()]
    assert silent == [], "told twice without a word of it"
    assert ended == []
    print(f"{FREEZES} freezes, {len(told)} acknowledged, {len(repeated)} told again, saying so")  # noqa: T201 - a figure


def end_all_leases(here: World) -> None:
    """What three minutes would do to the frozen one; to the others it does more than can happen to them."""
    engine = create_engine(here.service.database_url)
    with engine.begin() as connection:
        for table in (inbox, outbox):
            connection.execute(update(table).where(table.c.lease_until.is_not(None)).values(lease_until=LONG_AGO))
        connection.execute(update(lease).values(until=LONG_AGO))
    engine.dispose()
