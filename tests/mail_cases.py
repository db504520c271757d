"""The mails that external checkers read: every kind and state, a grouped mail, a digest and all admin mails."""

from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import cache

from notifiers.email import admin_mail, grouped
from notifiers.i18n.translator import Translator
from receiver.app import render_mail, render_mail_digest
from receiver.domain.admin_alert import SENTENCES
from receiver.samples.digest import sample_digest, sample_edition
from receiver.samples.items import SAMPLES, sample_item
from receiver.samples.notice import sample_notice
from tests.faults.much import IS_LONG

LOCALES = ("en", "fr", "da", "de")
SENDER, ADDRESS, HOST = "Casebell <casebell@creditor.example>", "ar@creditor.example", "casebell.example.com"
TRANSLATOR = Translator()
MORNING = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
COMBINED = ("grouped", "digest")  # these show texts of many items


@cache
def mails_in(locale: str) -> dict[str, EmailMessage]:
    mails = {kind: render_mail(sample_notice(sample_item(kind), locale)) for kind in SAMPLES}
    resolved = replace(
        sample_item("portal_dispute"), state="resolved", resolved_at=MORNING, outcome="validated", resolved_by="Anna"
    )
    mails["resolved"] = render_mail(sample_notice(resolved, locale))
    refused = replace(sample_item("hardship"), problem="The debt was closed in the meantime.")
    mails["refused"] = render_mail(sample_notice(refused, locale))
    mails["maybe duplicate"] = render_mail(
        replace(sample_notice(sample_item("hardship"), locale), maybe_duplicate=True)
    )
    notices = [sample_notice(sample_item(kind), locale) for kind in SAMPLES]
    stories = [(notice, TRANSLATOR.story(notice)) for notice in notices]
    mails["grouped"] = grouped.render(stories, TRANSLATOR.say, SENDER, ADDRESS, HOST)
    mails["digest"] = render_mail_digest(sample_edition(sample_digest(locale, MORNING)))
    return mails


@cache
def mails() -> dict[str, EmailMessage]:
    """Each kind and state in one of the languages in turn; the grouped mail and the digest in each.

    A long run has every mail in every language. The markup is the same in all of them.
    """
    selected = {
        f"{name}.{locale}": mail
        for turn, locale in enumerate(LOCALES)
        for n, (name, mail) in enumerate(mails_in(locale).items())
        if IS_LONG or name in COMBINED or n % len(LOCALES) == turn
    }
    return selected | admin_mails()


def admin_mails() -> dict[str, EmailMessage]:
    values = {"about": "Getbill (main)", "since": "2026-03-02 08:30 UTC", "reason": "unauthorized: 401"}
    values["url"] = f"https://{HOST}/login/WyJhIiwiLyJd.awpB-w.tw5_Q"
    return {
        f"admin {code}": admin_mail.render(
            TRANSLATOR.say("en", sentence, **values), f"{code} 1", TRANSLATOR.say, SENDER, ADDRESS, HOST, MORNING
        )
        for code, sentence in SENTENCES.items()
    }


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())
