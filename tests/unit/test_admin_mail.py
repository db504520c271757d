"""Mails with a login link, and admin alerts by mail."""

import re
from datetime import UTC, datetime

from notifiers.email import admin_mail
from notifiers.i18n.translator import Translator
from receiver.domain.admin_alert import SENTENCES
from tests.mail_cases import ADDRESS, HOST, SENDER, html_of

LINK = "https://casebell.example.com/login/WyJhIiwiLyJd.awpB-w.tw5_Q"
AT = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
TRANSLATOR = Translator()


def test_a_login_mail_has_one_link_and_it_is_a_button() -> None:
    text = TRANSLATOR.say("en", SENTENCES["login"], url=LINK)
    html = html_of(admin_mail.render(text, "login 1", TRANSLATOR.say, SENDER, ADDRESS, HOST, AT))
    assert set(re.findall(r'href="([^"]*)"', html)) == {LINK}
    assert 'class="button"' in html
    assert "it works once, within fifteen minutes" in html


def test_a_url_in_an_admin_alert_is_no_link() -> None:
    text = "Getbill (main) fails. It answered https://evil.example/press <b>me</b>."
    html = html_of(admin_mail.render(text, "failing", TRANSLATOR.say, SENDER, ADDRESS, HOST, AT))
    assert "href" not in html
    assert "&lt;b&gt;me" in html
