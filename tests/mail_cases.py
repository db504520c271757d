"""The mails that others judge: every kind open, one of each other state, many in one, the digest, and the alarms."""

from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import cache

from notifiers.email import admin_mail, grouped
from notifiers.i18n.translator import Translator
from receiver.app import render_mail, render_mail_digest
from receiver.cli.preview import notice_of_sample
from receiver.cli.sample_digest import edition, sample_digest
from receiver.cli.samples import SAMPLES, sample
from receiver.domain.admin_alert import SENTENCES
from tests.faults.much import IS_LONG

LOCALES = ("en", "fr", "da", "de")
SENDER, ADDRESS, HOST = "Casebell <casebell@creditor.example>", "ar@creditor.example", "casebell.example.com"
TRANSLATOR = Translator()
MORNING = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
IN_ONE = ("gathered", "digest")  # these show the words of many


@cache
def in_language(locale: str) -> dict[str, EmailMessage]:
    made = {kind: render_mail(notice_of_sample(sample(kind), locale)) for kind in SAMPLES}
    done = replace(
        sample("portal_dispute"), state="resolved", resolved_at=MORNING, outcome="validated", resolved_by="Anna"
    )
    made["resolved"] = render_mail(notice_of_sample(done, locale))
    refused = replace(sample("hardship"), problem="The debt was closed in the meantime.")
    made["refused"] = render_mail(notice_of_sample(refused, locale))
    made["in doubt"] = render_mail(replace(notice_of_sample(sample("hardship"), locale), maybe_duplicate=True))
    told = [(one, TRANSLATOR.story(one)) for one in (notice_of_sample(sample(kind), locale) for kind in SAMPLES)]
    made["gathered"] = grouped.render(told, TRANSLATOR.say, SENDER, ADDRESS, HOST)
    made["digest"] = render_mail_digest(edition(sample_digest(locale, MORNING)))
    return made


@cache
def mails() -> dict[str, EmailMessage]:
    """Each kind and state in one language, the languages in turn, and what shows many in each.

    All in all languages when the run is a long one: the markup is the same, and the words of all stand in those.
    """
    made = {
        f"{name}.{locale}": mail
        for turn, locale in enumerate(LOCALES)
        for n, (name, mail) in enumerate(in_language(locale).items())
        if IS_LONG or name in IN_ONE or n % len(LOCALES) == turn
    }
    return made | alarms()


def alarms() -> dict[str, EmailMessage]:
    values = {"about": "Getbill (main)", "since": "2026-03-02 08:30 UTC", "reason": "unauthorized: 401"}
    values["url"] = f"https://{HOST}/login/WyJhIiwiLyJd.awpB-w.tw5_Q"
    return {
        f"alarm {code}": admin_mail.render(
            TRANSLATOR.say("en", sentence, **values), f"{code} 1", TRANSLATOR.say, SENDER, ADDRESS, HOST, MORNING
        )
        for code, sentence in SENTENCES.items()
    }


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())
