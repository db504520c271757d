"""SIGTERM: what was answered is stored, what is under way ends or is left for the next start, and it does end."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.broken.preload import preloading
from tests.faults.ledger import Ledger, check_invariant
from tests.harness import World, eventually, world
from tests.person import posted, press


@contextmanager
def with_grace(folder: Path, grace: str) -> Iterator[World]:
    with world(folder, is_started=False, getbill_poll="1h", debitura_poll="1h") as here:
        text = here.service.config.read_text()
        here.service.config.write_text(f'drain_grace = "{grace}"\n{text}')
        here.service.start()
        yield here


def press_and_wait_for_the_source(here: World, message: Any) -> None:
    asked = len(here.getbill.faults.calls)
    press(here, message, "validate")
    eventually(lambda: len(here.getbill.faults.calls) > asked, "Getbill to be asked")


def _is_draining(here: World) -> bool:
    return httpx.get(f"{here.service.url}/readyz", trust_env=False).text.startswith("draining")


def test_what_was_answered_while_it_ends_is_stored(tmp_path: Path) -> None:
    with with_grace(tmp_path, "2s") as here:
        ledger = Ledger(here, prefix="INV-END")
        with ledger.load(senders=4, every_s=0.01):
            ledger.wait_for_more(least=20, most=20)
            assert here.service.stop() == 0

        check_invariant(here.service.database_url, set(ledger.acknowledged))
        assert "Traceback" not in here.service.log.read_text()
        here.service.start()
        ledger.settle()


def test_a_source_that_hangs_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with with_grace(tmp_path, "1s") as here:
        todo = here.dispute(reference="INV-HANG-1")
        message = posted(here, "C0DISPUTES", "INV-HANG-1")
        here.getbill.faults.hang_s = 600.0
        press_and_wait_for_the_source(here, message)

        assert here.service.stop() == 0
        here.getbill.faults.hang_s = 0.0
        here.service.start()

        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told", 60)


def test_somebody_who_drips_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with with_grace(tmp_path, "1s") as here:
        host, _, port = here.service.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as head, socket.create_connection((host, int(port))) as body:
            head.sendall(b"GET / HT")
            body.sendall(b"POST /webhooks/getbill/main HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
            assert httpx.get(f"{here.service.url}/healthz", trust_env=False).status_code == 200

            assert here.service.stop() == 0
            said = body.recv(1000)

    assert not said.startswith(b"HTTP/1.1 2")


def test_a_second_signal_ends_it_at_once_and_a_start_needs_no_hand(tmp_path: Path) -> None:
    with with_grace(tmp_path, "10m") as here:
        todo = here.dispute(reference="INV-TWICE-1")
        message = posted(here, "C0DISPUTES", "INV-TWICE-1")
        here.getbill.faults.hang_s = 600.0
        press_and_wait_for_the_source(here, message)

        here.service.signal(signal.SIGTERM)
        eventually(lambda: _is_draining(here), "the service to be ending")
        here.service.signal(signal.SIGTERM)
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

        assert here.service.stop() == 0
