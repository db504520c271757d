"""One mail for all that quiet hours held back: it fits whatever there is, and says what it leaves out."""

import re
from dataclasses import replace
from email.message import EmailMessage

from notifiers.email import grouped
from notifiers.email.render import MAX_HTML
from notifiers.i18n.translator import Translator
from receiver.domain.notice import Link, Notice
from tests.factories import make_item, make_notice, make_snapshot

TRANSLATOR = Translator()
INBOX = Link("inbox", "https://casebell.example.com/")


def notices(many: int, *links: Link, reference: str = "INV-{n}") -> list[Notice]:
    decide = Link("decide", "https://casebell.example.com/act/" + "a" * 90)
    items = [
        make_item(make_snapshot(key=f"getbill:main:x:{n}", reference=reference.format(n=n)), id=f"i{n}")
        for n in range(many)
    ]
    return [make_notice(item, links=(decide, *links)) for item in items]


def mail(told: list[Notice]) -> EmailMessage:
    sender = "Casebell <casebell@creditor.example>"
    stories = [(one, TRANSLATOR.story(one)) for one in told]
    return grouped.render(stories, TRANSLATOR.say, sender, "ar@creditor.example", "casebell.example.com")


def part(made: EmailMessage, kind: str) -> str:
    found = made.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_a_busy_night_stays_below_what_gmail_clips_and_says_how_many_more() -> None:
    for reference in ("INV-{n}", "INV-{n}-" + "<&>" * 60):
        made = mail(notices(300, reference=reference))
        listed = part(made, "plain").count("/act/")

        assert made["subject"] == "300 alerts came in during quiet hours"
        assert 12 <= listed < 300
        assert len(part(made, "html").encode()) <= MAX_HTML
        assert f"and {300 - listed} more" in part(made, "html")
        assert f"and {300 - listed} more" in part(made, "plain")


def test_what_finds_no_room_is_a_link_to_the_inbox_for_whoever_may_open_it() -> None:
    theirs, others = mail(notices(120, INBOX)), mail(notices(120))

    assert re.search(r'<a href="https://casebell.example.com/"[^>]*>and \d+ more', part(theirs, "html"))
    assert re.search(r"and \d+ more – https://casebell\.example\.com/\n", part(theirs, "plain"))
    assert '<a href="https://casebell.example.com/"' not in part(others, "html")


def test_all_that_find_room_are_listed_and_no_more_is_spoken_of() -> None:
    made = mail(notices(20, INBOX))

    assert part(made, "plain").count("/act/") == part(made, "html").count("/act/") == 20
    assert " more" not in part(made, "plain")


def test_a_second_copy_says_that_it_may_be_one() -> None:
    told = notices(3)
    again = [replace(one, maybe_duplicate=True) for one in told]

    assert "This may reach you twice" not in part(mail(told), "plain")
    assert "This may reach you twice" in part(mail(again), "plain")
    assert "This may reach you twice" in part(mail(again), "html")
    assert mail(told)["message-id"] == mail(again)["message-id"]
