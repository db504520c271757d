"""What others say of our mails: html-validate, caniemail and axe-core in a real Chromium; every kind in every language.

Needs node and Chromium; each check is skipped with a reason where it cannot be had.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import lru_cache
from mailbox import mbox, mboxMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from notifiers.email import gathered, word
from notifiers.teller import Teller
from receiver.cli.preview import notice_of_sample
from receiver.cli.sample_digest import edition, sample_digest
from receiver.cli.samples import SAMPLES, sample
from receiver.domain.alarm import SENTENCES
from receiver.main import render_mail, render_mail_digest
from tests.browser import browser, somebody
from tests.checkers import checked, tools, violations

LOCALES = ("en", "fr", "da", "de")
SENDER, ADDRESS, HOST = "Casebell <casebell@creditor.example>", "ar@creditor.example", "casebell.example.com"
TELLER = Teller()
COLOURS = ("color-contrast",)  # all that night changes
LANDMARKS = ("region", "landmark-one-main")  # a mail is shown inside its client's page, which has them
MORNING = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)

# What some client or other does not draw, and what then happens: nothing that anybody would miss.
HARMLESS = {
    "<body> element",  # Gmail makes it a div; its colours are on the table too
    "<style> element",  # dark mode and narrow screens; the rest is inlined
    "@media",
    "Type selector",  # inside @media
    "Class selector",
    "Chaining selectors",
    "Descendant combinator",
    "display:none",  # the preheader, which repeats what the mail says
    "overflow",
    "role attribute",
    "aria-label attribute",  # of links whose own words are left then
    "white-space",  # an amount may break into two lines
}


__all__ = ["tools"]  # a fixture


@lru_cache
def mails() -> dict[str, EmailMessage]:
    """Every kind open, one of each other state, many in one, and the digest, in every language; and the alarms."""
    made = {}
    for locale in LOCALES:
        for kind in SAMPLES:
            made[f"{kind}.{locale}"] = render_mail(notice_of_sample(sample(kind), locale))
        done = replace(
            sample("portal_dispute"), state="resolved", resolved_at=MORNING, outcome="validated", resolved_by="Anna"
        )
        made[f"resolved.{locale}"] = render_mail(notice_of_sample(done, locale))
        refused = replace(sample("hardship"), problem="The debt was closed in the meantime.")
        made[f"refused.{locale}"] = render_mail(notice_of_sample(refused, locale))
        twice = replace(notice_of_sample(sample("hardship"), locale), may_repeat=True)
        made[f"in doubt.{locale}"] = render_mail(twice)
        told = [(one, TELLER.story(one)) for one in (notice_of_sample(sample(kind), locale) for kind in SAMPLES)]
        made[f"gathered.{locale}"] = gathered.render(told, TELLER.say, SENDER, ADDRESS, HOST)
        made[f"digest.{locale}"] = render_mail_digest(edition(sample_digest(locale, MORNING)))
    values = {"about": "Getbill (main)", "since": "2026-03-02 08:30 UTC", "reason": "unauthorized: 401"}
    for code, sentence in SENTENCES.items():
        text = TELLER.say("en", sentence, **values)
        made[f"alarm {code}"] = word.render(text, code, TELLER.say, SENDER, ADDRESS, HOST, MORNING)
    return made


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_html_validate_and_caniemail_find_nothing_in_any_mail(tools: Path) -> None:
    found = checked(tools, {name: html_of(mail) for name, mail in mails().items()})

    assert len(found) == len(mails())
    assert {name: answer["valid"] for name, answer in found.items() if answer["valid"]} == {}
    assert {title for answer in found.values() for title in answer["drawable"]} - HARMLESS == set()


def test_the_checks_do_find_what_is_wrong(tools: Path) -> None:
    head = '<!DOCTYPE html><html lang="en"><head><title>x</title></head>'
    wrong = f'{head}<body><p><div></p><img src="x"><form><input style="position: fixed"></form></body></html>'

    (answer,) = checked(tools, {"wrong": wrong}).values()

    assert answer["valid"]
    assert set(answer["drawable"]) - HARMLESS


@pytest.fixture(scope="module")
def chromium(tools: Path) -> Iterator[Browser]:
    assert tools.is_dir()
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_mail_by_day_and_by_night(chromium: Browser, tools: Path, scheme: str) -> None:
    found = {}
    with somebody(chromium) as person:
        page = person.new_page()
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two it names
        for name, mail in mails().items():
            page.set_content(html_of(mail), wait_until="domcontentloaded")
            found[name] = violations(page, tools, but=LANDMARKS, only=COLOURS if scheme == "dark" else ())

    assert {name: said for name, said in found.items() if said} == {}


def test_axe_does_find_what_is_wrong(chromium: Browser, tools: Path) -> None:
    with somebody(chromium) as person:
        page = person.new_page()
        page.set_content('<html><body><img src="x"><input><p style="color:#ccc;background:#fff">pale</p></body></html>')

        assert len(violations(page, tools)) >= 4


def scores(told: str) -> dict[str, float]:
    """By the name each mail was given on its way in; SpamAssassin tells of them in an order of its own."""
    named = re.findall(r"^X-Name: ([^\r\n]*)|^X-Spam-Status: [^\n]*score=(-?[0-9.]+)", told, re.MULTILINE)
    found, score = {}, ""
    for name, said in named:
        score = said or score
        if name:
            found[name] = float(score)
    return found


@pytest.mark.skipif(shutil.which("spamassassin") is None, reason="Debian's spamassassin is not installed")
def test_spamassassin_takes_none_for_spam(tmp_path: Path) -> None:
    box = mbox(tmp_path / "mails")
    for name, mail in mails().items():
        added = mboxMessage(mail)
        added["X-Name"] = name
        box.add(added)
    box.close()
    said = subprocess.run(
        ["spamassassin", "-L", "-t", "--cf=use_bayes 0", "--mbox", str(tmp_path / "mails")],
        capture_output=True, check=False, timeout=240,
    )  # fmt: skip

    found = scores(said.stdout.decode("utf-8", "replace"))
    assert found.keys() == mails().keys(), said.stderr[-2000:]
    assert {name: score for name, score in found.items() if score >= 2.0} == {}
