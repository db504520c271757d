"""A digest as people get it: by mail in every language, and in Slack."""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from html import unescape

import pytest
from babel.numbers import list_currencies

from casebell_sandbox.slack_rules import violations
from notifiers.email.digest import render_digest
from notifiers.i18n.translator import Translator
from notifiers.slack import digest as slack_digest
from notifiers.story.digest_text import format_digest
from receiver.cli.sample_digest import RULE, edition, sample_digest
from receiver.domain.digest import Digest, Edition
from receiver.domain.digest_build import build_digest
from receiver.domain.money import Money
from receiver.domain.totals import Totals
from tests.factories import NOW, make_item, make_snapshot

SENDER, TO, HOST = "Casebell <casebell@creditor.example>", "cfo@creditor.example", "casebell.example.com"
LOCALES = ("en", "fr", "da", "de")
MORNING = sample_digest("en", NOW)
CROWDED = sample_digest("de", NOW, many=400)
EMPTY = replace(MORNING, parts=(), totals=Totals(), flow=(), figures=(), silent=(), new=0)


def mail_of(shown: Edition) -> EmailMessage:
    """As it comes out at the other end of the wire."""
    sent = render_digest(shown, Translator().say, SENDER, TO, HOST)
    return message_from_bytes(sent.as_bytes(policy=SMTP), policy=default)


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def with_title(digest: Digest, **said: object) -> Digest:
    """The first entry of the first part, with other words."""
    first, *rest = digest.parts
    entry = first.entries[0]
    snapshot = replace(make_snapshot(key=entry.item.key), **said)  # type: ignore[arg-type]
    entries = (replace(entry, item=replace(entry.item, snapshot=snapshot)), *first.entries[1:])
    return replace(digest, parts=(replace(first, entries=entries), *rest))


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_says_all_of_it(locale: str) -> None:
    digest = sample_digest(locale, NOW)
    mail = mail_of(edition(digest))
    told = format_digest(digest)

    for text in (body(mail, "plain"), body(mail, "html")):
        for section in told.sections:
            assert section.title.upper() in text.upper()
        assert told.next_at in text
        assert told.warnings[0] in text
    assert f'<html lang="{locale}">' in body(mail, "html")
    assert {"{", "}"} & set(body(mail, "plain")) == set()


def bars_of(html: str) -> list[list[tuple[str, int]]]:
    """Of each bar its cells: class and width in percent."""
    bars = re.findall(r'<table class="bar".*?</table>', html, re.DOTALL)
    cells = r'<td class="([a-z0-9-]+)"(?=[^>]* bgcolor="#)[^>]* width="(\d+)%"'
    return [[(tone, int(width)) for tone, width in re.findall(cells, bar)] for bar in bars]


def text_of(html: str) -> str:
    """What a screen reader reads: the words of the body in order."""
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).split())


@pytest.mark.parametrize("digest", [MORNING, EMPTY])
def test_a_digest_has_two_bodies_and_no_image(digest: Digest) -> None:
    mail = mail_of(Edition(digest))

    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert "<img" not in body(mail, "html")
    assert "url(" not in body(mail, "html")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_bar_has_its_label_and_its_figure_beside_it(locale: str) -> None:
    digest = sample_digest(locale, NOW)
    told, mail = format_digest(digest), mail_of(edition(digest))
    html, text = text_of(body(mail, "html")), body(mail, "plain")

    ages = " ".join(f"{bar.label} {bar.short}" for bar in told.ages[0].bars)
    weeks = " ".join(f"{week} {opened} {resolved}" for week, opened, resolved in told.flow.weeks)
    assert " ".join(f"{told.ages[0].title} {ages}".split()) in html
    assert " ".join(f"{told.flow.totals[1]} {told.flow.resolved} {weeks}".split()) in html
    for bar in told.ages[0].bars:
        assert re.search(rf"{re.escape(bar.label)}\s?: {re.escape(bar.amount)} \({bar.claims}\)", text)
    assert body(mail, "html").count('scope="row"') == len(told.ages[0].bars) + len(told.flow.weeks)


def test_the_widths_are_the_shares() -> None:
    told, bars = format_digest(MORNING), bars_of(body(mail_of(edition(MORNING)), "html"))
    most = max(max(opened, resolved) for _, opened, resolved in told.flow.weeks)
    counts = [count for _, *both in told.flow.weeks for count in both]
    shares = [bar.share for bar in told.ages[0].bars] + [count / most for count in counts]

    assert [sum(width for _, width in bar) for bar in bars] == [100] * len(shares)
    filled = [sum(width for tone, width in bar if tone != "track") for bar in bars]
    assert filled == [max(round(share * 100), 2) if share else 0 for share in shares]
    assert 100 in filled[:5]
    assert 100 in filled[5:]


def test_seven_days_of_each_bar_end_with_the_newest_day_and_lose_none() -> None:
    flow = format_digest(MORNING).flow

    labels = [week for week, _, _ in flow.weeks]
    assert labels == ["1–2 Feb", "3–9 Feb", "10–16 Feb", "17–23 Feb", "24 Feb\u2009–\u20092 Mar"]
    assert sum(opened for _, opened, _ in flow.weeks) == flow.totals[0]
    assert sum(resolved for _, _, resolved in flow.weeks) == flow.totals[1]


def test_nothing_to_compare_is_no_chart() -> None:
    nothing = format_digest(EMPTY)
    calm = replace(MORNING, flow=tuple(replace(day, opened=0, resolved=0) for day in MORNING.flow))

    assert nothing.flow.share(0) == format_digest(calm).flow.share(0) == 0
    assert bars_of(body(mail_of(Edition(EMPTY)), "html")) == []
    assert len(bars_of(body(mail_of(Edition(calm)), "html"))) == len(format_digest(calm).ages[0].bars)
    assert len(bars_of(body(mail_of(Edition(replace(MORNING, totals=Totals()))), "html"))) == 10


def test_a_currency_of_a_stranger_is_no_markup_in_a_chart() -> None:
    digest = worth((1, "<b>"))

    assert "<b>" not in re.findall(r"<caption.*?</caption>", body(mail_of(Edition(digest)), "html"), re.DOTALL)


def test_a_crowded_morning_stays_below_what_gmail_clips_and_says_how_many_more() -> None:
    mail = mail_of(edition(CROWDED))
    html = body(mail, "html")

    assert len(html.encode()) <= 80_000
    blocking = CROWDED.part("blocking").count
    assert f"und {blocking - 12} weitere" in html
    assert f"({blocking})" in html


def test_what_finds_no_room_is_a_link_to_the_inbox_for_whoever_may_open_it() -> None:
    inbox = f"https://{HOST}/"
    with_link, without = (mail_of(replace(edition(CROWDED), inbox_url=url)) for url in (inbox, None))

    assert f'href="{inbox}"' in body(with_link, "html")
    assert inbox in body(with_link, "plain")
    assert f'href="{inbox}"' not in body(without, "html")


def test_strangers_novels_cost_rows_and_never_the_limit() -> None:
    long = replace(
        CROWDED,
        parts=tuple(
            replace(
                part,
                entries=tuple(
                    replace(
                        e, item=replace(e.item, snapshot=replace(e.item.snapshot, title="<&>" * 99, debtor="&<" * 80))
                    )
                    for e in part.entries
                ),
            )
            for part in CROWDED.parts
        ),
    )

    assert len(body(mail_of(edition(long)), "html").encode()) <= 80_000


def test_one_click_unsubscribes_and_machines_know_what_this_is() -> None:
    mail = mail_of(edition(MORNING))

    assert mail["List-Unsubscribe"] == "<https://casebell.example.com/unsubscribe/preview>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "<daily.digest.casebell.example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["References"] is None
    assert mail["Date"] is not None


def test_the_same_digest_to_the_same_address_is_the_same_mail_and_to_another_one_another() -> None:
    first, again = mail_of(edition(MORNING)), mail_of(edition(MORNING))
    other = render_digest(edition(MORNING), Translator().say, SENDER, "coo@creditor.example", HOST)
    tomorrow = mail_of(edition(sample_digest("en", NOW.replace(day=3))))

    assert first["Message-ID"] == again["Message-ID"]
    assert len({first["Message-ID"], other["Message-ID"], tomorrow["Message-ID"]}) == 3


def test_who_may_decide_gets_links_to_decide_by_and_others_to_the_source() -> None:
    shown = edition(MORNING)
    reader = replace(shown, decide_links={})

    assert "/act/" in body(mail_of(shown), "html")
    assert "/act/" not in body(mail_of(reader), "html")
    assert "https://app.debitura.com/" in body(mail_of(reader), "html")


@pytest.mark.parametrize("title", ["<script>alert(1)</script>", "Dispute\r\nBcc: eve@elsewhere.example", "a\u202eb"])
def test_a_strangers_title_is_neither_markup_nor_a_header(title: str) -> None:
    mail = mail_of(edition(with_title(MORNING, title=title)))

    assert "<script" not in body(mail, "html")
    assert mail["Bcc"] is None
    assert "\u202e" not in body(mail, "plain")


def test_a_link_that_is_not_https_leads_nowhere() -> None:
    entry = MORNING.parts[0].entries[0]
    mail = mail_of(Edition(MORNING, {}, {entry.item.id: "javascript:alert(1)"}, "http://elsewhere.example/u"))

    assert "javascript:" not in body(mail, "html")
    assert mail["List-Unsubscribe"] is None


def test_a_hidden_debtor_stays_hidden() -> None:
    digest = with_title(MORNING, debtor="Jane Roe", title=None)
    first = digest.parts[0]
    masked = replace(first, entries=(replace(first.entries[0], is_masked=True),))

    text = body(mail_of(edition(replace(digest, parts=(masked,)))), "plain")
    assert "J. R." in text
    assert "Jane Roe" not in text


def test_amounts_of_several_currencies_are_never_added() -> None:
    at_risk = MORNING.totals.at_risk
    subject = mail_of(edition(MORNING))["Subject"]

    assert len(at_risk) == 2
    for one in at_risk:
        assert str(one.total.amount.quantize(1)).lstrip("-")[:2] in re.sub(r"[^\d]", "", subject)


def worth(*amounts: tuple[int, str | None]) -> Digest:
    """A digest of one debt for each amount."""
    said = [
        make_snapshot(key=f"getbill:main:x:{n}", debt_id=f"d{n}", amount=Money(Decimal(amount), currency))
        for n, (amount, currency) in enumerate(amounts)
    ]
    items = [make_item(one, id=f"item{n:08}") for n, one in enumerate(said)]
    return build_digest(RULE, items, NOW - timedelta(days=1), NOW)


def figure_of(digest: Digest) -> str:
    label, first, beside = format_digest(digest).key_figures[0]
    return f"{label}: {first} ({beside})".replace("\xa0", " ")


def test_a_fifth_currency_is_told_and_so_is_what_no_sum_takes_in() -> None:
    five = worth((1, "EUR"), (2, "DKK"), (3, "SEK"), (4, "NOK"), (5_000_000, "GBP"), (7, None), (8, None))

    assert figure_of(five) == (
        "Amount at risk: DKK 2.00 (+ €1.00 + £5,000,000.00 + NOK 4.00 + SEK 3.00"
        " + 2 items, amount or currency not known yet)"
    )
    assert len(format_digest(five).ages) == 5
    subject = format_digest(five).subject.replace("\xa0", " ")
    assert "DKK 2.00 + €1.00" in subject
    assert subject.endswith(" + 2 items, amount or currency not known yet")


def test_yen_euros_and_what_has_no_currency_are_never_added() -> None:
    after_a_burst = worth((4_743_865, "JPY"), (29_735, "EUR"), *((n, None) for n in range(1, 201)))
    unread = worth(*((n, None) for n in range(1, 201)))

    assert format_digest(after_a_burst).subject.endswith(
        "€29,735.00 + JP¥4,743,865 + 200 items, amount or currency not known yet"
    )
    assert format_digest(unread).subject.endswith("· 200 items, amount or currency not known yet")
    assert figure_of(unread) == "Amount at risk: – (200 items, amount or currency not known yet)"
    assert format_digest(unread).ages == ()


@pytest.mark.parametrize("locale", LOCALES)
def test_currencies_that_do_not_fit_a_subject_are_counted(locale: str) -> None:
    currencies = sorted(list_currencies())[:40]
    many = replace(worth(*((10**6, currency) for currency in currencies), (1, None)), locale=locale)
    told = format_digest(many)

    sums, more, unknown = told.subject.partition(" · ")[2].rsplit(" + ", 2)
    assert len(sums.split(" + ")) + int(more.split()[0]) == 40
    assert unknown.startswith("1 ")
    assert mail_of(edition(many))["Subject"] == told.subject
    assert violations(slack_digest.render_digest(edition(many)).blocks, "x") == []


def test_what_is_snoozed_is_said_where_the_digest_sums_up() -> None:
    asleep = replace(make_item(), snoozed_until=NOW + timedelta(days=1))
    digest = build_digest(RULE, [asleep, make_item(make_snapshot(debt_id="d2"), id="b")], NOW - timedelta(days=1), NOW)

    assert format_digest(digest).summary.startswith("1 to decide, 1 new, 1 snoozed (")


@pytest.mark.parametrize("digest", [*(sample_digest(locale, NOW) for locale in LOCALES), CROWDED, EMPTY])
def test_slack_takes_the_same_digest(digest: Digest) -> None:
    message = slack_digest.render_digest(edition(digest))

    assert violations(message.blocks, message.text) == []
    assert "/act/" not in str(message.blocks)
    assert format_digest(digest).next_at in str(message.blocks)


def test_slack_takes_it_with_the_longest_words_there_are() -> None:
    digest = with_title(CROWDED, title="&" * 300, debtor="<!channel>" * 30, amount=Money(Decimal(10**15), "EUR"))

    message = slack_digest.render_digest(edition(digest))

    assert violations(message.blocks, message.text) == []
    assert "<!channel>" not in message.text
