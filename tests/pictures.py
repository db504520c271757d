"""``make pictures``: draws docs/pictures/ with Chromium; ``ARGS="slack mails pages"`` names the groups to draw."""

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser import browser, somebody
from tests.harness import ROOT, eventually, world
from tests.mail_cases import admin_mails, html_of, mails_in
from tests.slack_pictures import draw_slack

FOLDER = ROOT / "docs" / "pictures"
DESK, PHONE = 680, 390
# file: mail, width, colours
MAILS = {
    "alert-mail-desktop": ("portal_dispute", DESK, "light"),
    "alert-mail-phone": ("portal_dispute", PHONE, "dark"),
    "digest-desktop": ("digest", DESK, "light"),
    "digest-phone": ("digest", PHONE, "light"),
    "digest-phone-dark": ("digest", PHONE, "dark"),
    "admin-alert-mail-desktop": ("admin source_refuses", DESK, "light"),
}


def draw_mails(chromium: Browser) -> None:
    """Every mail of the page."""
    mails = mails_in("en") | admin_mails()
    for name, (mail, width, colours) in MAILS.items():
        with somebody(chromium) as person:
            page = person.new_page()
            page.set_viewport_size({"width": width, "height": 300})
            page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
            page.set_content(html_of(mails[mail]))
            (FOLDER / f"{name}.png").write_bytes(page.screenshot(full_page=True))


def draw_act_page(chromium: Browser) -> None:
    """The page behind a link, as whoever opens it finds it."""
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as here:
        here.dispute(reference="INV-2024-001")
        eventually(lambda: here.mail.messages, "a mail")
        part = here.mail.messages[0].message.get_body(("plain",))
        assert part is not None
        link = re.search(r"http://127\.0\.0\.1:\d+/act/[\w.\-]+", part.get_content())
        assert link is not None
        for name, width in (("act-page-desktop", DESK), ("act-page-phone", PHONE)):
            with somebody(chromium) as person:
                page = person.new_page()
                page.set_viewport_size({"width": width, "height": 300})
                page.goto(link[0])
                (FOLDER / f"{name}.png").write_bytes(page.screenshot(full_page=True))


def draw_inbox(chromium: Browser) -> None:
    """The list of what waits, as whoever is signed in finds it."""
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as here:
        for kind in ("portal_dispute", "ai_dispute", "hardship", "payment_plan"):
            here.getbill_event(here.getbill.event(here.getbill.add(kind)))
        for kind in ("ReplyToChat", "ReviewPartner"):
            here.debitura.add_task(kind)
        eventually(lambda: len(here.service.items()) == 6, "six items")
        for name, (width, colours) in {"inbox-desktop": (960, "light"), "inbox-phone": (PHONE, "dark")}.items():
            with somebody(chromium) as person:
                page = person.new_page()
                page.set_viewport_size({"width": width, "height": 300})
                page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
                page.goto(here.service.command("login", "ops@creditor.example").stdout.strip())
                page.get_by_role("button").click()
                page.wait_for_url(f"{here.service.url}/")
                (FOLDER / f"{name}.png").write_bytes(page.screenshot(full_page=True))


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["slack", "mails", "pages"]
    with browser() as opened:
        if "slack" in wanted:
            draw_slack(opened, FOLDER)
        if "mails" in wanted:
            draw_mails(opened)
        if "pages" in wanted:
            draw_act_page(opened)
            draw_inbox(opened)
    print(f"pictures are in {FOLDER}")  # noqa: T201 - for whoever asked for them
