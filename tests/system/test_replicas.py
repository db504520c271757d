"""Several real services on one PostgreSQL: any of them takes anything, each thing is told once, one may die."""

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.ledger import Ledger
from tests.harness import Service, World, eventually, world
from tests.person import buttons, posted, press, words
from tests.postgres import NoPostgresError, fresh_database, own_server

TAKES_OVER_WITHIN_S = 60.0  # 25 s of waiting for the lease, and a machine that has other things to do


@pytest.fixture(scope="module")
def here(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("replicas")
    with fresh_database(postgres, is_migrated=False) as url, world(folder, replicas=3, database_url=url) as made:
        yield made


def send(service: Service, here: World, event: bytes) -> int:
    return service.post("/webhooks/getbill/main", event, here.getbill.sign(event)).status_code


def test_a_burst_sent_to_every_replica_is_told_once(here: World) -> None:
    todos = [here.getbill.add("portal_dispute", reference=f"INV-BURST-{n:02}") for n in range(40)]
    events = [here.getbill.event(todo, event_id=f"burst-{n}") for n, todo in enumerate(todos)]

    with ThreadPoolExecutor(12) as threads:
        sent = [threads.submit(send, service, here, event) for event in events for service in here.replicas]
        answers = Counter(one.result() for one in sent)

    for n in range(40):
        posted(here, "C0DISPUTES", f"INV-BURST-{n:02}")
    told = Counter(reference for m in here.posts("C0DISPUTES") for reference in references(m))
    assert sum(answers.values()) == 120
    assert set(answers) <= {200, 202}
    assert set(told.values()) == {1}


def references(message: Any) -> set[str]:
    return {word for word in "".join(c if c.isalnum() or c == "-" else " " for c in words(message)).split()
            if word.startswith("INV-BURST")}  # fmt: skip


def test_presses_on_what_other_replicas_told_have_one_effect_each(here: World) -> None:
    todos = [here.dispute(reference=f"INV-PRESS-{n}") for n in range(6)]
    messages = [posted(here, "C0DISPUTES", f"INV-PRESS-{n}") for n in range(6)]
    refused = len(here.slack.ephemerals)
    for message in messages:
        assert press(here, message, "validate") == 200

    def are_decided() -> bool:
        """Who is told that an item has changed meanwhile, for its debt was read, looks and presses again."""
        nonlocal refused
        pairs = zip(todos, messages, strict=True)
        left = [message for todo, message in pairs if here.getbill.todos[todo["id"]]["status"] != "validated"]
        if len(here.slack.ephemerals) > refused:
            refused = len(here.slack.ephemerals)
            for message in left:
                if "validate" in buttons(message):
                    press(here, message, "validate")
        return not left

    eventually(are_decided, "Getbill to be told")
    for message in messages:
        eventually(lambda message=message: not buttons(message), "the message to show it")  # type: ignore[misc]
    writes = Counter(call.path for call in here.getbill.faults.calls if call.method == "PUT")
    assert set(writes.values()) == {1}


def test_when_the_replica_that_polls_is_killed_another_polls_and_nothing_is_lost(here: World) -> None:
    Ledger(here).settle()  # what it had claimed would wait for the end of its lease
    (polls,) = [service for service in here.replicas if "reconcile:getbill:main" in taken(service)]
    polls.kill()
    here.replicas.remove(polls)
    here.getbill.add("portal_dispute", reference="INV-UNTOLD")  # no event: only polling finds it
    ledger = Ledger(here, prefix="INV-AFTER")

    assert all(ledger.send() for _ in range(20))
    assert set(ledger.settle().values()) == {1}
    eventually(lambda: any("INV-UNTOLD" in words(m) for m in here.posts("C0DISPUTES")), "another to poll",
               TAKES_OVER_WITHIN_S)  # fmt: skip
    polls.start()
    here.replicas.append(polls)


def test_a_replica_that_is_asked_to_stop_lets_the_others_go_on(here: World) -> None:
    stops = here.replicas.pop()

    assert stops.stop() == 0
    ledger = Ledger(here, prefix="INV-ON")
    assert all(ledger.send() for _ in range(10))
    assert set(ledger.settle().values()) == {1}


def taken(service: Service) -> str:
    return "".join(line for line in service.log.read_text().splitlines() if "lease.acquired" in line)


def _is_unready(service: Service) -> bool:
    """``/readyz`` remembers its answer for a moment."""
    return httpx.get(f"{service.url}/readyz", trust_env=False).status_code == 503


def test_a_server_that_went_away_is_answered_503_and_everything_heals(tmp_path: Path) -> None:
    try:
        with own_server() as server, world(tmp_path, replicas=2, database_url=server.url("postgres")) as here:
            ledger = Ledger(here, prefix="INV-HEAL")
            assert ledger.send()
            server.stop(signal.SIGQUIT)
            refused = [send(service, here, here.getbill.event({}, event_id="lost")) for service in here.replicas]
            for service in here.replicas:
                eventually(lambda service=service: _is_unready(service), "the replica to say that it is not ready")  # type: ignore[misc]
            server.start()

            for service in here.replicas:
                eventually(lambda service=service: service._is_ready(), "the replica to be ready again")  # type: ignore[misc]
            assert all(ledger.send() for _ in range(10))
            told = ledger.settle()
    except NoPostgresError as error:
        pytest.skip(str(error))

    assert refused == [503, 503]
    assert set(told.values()) == {1}
