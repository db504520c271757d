"""A version and the next one side by side on one PostgreSQL, as during every rolling upgrade, and the way back."""

import threading
from pathlib import Path

from tests.faults.ledger import Ledger
from tests.harness import eventually, world
from tests.newer.migrations import newer_migrations
from tests.person import buttons, posted, press
from tests.postgres import fresh_database


def test_a_version_goes_on_beside_the_next_one_and_can_come_back(tmp_path: Path, postgres: str) -> None:
    later = str(newer_migrations(tmp_path / "later"))
    with (
        fresh_database(postgres, is_migrated=False) as url,
        world(tmp_path, is_started=False, replicas=2, database_url=url) as here,
    ):
        old, new = here.replicas
        here.replicas.remove(new)
        old.start()
        todo = here.dispute(reference="INV-BEFORE")
        message = posted(here, "C0DISPUTES", "INV-BEFORE")
        ledger, stop = Ledger(here), threading.Event()
        sender = threading.Thread(target=ledger.send_until, args=(stop, 0.05))
        sender.start()

        new.start(later, module="tests.newer")
        here.replicas.append(new)
        assert "lease.acquired" in old.log.read_text()
        n = len(ledger.acknowledged)
        eventually(lambda: len(ledger.acknowledged) > n + 10, "the version before to go on taking events")
        stop.set()
        sender.join()
        assert press(here, message, "validate") == 200
        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "either to ask Getbill")
        eventually(lambda: not buttons(message), "either to show it")
        assert old.stop() == 0
        old.start()
        assert new.stop() == 0
        here.replicas.remove(new)
        again = Ledger(here, prefix="INV-BACK")
        assert all(again.send() for _ in range(5))
        told = {**again.settle(), **ledger.settle()}

    assert "store.schema.newer" in old.log.read_text()
    assert set(told.values()) == {1}
