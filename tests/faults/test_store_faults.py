"""What the store of a running service can suffer: told to whoever asks, nothing acknowledged lost, healed by itself."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.faults.ledger import Ledger, check_invariant
from tests.harness import World, eventually, world

Fault = Callable[[World], AbstractContextManager[None]]


@contextmanager
def said(here: World, word: str) -> Iterator[None]:
    """A fault that ``tests.broken`` brings about inside SQLite."""
    fault = fault_of(here)
    fault.write_text(word)
    try:
        yield
    finally:
        fault.unlink()


def fault_of(here: World) -> Path:
    return here.service.config.with_name("fault")


def full(here: World) -> AbstractContextManager[None]:
    return said(here, "full")


def read_only(here: World) -> AbstractContextManager[None]:
    return said(here, "readonly")


@contextmanager
def io_error(here: World) -> Iterator[None]:
    """The kernel refuses to write behind the first page of any file."""
    before = resource.prlimit(here.service.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(here.service.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(here.service.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def locked_outside(here: World) -> Iterator[None]:
    with closing(sqlite3.connect(database_of(here), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def taken_away(here: World) -> Iterator[None]:
    database = database_of(here)
    elsewhere = database.with_name("elsewhere")
    database.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(database)


def database_of(here: World) -> Path:
    return here.service.config.with_name("casebell.db")


def get(here: World, path: str) -> httpx.Response:
    return httpx.get(f"{here.service.url}{path}", timeout=15, trust_env=False)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("store"), is_started=False, getbill_poll="1h", debitura_poll="1h") as made:
        made.service.start(str(fault_of(made)), module="tests.broken")
        yield made


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (full, "full"),
        (read_only, "readonly"),
        (io_error, ""),
        (locked_outside, "lock|has not answered"),
        (taken_away, "moved or deleted|unable to open"),
    ],
)
def test_a_store_that_fails_is_told_and_heals_without_a_restart(here: World, fault: Fault, why: str) -> None:
    before, after = (Ledger(here, prefix=f"INV-{fault.__name__.replace('_', '')}-{when}") for when in "ba")
    assert before.send()

    with fault(here):
        eventually(lambda: not before.send(), "a webhook to be refused")
        answer = eventually(lambda: _if_refused(event_of_a_hardship(here)), "another webhook to be refused")
        unready = eventually(lambda: _if_refused(get(here, "/readyz")), "the service to say that it is not ready")
        alive = get(here, "/healthz")

    assert answer is not None
    assert answer.text == "store_unavailable\n"
    assert int(answer.headers["retry-after"]) > 0
    assert unready is not None
    assert any(word in unready.text for word in why.split("|"))
    assert alive.status_code == 200
    eventually(lambda: get(here, "/readyz").status_code == 200, "the service to be ready again")
    assert after.send()
    eventually(lambda: all(after.told().values()), "what comes afterwards to be told", 120)
    check_invariant(here.service.database_url, {*before.acknowledged, *after.acknowledged})
    assert "worker.loop.failed" not in here.service.log.read_text()


def event_of_a_hardship(here: World) -> httpx.Response:
    """A small event still fits into a page of a full database that has room: not each one is refused."""
    return here.getbill_event(here.getbill.event(here.getbill.add("hardship")))


def _if_refused(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 503 else None
