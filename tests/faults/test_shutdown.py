"""SIGTERM: what was answered is stored, what is under way ends or is left for the next start, and it does end."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.broken.preload import preloading
from tests.faults.ledger import Ledger, check_invariant
from tests.harness import World, eventually, world
from tests.person import posted, press

CLOSES_S = 5.0  # for answers that are under way, once the loops have drained
A_WHILE_S = 10.0  # for a busy machine


@contextmanager
def with_grace(folder: Path, grace: str) -> Iterator[World]:
    with world(folder, is_started=False, getbill_poll="1h", debitura_poll="1h") as here:
        text = here.service.config.read_text()
        here.service.config.write_text(f'drain_grace = "{grace}"\n{text}')
        here.service.start()
        yield here


def terminate(here: World) -> float:
    """Ask it to end; how many seconds it took, at most the test's patience."""
    began = time.monotonic()
    assert here.service.stop() == 0
    return time.monotonic() - began


def press_and_wait_for_the_source(here: World, message: Any) -> None:
    asked = len(here.getbill.faults.calls)
    press(here, message, "validate")
    eventually(lambda: len(here.getbill.faults.calls) > asked, "Getbill to be asked")


def test_what_was_answered_while_it_ends_is_stored(tmp_path: Path) -> None:
    with with_grace(tmp_path, "2s") as here:
        ledger, enough = Ledger(here, prefix="INV-END"), threading.Event()
        senders = [threading.Thread(target=ledger.send_until, args=(enough, 0.001)) for _ in range(4)]
        for sender in senders:
            sender.start()
        eventually(lambda: len(ledger.acknowledged) > 20, "some to be acknowledged")

        terminate(here)
        enough.set()
        for sender in senders:
            sender.join()

        check_invariant(here.service.database_url, set(ledger.acknowledged))
        assert "Traceback" not in here.service.log.read_text()
        here.service.start()
        ledger.settle()


def test_a_source_that_hangs_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with with_grace(tmp_path, "1s") as here:
        todo = here.dispute(reference="INV-HANG-1")
        message = posted(here, "C0DISPUTES", "INV-HANG-1")
        here.getbill.faults.hang_s = 60.0
        press_and_wait_for_the_source(here, message)

        took_s = terminate(here)
        here.getbill.faults.hang_s = 0.0
        here.service.start()

        assert took_s < 1 + CLOSES_S + A_WHILE_S
        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told", 60)


def test_somebody_who_drips_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with with_grace(tmp_path, "1s") as here:
        host, _, port = here.service.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as head, socket.create_connection((host, int(port))) as body:
            head.sendall(b"GET / HT")
            body.sendall(b"POST /webhooks/getbill/main HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
            assert httpx.get(f"{here.service.url}/healthz", trust_env=False).status_code == 200

            took_s = terminate(here)
            said = body.recv(1000)

    assert took_s < 1 + CLOSES_S + A_WHILE_S
    assert not said.startswith(b"HTTP/1.1 2")


def test_a_second_signal_ends_it_at_once_and_a_start_needs_no_hand(tmp_path: Path) -> None:
    with with_grace(tmp_path, "10m") as here:
        todo = here.dispute(reference="INV-TWICE-1")
        message = posted(here, "C0DISPUTES", "INV-TWICE-1")
        here.getbill.faults.hang_s = 600.0
        press_and_wait_for_the_source(here, message)

        for _ in range(2):
            here.service.signal(signal.SIGTERM)
            time.sleep(0.3)  # the kernel tells two at once as one
        code = here.service.wait()
        here.getbill.faults.hang_s = 0.0
        here.service.start()

        assert code == -signal.SIGTERM
        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told", 60)


def test_a_name_that_is_being_looked_up_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False) as here:
        config = here.service.config
        config.write_text(
            'drain_grace = "1s"\n'
            + config.read_text().replace(f"{here.sandbox_url}/debitura", "https://debitura.hanging")
        )
        here.service.environment = preloading(tmp_path)
        here.service.start()
        here.dispute(reference="INV-DNS-1")
        posted(here, "C0DISPUTES", "INV-DNS-1")

        took_s = terminate(here)

    assert took_s < 1 + CLOSES_S + A_WHILE_S
