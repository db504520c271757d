"""Slack behind a way that turns rude: others are not delayed, nothing is lost, and it heals without a hand."""

import json
from collections.abc import Iterator

import pytest

from tests.faults.ledger import Ledger
from tests.faults.rude import Mood, RudeWay, answers, breaks_tls, drips, floods, hangs, hangs_up
from tests.harness import World, eventually, world

MUCH_MEMORY = 400 * 2**20
LIMITED = json.dumps({"ok": False, "error": "ratelimited"}).encode()
JSON = "Content-Type: application/json\r\n"

MOODS: dict[str, Mood] = {
    "429 and come back in a moment": answers("429 Too Many Requests", f"{JSON}Retry-After: 1\r\n", LIMITED),
    "429 and come back yesterday": answers("429 Too Many Requests", f"{JSON}Retry-After: -5\r\n", LIMITED),
    "429 and nonsense": answers("429 Too Many Requests", f"{JSON}Retry-After: soon\r\n", LIMITED),
    "500": answers("500 Internal Server Error", "", b"<html>"),
    "200 and a page of a proxy": answers("200 OK", "Content-Type: text/html\r\n", b"<html>Sign in</html>"),
    "redirects elsewhere": answers("302 Found", "Location: http://127.0.0.1:9/steal\r\n"),
    "hangs": hangs,
    "drips": drips,
    "sends a gigabyte": floods,
    "breaks TLS": breaks_tls,
    "hangs up in the middle": hangs_up,
}


@pytest.fixture(scope="module")
def rude_slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, RudeWay]]:
    with (
        world(tmp_path_factory.mktemp("rude"), is_started=False, getbill_poll="1h") as here,
        RudeWay(here.sandbox_url.removeprefix("http://")) as way,
    ):
        text = here.service.config.read_text()
        here.service.config.write_text(text.replace(f"{here.sandbox_url}/slack/api/", f"{way.url}/slack/api/"))
        here.service.start()
        yield here, way


@pytest.mark.parametrize("name", MOODS)
def test_a_rude_destination_delays_no_other_and_heals(rude_slack: tuple[World, RudeWay], name: str) -> None:
    here, way = rude_slack
    ledger = Ledger(here, prefix=f"INV-RUDE{list(MOODS).index(name)}")
    calls, mails = way.calls, len(here.mail.messages)
    way.mood = MOODS[name]
    for _ in range(3):
        assert ledger.send()

    eventually(lambda: way.calls > calls, "Slack to be tried")
    eventually(lambda: len(here.mail.messages) >= mails + 3, "mail to go its way meanwhile")
    assert here.service.resident_bytes() < MUCH_MEMORY
    assert not any(ledger.told().values())

    way.mood = None
    assert ledger.settle()
