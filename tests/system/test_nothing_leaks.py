"""Nothing secret or personal in logs, metrics, error pages, buttons or links, whatever goes wrong."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.harness import World, eventually, world
from tests.person import buttons, fill, posted, press

SECRETS = (
    "key", "getbill-token", "getbill-secret", "debitura-key", "debitura-secret", "slack-token", "slack-secret",
)  # fmt: skip
PLANTED = {
    "the debtor's name": "Markussen",
    "the debtor's words": "zweckdienlich",
    "a partner's question": "quizzical",
    "a note": "nightingale",
    "a reply": "raspberry",
    "a body nobody can read": "bergamot",
    "a body of a stranger": "stranglehold",
    "a path": "pathfinder",
    "a query": "queueing",
    "a header": "hedgehog",
    "a source's refusal": "refulgent",
    "the words of an exception": "exceptional",
    "an address": "anna@creditor",
    "a mailed address": "ar@creditor",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Run"]:
    folder = tmp_path_factory.mktemp("leaks")
    with world(folder, is_started=False) as here:
        config = here.service.config
        config.write_text(f'log_level = "debug"\n{config.read_text()}')
        fault = folder / "fault"
        here.service.start(str(fault), module="tests.broken")
        everything = Run(here, fault)
        everything.go()
        yield everything


class Run:
    """The main job and everything that can go wrong with it; what came out is kept."""

    def __init__(self, here: World, fault: Path) -> None:
        self.here = here
        self.pages: list[str] = []
        self.metrics = self.told = ""
        self.messages: list[Any] = []
        self._fault = fault

    def go(self) -> None:
        self._the_main_job()
        self._strangers()
        self._sources_that_fail()
        self._a_fault_of_ours()
        self.metrics = httpx.get(f"{self.here.service.url}/metrics", trust_env=False).text
        self.messages = [*self.here.posts("C0DISPUTES"), *self.here.posts("C0TASKS")]
        self.here.service.stop()

    def log(self) -> str:
        return self.here.service.log.read_text()

    def _dispute(self, reference: str) -> Any:
        here = self.here
        who: dict[str, Any] = {"lastname": PLANTED["the debtor's name"], "company": None}
        todo = here.getbill.add(
            "portal_dispute", reference=reference, detected_content=PLANTED["the debtor's words"], **who
        )
        here.getbill_event(here.getbill.event(todo, content="todo"))
        return posted(here, "C0DISPUTES", reference)

    def _the_main_job(self) -> None:
        message = self._dispute("INV-LEAK-1")
        press(self.here, message, "reject")
        fill(self.here, "U0ANNA", PLANTED["a note"])
        eventually(lambda: not buttons(message), "the rejection to be shown")
        self.here.debitura.add_task("ReplyToChat", PLANTED["a partner's question"], reference="INV-LEAK-2")
        asked = posted(self.here, "C0TASKS", "INV-LEAK-2")
        self.told = str(asked.blocks)  # before it is answered, and perhaps solved
        press(self.here, asked, "reply")
        fill(self.here, "U0ANNA", PLANTED["a reply"])
        eventually(lambda: self.here.mail.messages, "a mail")
        self.here.service.command("reconcile", "--full")

    def _strangers(self) -> None:
        stranger, path, query = (PLANTED[f"a {what}"] for what in ("body of a stranger", "path", "query"))
        header = {"user-agent": PLANTED["a header"], "x-request-id": PLANTED["a header"]}
        with httpx.Client(base_url=self.here.service.url, headers=header, trust_env=False) as http:
            for where in ("/webhooks/getbill/main", "/slack/interactions", "/control", f"/webhooks/{path}/x"):
                self._see(http.post(f"{where}?token={query}", content=stranger))
            for where in (f"/act/{path}", f"/media/{path}", f"/{path}", "/webhooks/getbill/main"):
                self._see(http.get(f"{where}?token={query}"))
            link = self._links()[0]
            self._see(http.post(link, content=f"verb=reject&note={PLANTED['a note']}"))
        unreadable = PLANTED["a body nobody can read"]
        for rubbish in (unreadable, f'{{"data": "{unreadable}", ['):
            assert self.here.getbill_event(rubbish.encode()).status_code == 202

    def _sources_that_fail(self) -> None:
        faults = self.here.getbill.faults
        message = self._dispute("INV-LEAK-3")
        faults.refuse = (422, {"error": True, "message": PLANTED["a source's refusal"], "code": 422})
        press(self.here, message, "validate")
        eventually(lambda: PLANTED["a source's refusal"] in str(message.blocks), "the refusal")
        faults.refuse = None
        with down(self.here):
            self.here.getbill_event(self.here.getbill.event(self.here.getbill.add("hardship")))
            eventually(lambda: "events.rows.released" in self.log(), "the event to wait")

    def _a_fault_of_ours(self) -> None:
        self._fault.write_text(f"odd {PLANTED['the words of an exception']}")
        self._see(self.here.getbill_event(b'{"id": "odd"}'))
        eventually(lambda: "worker.loop.failed" in self.log(), "a loop to break")
        self._fault.unlink()

    def _links(self) -> list[str]:
        return re.findall(r"http://127\.0\.0\.1:\d+/act/[\w.\-]+", mailed(self.here))

    def _see(self, answer: httpx.Response) -> None:
        assert answer.status_code >= 300
        self.pages.append(f"{answer.headers} {answer.text}")


@contextmanager
def down(here: World) -> Iterator[None]:
    here.getbill.faults.down = True
    try:
        yield
    finally:
        here.getbill.faults.down = False


def mailed(here: World) -> str:
    bodies: list[Any] = [caught.message.get_body(("plain",)) for caught in here.mail.messages]
    return " ".join(body.get_content() for body in bodies)


def found_in(text: str, here: World) -> list[str]:
    """What of all that was planted is in there, in any spelling a URL or JSON would give it."""
    secrets = {name: here.service.config.with_name(name).read_text() for name in SECRETS}
    spellings = {
        what: {planted, quote(planted, ""), json.dumps(planted)[1:-1], planted.upper()}
        for what, planted in {**PLANTED, **secrets}.items()
    }
    return [what for what, spelled in spellings.items() if any(one in text for one in spelled)]


def test_what_is_sought_would_be_found(run: Run) -> None:
    """The run went where it should: people were told what no log may tell, and every kind of fault was logged."""
    told = found_in(" ".join([run.told, *(str(m.blocks) for m in run.messages)]), run.here)
    assert {"the debtor's name", "the debtor's words", "a partner's question", "a source's refusal"} <= set(told)
    faults = (
        "events.row.quarantined",
        "events.rows.released",
        "outbox.delivery.dead",
        "worker.loop.failed",
        "ValueError",
    )
    assert [word for word in faults if word not in run.log()] == []
    assert len(run.pages) > 9


def test_the_log_holds_nothing_of_it_even_at_its_chattiest(run: Run) -> None:
    assert found_in(run.log(), run.here) == []


def test_the_metrics_hold_nothing_of_it(run: Run) -> None:
    assert found_in(run.metrics, run.here) == []


def test_error_pages_hold_nothing_of_it(run: Run) -> None:
    assert found_in(" ".join(run.pages), run.here) == []


def test_buttons_hold_nothing_of_it(run: Run) -> None:
    values = [
        str(element.get(key))
        for message in run.messages
        for block in message.blocks
        for element in [*block.get("elements", []), block.get("accessory") or {}]
        for key in ("value", "action_id", "options", "confirm")
    ]

    assert len(values) > 10
    assert (
        found_in(" ".join([*values, *(str(m.blocks and m.blocks[0].get("block_id")) for m in run.messages)]), run.here)
        == []
    )


def test_links_hold_nothing_of_it(run: Run) -> None:
    texts = [mailed(run.here), *(str(m.blocks) for m in run.messages)]
    links = re.findall(r"/(?:act|media)/([\w.\-]+)", " ".join(texts))

    assert links
    assert found_in(" ".join(map(read_by_anybody, links)), run.here) == []


def read_by_anybody(token: str) -> str:
    """What a signed token says to whoever holds it, without any key."""
    part = token.lstrip(".").split(".")[0]
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return (zlib.decompress(raw) if token.startswith(".") else raw).decode("utf-8", "replace") + token
