"""Digests from a terminal: shown, sent, unsubscribed, and previewed without any service."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness import ROOT, World, eventually, world


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("digest")) as made:
        made.dispute(reference="INV-DIGEST-1")
        eventually(made.service.items, "the dispute to be known")
        yield made


def test_a_dry_run_shows_it_and_sends_nothing(here: World) -> None:
    before = len(here.mail.to("cfo@creditor.example"))

    shown = here.service.command("digest", "daily", "--dry-run")

    assert shown.returncode == 0, shown.stderr
    assert "INV-DIGEST-1" in shown.stdout
    assert "Next digest:" in shown.stdout
    assert len(here.mail.to("cfo@creditor.example")) == before


def test_without_an_option_it_says_when_and_to_whom(here: World) -> None:
    said = here.service.command("digest", "daily")

    assert said.returncode == 0, said.stderr
    assert "daily: next at " in said.stdout
    assert "mail:cfo@creditor.example" in said.stdout


def test_a_name_that_is_not_configured_is_wrong_use(here: World) -> None:
    said = here.service.command("digest", "weekly", "--now")

    assert said.returncode == 2
    assert "daily" in said.stderr


def test_sent_now_it_reaches_mail_and_slack_and_one_click_ends_it(here: World) -> None:
    sent = here.service.command("digest", "daily", "--now")
    assert sent.returncode == 0, sent.stderr
    mails = eventually(lambda: here.mail.to("cfo@creditor.example"), "the digest to arrive")
    eventually(lambda: [p for p in here.posts("C0DISPUTES") if "holds up collection" in p.text], "Slack to have it")

    number = here.mail.messages.index(mails[-1])
    shown = httpx.get(f"{here.sandbox_url}/mail/{number}/body", trust_env=False).text
    url = str(mails[-1].message["List-Unsubscribe"]).strip("<>")
    answer = httpx.post(url, data={"List-Unsubscribe": "One-Click"}, trust_env=False)
    again = here.service.command("digest", "daily", "--now")
    listed = json.loads(here.service.command("addresses", "--json").stdout)
    doctor = here.service.command("doctor")
    allowed = here.service.command("addresses", "--allow", "cfo@creditor.example")

    assert "Open amount by age" in shown  # the mailbox shows the charts
    assert answer.status_code == 200
    assert "cfo@" not in again.stdout
    assert [(row["address"], row["list"], row["reason"]) for row in listed] == [
        ("cfo@creditor.example", "daily", "unsubscribed")
    ]
    assert "unsubscribed from the digest daily" in doctor.stdout
    assert "mail is sent there again" in allowed.stdout
    assert json.loads(here.service.command("addresses", "--json").stdout) == []


@pytest.mark.parametrize("what", ["digest", "alert"])
def test_a_preview_writes_every_form_without_a_service_and_for_its_owner_only(what: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "receiver", "preview", what, "--locale", "da", "--out", str(out)]

    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180, umask=0)

    assert said.returncode == 0, said.stderr
    written = {path.suffix: path for path in out.iterdir()}
    assert {path.stat().st_mode & 0o777 for path in written.values()} == {0o600}
    assert {".html", ".txt"} <= set(written)
