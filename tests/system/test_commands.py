"""The commands, as an operator types them: beside the running service, and without one."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness import ROOT, World, eventually, free_port, world
from tests.person import buttons, posted
from tests.postgres import fresh_database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("commands")
        url = f"sqlite:///{folder}/casebell.db"
        if request.param == "postgresql":
            url = stack.enter_context(fresh_database(request.getfixturevalue("postgres")))
        yield stack.enter_context(world(folder, getbill_poll="1h", debitura_poll="1h", database_url=url))


def by_hand(here: World, *words: str) -> subprocess.CompletedProcess[str]:
    """As a shell starts it, in an interpreter of its own."""
    command = [sys.executable, "-m", "receiver", *words, "--config", str(here.service.config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)


def key_of(here: World, reference: str) -> str:
    listed = [i for i in here.service.items() if i["snapshot"].get("reference") == reference]
    return str(listed[0]["snapshot"]["key"])


def test_items_are_listed_for_people_and_for_programs(here: World) -> None:
    here.dispute(reference="INV-CMD-1")
    posted(here, "C0DISPUTES", "INV-CMD-1")

    for_people = by_hand(here, "items", "--open")
    only_others = here.service.command("items", "--kind", "hardship", "--json")

    assert for_people.returncode == 0
    assert "INV-CMD-1" in for_people.stdout
    assert json.loads(only_others.stdout) == []


def test_one_item_is_shown_with_its_whole_timeline(here: World) -> None:
    here.dispute(reference="INV-CMD-2")
    posted(here, "C0DISPUTES", "INV-CMD-2")

    def timeline() -> str | None:  # Slack has the message a moment before its delivery is marked done
        shown = here.service.command("item", key_of(here, "INV-CMD-2"))
        assert shown.returncode == 0
        assert "opened" in shown.stdout
        return shown.stdout if "show slack:C0DISPUTES: done" in shown.stdout else None

    eventually(timeline, "the delivery to be done")


def test_an_unknown_item_is_said_to_be_unknown(here: World) -> None:
    shown = here.service.command("item", "getbill:main:debtor_request:nothing")

    assert (shown.returncode, "casebell items" in shown.stderr) == (1, True)


def test_act_does_what_the_button_does_while_the_service_runs(here: World) -> None:
    todo = here.dispute(reference="INV-CMD-3")
    message = posted(here, "C0DISPUTES", "INV-CMD-3")

    done = here.service.command("act", key_of(here, "INV-CMD-3"), "validate", "--note", "seen the receipt")

    assert done.returncode == 0, done.stderr
    assert "resolved (validated)" in done.stdout
    assert here.getbill.todos[todo["id"]]["admin_notes"].startswith("seen the receipt")
    eventually(lambda: not buttons(message), "Slack to show it")


def test_act_says_why_not(here: World) -> None:
    here.dispute(reference="INV-CMD-4")
    posted(here, "C0DISPUTES", "INV-CMD-4")

    refused = here.service.command("act", key_of(here, "INV-CMD-4"), "reject")

    assert refused.returncode == 1
    assert "few words" in refused.stderr


def test_reconcile_finds_what_no_webhook_told_and_counts_it(here: World) -> None:
    here.getbill.add("hardship", reference="INV-CMD-5")
    here.debitura.add_task("SignContract")

    counted = json.loads(here.service.command("reconcile", "--json").stdout)

    assert counted["getbill:main"]["opened"] == 1
    assert counted["debitura:main"]["opened"] == 1


def test_reconcile_hears_the_others_when_one_source_is_down_and_names_it(here: World) -> None:
    here.getbill.add("hardship", reference="INV-CMD-6")
    here.debitura.faults.down = True
    try:
        told = here.service.command("reconcile")
        unknown = here.service.command("reconcile", "--account", "nobody")
    finally:
        here.debitura.faults.down = False

    assert told.returncode == 1
    assert "getbill:main" in told.stdout
    assert "debitura:main" in told.stderr
    assert (unknown.returncode, "'nobody'" in unknown.stderr) == (2, True)


def test_doctor_is_green_when_everything_answers_and_red_when_something_does_not(here: World) -> None:
    well = here.service.command("doctor", "--json")
    here.debitura.faults.down = True
    try:
        ill = here.service.command("doctor", "--json")
    finally:
        here.debitura.faults.down = False

    assert well.returncode == 0, well.stdout
    assert ill.returncode == 1
    red = [row for row in json.loads(ill.stdout) if not row["is_well"]]
    assert [row["name"] for row in red] == ["debitura:main"]


def test_a_second_service_on_the_same_file_is_refused_with_a_clear_word(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        second = here.service.command("serve", "--port", str(free_port()))

    assert second.returncode == 2
    assert "already uses this database" in second.stderr


def test_act_and_reconcile_work_without_a_running_service(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False) as here:
        todo = here.getbill.add("portal_dispute", reference="INV-CMD-6")

        counted = here.service.command("reconcile", "--json")
        done = here.service.command("act", key_of(here, "INV-CMD-6"), "validate")

        assert json.loads(counted.stdout)["getbill:main"]["opened"] == 1
        assert done.returncode == 0, done.stderr
        assert here.getbill.todos[todo["id"]]["status"] == "validated"


def test_act_on_postgresql_leaves_the_press_for_the_replica_that_comes(tmp_path: Path, postgres_url: str) -> None:
    with world(tmp_path, is_started=False, database_url=postgres_url) as here:
        todo = here.getbill.add("portal_dispute", reference="INV-CMD-7")
        here.service.command("reconcile")

        stored = here.service.command("act", key_of(here, "INV-CMD-7"), "validate")
        before = here.getbill.todos[todo["id"]]["status"]
        here.service.start()

        assert (stored.returncode, before) == (0, "suggested")
        assert "no replica has claimed it yet" in stored.stderr
        eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "the replica to act")


def test_a_server_that_is_away_is_said_to_be_without_its_password(tmp_path: Path) -> None:
    address = f"postgresql://casebell:s3cret-word@127.0.0.1:{free_port()}/casebell"
    with world(tmp_path, is_started=False, database_url=address) as here:
        told = [here.service.command(*words) for words in (["items"], ["serve", "--port", "1"], ["doctor"], ["check"])]

    assert [done.returncode for done in told] == [1, 1, 1, 0]
    assert "the database did not answer" in told[0].stderr
    assert "the database did not answer" in told[2].stdout
    assert [done for done in told if "s3cret" in done.stdout + done.stderr] == []


def test_it_ends_cleanly_when_asked_and_starts_again(tmp_path: Path) -> None:
    with world(tmp_path, is_started=False) as here:
        here.service.is_forked = False
        for _ in range(2):
            here.service.start()
            assert here.service.stop() == 0


@pytest.mark.parametrize("what", ["slack", "alert"])
@pytest.mark.parametrize("kind", ["portal_dispute", "ReplyToChat"])
def test_preview_renders_offline(here: World, tmp_path: Path, what: str, kind: str) -> None:
    done = here.service.command("preview", what, "--sample", kind, "--locale", "da", "--out", str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert all(Path(path).stat().st_size > 200 for path in done.stdout.split())


def test_purge_erases_what_is_old_beside_the_running_service_and_without_one(tmp_path: Path) -> None:
    with world(tmp_path, getbill_poll="1h") as here:
        here.dispute(reference="INV-PURGE-1")
        posted(here, "C0DISPUTES", "INV-PURGE-1")
        nothing = here.service.command("db", "purge")
        with sqlite3.connect(tmp_path / "casebell.db") as beside:
            beside.execute("UPDATE event SET done_at = 0")
        running = here.service.command("db", "purge")
        here.service.stop()
        stopped = here.service.command("db", "purge")

    assert nothing.stdout == stopped.stdout == "Nothing is older than what is kept.\n"
    assert running.stdout == "Erased 1 bodies, 1 events.\n"
