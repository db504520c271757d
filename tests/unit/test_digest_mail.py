"""A digest as mail in every language, and as a Slack message."""

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
from receiver.domain.digest import Digest, Edition
from receiver.domain.digest_build import build_digest
from receiver.domain.money import Money
from receiver.domain.totals import Totals
from receiver.samples.digest import RULE, sample_digest, sample_edition
from tests.factories import NOW, make_item, make_snapshot

SENDER, TO, HOST = "Casebell <casebell@creditor.example>", "cfo@creditor.example", "casebell.example.com"
LOCALES = ("en", "fr", "da", "de")
MORNING = sample_digest("en", NOW)
CROWDED = sample_digest("de", NOW, many=400)
EMPTY = replace(MORNING, parts=(), totals=Totals(), flow=(), figures=(), silent=(), new=0)


def mail_of(of: Edition) -> EmailMessage:
    """The mail as it arrives, parsed from its bytes."""
    sent = render_digest(of, Translator().say, SENDER, TO, HOST)
    return message_from_bytes(sent.as_bytes(policy=SMTP), policy=default)


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def with_snapshot(digest: Digest, **changes: object) -> Digest:
    """The digest with changes in the snapshot of its first entry."""
    first, *rest = digest.parts
    entry = first.entries[0]
    snapshot = replace(make_snapshot(key=entry.item.key), **changes)  # type: ignore[arg-type]
    entries = (replace(entry, item=replace(entry.item, snapshot=snapshot)), *first.entries[1:])
    return replace(digest, parts=(replace(first, entries=entries), *rest))


@pytest.mark.parametrize("locale", LOCALES)
def test_every_section_is_in_both_bodies_in_every_language(locale: str) -> None:
    digest = sample_digest(locale, NOW)
    mail = mail_of(sample_edition(digest))
    digest_text = format_digest(digest)

    for text in (body(mail, "plain"), body(mail, "html")):
        for section in digest_text.sections:
            assert section.title.upper() in text.upper()
        assert digest_text.next_at in text
        assert digest_text.warnings[0] in text
    assert f'<html lang="{locale}">' in body(mail, "html")
    assert {"{", "}"} & set(body(mail, "plain")) == set()


def bars_of(html: str) -> list[list[tuple[str, int]]]:
    """The cells of each bar: class and width in percent."""
    bars = re.findall(r'<table class="bar".*?</table>', html, re.DOTALL)
    cells = r'<td class="([a-z0-9-]+)"(?=[^>]* bgcolor="#)[^>]* width="(\d+)%"'
    return [[(tone, int(width)) for tone, width in re.findall(cells, bar)] for bar in bars]


def text_of(html: str) -> str:
    """The text of the body in order, as a screen reader reads it."""
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).split())


@pytest.mark.parametrize("digest", [MORNING, EMPTY])
def test_a_digest_has_two_bodies_and_no_image(digest: Digest) -> None:
    mail = mail_of(Edition(digest))

    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert "<img" not in body(mail, "html")
    assert "url(" not in body(mail, "html")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_bar_has_a_label_and_a_figure(locale: str) -> None:
    digest = sample_digest(locale, NOW)
    digest_text, mail = format_digest(digest), mail_of(sample_edition(digest))
    html, text = text_of(body(mail, "html")), body(mail, "plain")

    ages = " ".join(f"{bar.label} {bar.short}" for bar in digest_text.ages[0].bars)
    weeks = " ".join(f"{week} {opened} {resolved}" for week, opened, resolved in digest_text.flow.weeks)
    assert " ".join(f"{digest_text.ages[0].title} {ages}".split()) in html
    assert " ".join(f"{digest_text.flow.totals[1]} {digest_text.flow.resolved} {weeks}".split()) in html
    for bar in digest_text.ages[0].bars:
        assert re.search(rf"{re.escape(bar.label)}\s?: {re.escape(bar.amount)} \({bar.claims}\)", text)
    assert body(mail, "html").count('scope="row"') == len(digest_text.ages[0].bars) + len(digest_text.flow.weeks)


def test_the_width_of_a_bar_is_its_share() -> None:
    digest_text, bars = format_digest(MORNING), bars_of(body(mail_of(sample_edition(MORNING)), "html"))
    most = max(max(opened, resolved) for _, opened, resolved in digest_text.flow.weeks)
    counts = [count for _, *both in digest_text.flow.weeks for count in both]
    shares = [bar.share for bar in digest_text.ages[0].bars] + [count / most for count in counts]

    assert [sum(width for _, width in bar) for bar in bars] == [100] * len(shares)
    filled = [sum(width for tone, width in bar if tone != "track") for bar in bars]
    assert filled == [max(round(share * 100), 2) if share else 0 for share in shares]
    assert 100 in filled[:5]
    assert 100 in filled[5:]


def test_the_newest_bar_has_seven_days_and_no_day_is_lost() -> None:
    flow = format_digest(MORNING).flow

    labels = [week for week, _, _ in flow.weeks]
    assert labels == ["1–2 Feb", "3–9 Feb", "10–16 Feb", "17–23 Feb", "24 Feb\u2009–\u20092 Mar"]
    assert sum(opened for _, opened, _ in flow.weeks) == flow.totals[0]
    assert sum(resolved for _, _, resolved in flow.weeks) == flow.totals[1]


def test_a_chart_without_figures_is_left_out() -> None:
    empty = format_digest(EMPTY)
    no_flow = replace(MORNING, flow=tuple(replace(day, opened=0, resolved=0) for day in MORNING.flow))

    assert empty.flow.share(0) == format_digest(no_flow).flow.share(0) == 0
    assert bars_of(body(mail_of(Edition(EMPTY)), "html")) == []
    assert len(bars_of(body(mail_of(Edition(no_flow)), "html"))) == len(format_digest(no_flow).ages[0].bars)
    assert len(bars_of(body(mail_of(Edition(replace(MORNING, totals=Totals()))), "html"))) == 10


def test_an_invalid_currency_is_no_markup_in_a_chart() -> None:
    digest = worth((1, "<b>"))

    assert "<b>" not in re.findall(r"<caption.*?</caption>", body(mail_of(Edition(digest)), "html"), re.DOTALL)


def test_a_long_digest_stays_below_gmails_limit_and_counts_the_rest() -> None:
    mail = mail_of(sample_edition(CROWDED))
    html = body(mail, "html")

    assert len(html.encode()) <= 80_000
    blocking = CROWDED.part("blocking").count
    assert f"und {blocking - 12} weitere" in html
    assert f"({blocking})" in html


def test_the_count_of_the_rest_links_to_the_inbox_where_the_recipient_may_open_it() -> None:
    inbox = f"https://{HOST}/"
    with_link, without = (mail_of(replace(sample_edition(CROWDED), inbox_url=url)) for url in (inbox, None))

    assert f'href="{inbox}"' in body(with_link, "html")
    assert inbox in body(with_link, "plain")
    assert f'href="{inbox}"' not in body(without, "html")


def test_long_texts_reduce_the_rows_and_never_exceed_the_limit() -> None:
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

    assert len(body(mail_of(sample_edition(long)), "html").encode()) <= 80_000


def test_a_digest_has_the_headers_of_a_list_and_of_an_automatic_mail() -> None:
    mail = mail_of(sample_edition(MORNING))

    assert mail["List-Unsubscribe"] == "<https://casebell.example.com/unsubscribe/preview>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "<daily.digest.casebell.example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["References"] is None
    assert mail["Date"] is not None


def test_the_message_id_depends_on_digest_time_and_address() -> None:
    first, again = mail_of(sample_edition(MORNING)), mail_of(sample_edition(MORNING))
    other = render_digest(sample_edition(MORNING), Translator().say, SENDER, "coo@creditor.example", HOST)
    tomorrow = mail_of(sample_edition(sample_digest("en", NOW.replace(day=3))))

    assert first["Message-ID"] == again["Message-ID"]
    assert len({first["Message-ID"], other["Message-ID"], tomorrow["Message-ID"]}) == 3


def test_people_who_may_decide_get_action_links_and_others_links_to_the_source() -> None:
    decider = sample_edition(MORNING)
    reader = replace(decider, decide_links={})

    assert "/act/" in body(mail_of(decider), "html")
    assert "/act/" not in body(mail_of(reader), "html")
    assert "https://app.debitura.com/" in body(mail_of(reader), "html")


@pytest.mark.parametrize("title", ["<script>alert(1)</script>", "Dispute\r\nBcc: eve@elsewhere.example", "a\u202eb"])
def test_a_hostile_title_is_neither_markup_nor_a_header(title: str) -> None:
    mail = mail_of(sample_edition(with_snapshot(MORNING, title=title)))

    assert "<script" not in body(mail, "html")
    assert mail["Bcc"] is None
    assert "\u202e" not in body(mail, "plain")


def test_a_link_that_is_not_https_is_left_out() -> None:
    entry = MORNING.parts[0].entries[0]
    mail = mail_of(Edition(MORNING, {}, {entry.item.id: "javascript:alert(1)"}, "http://elsewhere.example/u"))

    assert "javascript:" not in body(mail, "html")
    assert mail["List-Unsubscribe"] is None


def test_a_masked_debtor_is_masked() -> None:
    digest = with_snapshot(MORNING, debtor="Jane Roe", title=None)
    first = digest.parts[0]
    masked = replace(first, entries=(replace(first.entries[0], is_masked=True),))

    text = body(mail_of(sample_edition(replace(digest, parts=(masked,)))), "plain")
    assert "J. R." in text
    assert "Jane Roe" not in text


def test_amounts_of_several_currencies_are_never_added() -> None:
    at_risk = MORNING.totals.at_risk
    subject = mail_of(sample_edition(MORNING))["Subject"]

    assert len(at_risk) == 2
    for one in at_risk:
        assert str(one.total.amount.quantize(1)).lstrip("-")[:2] in re.sub(r"[^\d]", "", subject)


def worth(*amounts: tuple[int, str | None]) -> Digest:
    """A digest of one debt for each amount."""
    snapshots = [
        make_snapshot(key=f"getbill:main:x:{n}", debt_id=f"d{n}", amount=Money(Decimal(amount), currency))
        for n, (amount, currency) in enumerate(amounts)
    ]
    items = [make_item(one, id=f"item{n:08}") for n, one in enumerate(snapshots)]
    return build_digest(RULE, items, NOW - timedelta(days=1), NOW)


def figure_of(digest: Digest) -> str:
    label, first, beside = format_digest(digest).key_figures[0]
    return f"{label}: {first} ({beside})".replace("\xa0", " ")


def test_every_currency_and_the_count_of_unknown_amounts_are_shown() -> None:
    five = worth((1, "EUR"), (2, "DKK"), (3, "SEK"), (4, "NOK"), (5_000_000, "GBP"), (7, None), (8, None))

    assert figure_of(five) == (
        "Amount at risk: DKK 2.00 (+ €1.00 + £5,000,000.00 + NOK 4.00 + SEK 3.00"
        " + 2 items, amount or currency not known yet)"
    )
    assert len(format_digest(five).ages) == 5
    subject = format_digest(five).subject.replace("\xa0", " ")
    assert "DKK 2.00 + €1.00" in subject
    assert subject.endswith(" + 2 items, amount or currency not known yet")


def test_amounts_without_a_currency_are_counted_and_not_added() -> None:
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
    digest_text = format_digest(many)

    sums, more, unknown = digest_text.subject.partition(" · ")[2].rsplit(" + ", 2)
    assert len(sums.split(" + ")) + int(more.split()[0]) == 40
    assert unknown.startswith("1 ")
    assert mail_of(sample_edition(many))["Subject"] == digest_text.subject
    assert violations(slack_digest.render_digest(sample_edition(many)).blocks, "x") == []


def test_the_summary_counts_snoozed_items() -> None:
    snoozed = replace(make_item(), snoozed_until=NOW + timedelta(days=1))
    digest = build_digest(RULE, [snoozed, make_item(make_snapshot(debt_id="d2"), id="b")], NOW - timedelta(days=1), NOW)

    assert format_digest(digest).summary.startswith("1 to decide, 1 new, 1 snoozed (")


@pytest.mark.parametrize("digest", [*(sample_digest(locale, NOW) for locale in LOCALES), CROWDED, EMPTY])
def test_slack_accepts_the_same_digest(digest: Digest) -> None:
    message = slack_digest.render_digest(sample_edition(digest))

    assert violations(message.blocks, message.text) == []
    assert "/act/" not in str(message.blocks)
    assert format_digest(digest).next_at in str(message.blocks)


def test_slack_accepts_a_digest_with_the_longest_texts() -> None:
    digest = with_snapshot(CROWDED, title="&" * 300, debtor="<!channel>" * 30, amount=Money(Decimal(10**15), "EUR"))

    message = slack_digest.render_digest(sample_edition(digest))

    assert violations(message.blocks, message.text) == []
    assert "<!channel>" not in message.text
