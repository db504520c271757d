"""Checks mails of every kind with html-validate, caniemail, SpamAssassin, and axe-core in a real Chromium.

Needs node and Chromium; a check without its tool is skipped with a reason.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from mailbox import mbox, mboxMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import browser, somebody
from tests.checkers import checked, tools, violations
from tests.mail_cases import html_of, mails

COLOURS = ("color-contrast",)  # the only rule that dark mode affects
LANDMARKS = ("region", "landmark-one-main")  # the page of the mail program has them

pytestmark = pytest.mark.tools

# What some mail programs do not support, and why the mail stays readable without it.
HARMLESS = {
    "<body> element",  # Gmail makes it a div; the table has the same colours
    "<style> element",  # dark mode and narrow screens; the rest is inlined
    "@media",
    "Type selector",  # inside @media
    "Class selector",
    "Chaining selectors",
    "Descendant combinator",
    "display:none",  # the preheader, which repeats text of the mail
    "overflow",
    "role attribute",
    "aria-label attribute",  # of links; their own text remains
    "word-break",  # the address of a link then stays on one line
    "white-space",  # an amount may break into two lines
}


__all__ = ["tools"]  # a fixture


def test_html_validate_and_caniemail_find_nothing_in_any_mail(tools: Path) -> None:
    found = checked(tools, {name: html_of(mail) for name, mail in mails().items()})

    assert len(found) == len(mails())
    assert {name: answer["valid"] for name, answer in found.items() if answer["valid"]} == {}
    assert {title for answer in found.values() for title in answer["drawable"]} - HARMLESS == set()


def test_html_validate_and_caniemail_find_planted_faults(tools: Path) -> None:
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
def test_axe_finds_nothing_in_any_mail_in_light_and_dark_mode(chromium: Browser, tools: Path, scheme: str) -> None:
    found = {}
    with somebody(chromium) as person:
        page = person.new_page()
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two it names
        for name, mail in mails().items():
            page.set_content(html_of(mail), wait_until="domcontentloaded")
            found[name] = violations(page, tools, but=LANDMARKS, only=COLOURS if scheme == "dark" else ())

    assert {name: faults for name, faults in found.items() if faults} == {}


def test_axe_finds_planted_faults(chromium: Browser, tools: Path) -> None:
    with somebody(chromium) as person:
        page = person.new_page()
        page.set_content('<html><body><img src="x"><input><p style="color:#ccc;background:#fff">pale</p></body></html>')

        assert len(violations(page, tools)) >= 4


def scores(output: str) -> dict[str, float]:
    """The score of each mail by the name in its X-Name header, because SpamAssassin changes the order."""
    named = re.findall(r"^X-Name: ([^\r\n]*)|^X-Spam-Status: [^\n]*score=(-?[0-9.]+)", output, re.MULTILINE)
    found, score = {}, ""
    for name, value in named:
        score = value or score
        if name:
            found[name] = float(score)
    return found


@pytest.mark.skipif(shutil.which("spamassassin") is None, reason="Debian's spamassassin is not installed")
def test_spamassassin_scores_no_mail_as_spam(tmp_path: Path) -> None:
    box = mbox(tmp_path / "mails")
    for name, mail in mails().items():
        added = mboxMessage(mail)
        added["X-Name"] = name
        box.add(added)
    box.close()
    run = subprocess.run(
        ["spamassassin", "-L", "-t", "--cf=use_bayes 0", "--mbox", str(tmp_path / "mails")],
        capture_output=True, check=False, timeout=240,
    )  # fmt: skip

    found = scores(run.stdout.decode("utf-8", "replace"))
    assert found.keys() == mails().keys(), run.stderr[-2000:]
    assert {name: score for name, score in found.items() if score >= 2.0} == {}
