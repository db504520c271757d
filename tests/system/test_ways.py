"""docs/architecture.md lists the core modules of three ways; the running process is traced and enters them so."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.ledger import rows_that_wait
from tests.harness import ROOT, World, eventually, world
from tests.person import buttons, posted, press

PAGE = (ROOT / "docs/architecture.md").read_text()
MAX_MODULES = 9


def way(title: str) -> list[str]:
    """The functions that the page lists for a way, as ``module.function``."""
    section = PAGE.partition(f"### {title}")[2].partition("\n#")[0]
    rows = re.findall(r"^\| \d+ \| `([a-z_/]+)\.py` \| `([\w.]+)`", section, re.MULTILINE)
    return [f"{module.replace('/', '.')}.{function}" for module, function in rows]


class Trace:
    """The file into which ``tests.traced`` writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        self.path.unlink(missing_ok=True)

    def entries(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def first_entries(self, functions: list[str]) -> list[str]:
        return [name for name in self.entries() if name in functions]


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return Trace(tmp_path / "trace")


@contextmanager
def traced(trace: Trace, *, poll: str) -> Iterator[World]:
    with world(trace.path.parent, is_started=False, getbill_poll="1h", debitura_poll=poll) as here:
        here.service.start(str(trace.path), module="tests.traced")
        yield here


def test_the_page_lists_at_most_nine_core_modules_for_each_way() -> None:
    for title in ("A webhook", "A click", "A polled task"):
        listed = way(title)
        assert listed
        assert len({module_of(name) for name in listed}) <= MAX_MODULES


def test_a_webhook_goes_its_way(trace: Trace) -> None:
    with traced(trace, poll="1h") as here:
        _begin(here, trace)
        here.dispute(reference="INV-WAY-1")
        posted(here, "C0DISPUTES", "INV-WAY-1")

        _assert_way("A webhook", trace)


def test_a_click_goes_its_way(trace: Trace) -> None:
    with traced(trace, poll="1h") as here:
        todo = here.dispute(reference="INV-WAY-2")
        message = posted(here, "C0DISPUTES", "INV-WAY-2")
        _begin(here, trace)
        press(here, message, "validate")
        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told")
        eventually(lambda: not buttons(message), "the message to show it")

        also = {*map(module_of, way("A webhook")), "pipeline.deliver.followups"}
        _assert_way("A click", trace, also=also)


def test_a_polled_task_goes_its_way(trace: Trace) -> None:
    with traced(trace, poll="1s") as here:
        _begin(here, trace)
        here.debitura.add_task("ReplyToChat", "Which bank account?", reference="INV-WAY-3")
        posted(here, "C0TASKS", "INV-WAY-3")

        _assert_way("A polled task", trace)


def _begin(here: World, trace: Trace) -> None:
    """Trace what comes from now on: nothing waits, and the loops have run without finding anything to do."""

    def is_quiet() -> bool:
        trace.begin()
        eventually(lambda: "pipeline.deliver.grouped.update_bursts" in trace.entries(), "the loops to run")
        work = {name for name in trace.entries() if name.endswith((".apply_facts", ".Dispatcher._run"))}
        return not work and not rows_that_wait(here.service.database_url)

    eventually(is_quiet, "nothing to wait", 120)
    trace.begin()


def _assert_way(title: str, trace: Trace, *, also: Collection[str] = ()) -> None:
    listed = way(title)
    eventually(lambda: len(trace.first_entries(listed)) == len(listed), f"each of {listed} to be entered")
    assert trace.first_entries(listed) == listed
    assert {module_of(name) for name in trace.entries() if name.startswith("pipeline.")} <= {
        *map(module_of, listed),
        *also,
        "pipeline.deliver.grouped",  # a loop that looks for bursts
    }


def module_of(function: str) -> str:
    """``pipeline.ingest`` of ``pipeline.ingest.accept``."""
    parts = function.split(".")
    return ".".join(parts[:3] if parts[:2] == ["pipeline", "deliver"] else parts[:2])
