"""An alert as a mail: complete, small and harmless for any input."""

import os
import re
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifiers.email.render import MAX_HTML, render, root_id
from notifiers.i18n.translator import Translator
from receiver.domain.item import Attempt, Item
from receiver.domain.notice import Link, Notice, Story
from receiver.domain.routing import Route
from tests.factories import NOW, make_item, make_notice
from tests.faults.much import times

GOLDEN = Path(__file__).parents[1] / "golden" / "email"
SHEET = re.compile(r"(?<=<style>).*?(?=</style>)", re.DOTALL)
STYLED = re.compile(r' style="[^"]*"')
WRITTEN = re.compile(r'<(\w+(?: class="[^"]*")?)[^<>]*? style="([^"]*)"')
SENDER, ADDRESS, HOST = "Casebell <casebell@creditor.example>", "ar@creditor.example", "casebell.example.com"

DECIDE = Link("decide", f"https://{HOST}/act/InQxIg.aaaa.bbbb")
LINKS = (
    DECIDE,
    Link("media", f"https://{HOST}/media/m1", "call of 27 February.mp3"),
    Link("media", f"https://{HOST}/media/m2", "proof of payment.pdf"),
    Link("solution", "https://app.getbill.example/todo/enc_234"),
)
STORY = Story(
    headline="Dispute: payment already made · INV-2024-001 · €1,500.00",
    sentence="Jane Roe disputes INV-2024-001 over €1,500.00; collection stands still.",
    question="The debtor says that this was paid already. Is that so?",
    quote="I already paid this bill last month.\nSee the transfer of 3 February & please <stop>.",
    facts=(
        ("Debtor", "Jane Roe"),
        ("Amount", "€1,500.00"),
        ("Reference", "INV-2024-001"),
        ("Collection", "paused"),
        ("AI confidence", "85 %"),
    ),
    conversation=(),
    status=None,
    problem=None,
    footer="Getbill, account main · opened 2 March 2026, 10:00",
)
CHAT = replace(
    STORY,
    headline="Your partner asks: Acme Inkasso · D-10042",
    question="Please reply, or the case stands still.",
    quote=None,
    conversation=(
        ("Acme Inkasso", "1 March 2026, 09:12", "Could you send us the signed contract?"),
        ("Anna, creditor", "1 March 2026, 11:40", "We are looking for it."),
        ("Acme Inkasso", "2 March 2026, 08:01", "Thank you.\nWe need it before Thursday."),
    ),
)
DONE = replace(STORY, status="Anna Silva validated this by mail on 2 March 2026, 10:31. Getbill confirmed it.")


def resolved(**changes: Any) -> Item:
    done: dict[str, Any] = {
        "state": "resolved",
        "version": 3,
        "resolved_at": NOW,
        "outcome": "validated",
        "resolved_by": "Anna",
    }
    return make_item(**done | changes)


def acting() -> Item:
    return make_item(state="acting", version=2, attempt=Attempt(7, "validate", "Anna", "slack", NOW))


CASES: dict[str, tuple[Notice, Story]] = {
    "open_dispute": (make_notice(links=LINKS), STORY),
    "chat": (make_notice(links=(DECIDE, LINKS[3])), CHAT),
    "refused": (
        make_notice(make_item(version=3), links=LINKS),
        replace(STORY, problem="Getbill did not take it: the dispute is closed."),
    ),
    "acting": (make_notice(acting(), links=LINKS), replace(STORY, status="Anna asked Getbill to validate this.")),
    "resolved": (make_notice(resolved(), links=LINKS), DONE),
    "nothing_known": (make_notice(links=()), Story("", "", None, None, (), (), None, None, "")),
}


def say(locale: str, message: str, **values: object) -> str:
    """English unchanged; another language in marks, so that an untranslated text is visible."""
    filled = message.format(**values)
    return filled if locale == "en" else f"‹{filled}›"


def mailed(notice: Notice, story: Story = STORY, **more: Any) -> EmailMessage:
    """The mail as it arrives, parsed from its bytes."""
    sent = render(notice, story, say, SENDER, ADDRESS, HOST, **more).as_bytes()
    assert sent.isascii()
    assert max(map(len, sent.splitlines())) <= 998
    return message_from_bytes(sent, policy=default)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content.replace("\r\n", "\n")


class Page(HTMLParser):
    """The tags, links and visible texts of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def links(self) -> list[str]:
        return [str(attributes["href"]) for tag, attributes in self.tags if tag == "a"]

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def golden(name: str, text: str) -> str:
    """The reviewed text; with REWRITE_GOLDEN=1 this text replaces it."""
    path = GOLDEN / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_the_mail_is_as_reviewed(case: str) -> None:
    mail = mailed(*CASES[case])
    head = "".join(f"{name}: {value}\n" for name, value in mail.items() if name != "Content-Type")
    shown = {"txt": f"{head}\n{part(mail, 'plain')}", "html": STYLED.sub("", SHEET.sub("", part(mail, "html")))}

    assert shown == {ending: golden(f"{case}.{ending}", text) for ending, text in shown.items()}


def test_the_styles_are_as_reviewed() -> None:
    """The lines of the style sheets and the inlined styles by class, once for all mails."""
    pages = [part(mailed(*case), "html") for case in CASES.values()]
    inline = {f"{tag} {style}\n" for page in pages for tag, style in WRITTEN.findall(page)}
    lines = dict.fromkeys(line for page in pages for line in "".join(SHEET.findall(page)).splitlines(keepends=True))
    shown = {"sheet.css": "".join(lines), "inline.txt": "".join(sorted(inline))}

    assert shown == {name: golden(name, text) for name, text in shown.items()}


def test_the_text_part_comes_first_and_is_complete() -> None:
    mail = mailed(*CASES["chat"])
    text = part(mail, "plain")

    assert [p.get_content_type() for p in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "> We need it before Thursday." in text
    assert "Review and decide:\nhttps://casebell.example.com/act/InQxIg.aaaa.bbbb\n" in text
    assert [word for word in ("Acme Inkasso", "INV-2024-001", "paused", LINKS[3].url) if word not in text] == []


def test_a_mail_has_one_button_and_one_link_to_the_source() -> None:
    page = Page(part(mailed(*CASES["open_dispute"]), "html"))

    assert page.links() == [DECIDE.url, LINKS[3].url, LINKS[1].url, LINKS[2].url]
    assert [a for a in page.named("td") if "padding: 14px 26px" in (a["style"] or "") and a.get("bgcolor")] != []


@pytest.mark.parametrize("item", [resolved(), acting()], ids=["resolved", "acting"])
def test_an_item_that_cannot_be_decided_has_no_button(item: Item) -> None:
    mail = mailed(make_notice(item, links=LINKS), DONE)

    assert DECIDE.url not in part(mail, "html")
    assert DECIDE.url not in part(mail, "plain")


def test_the_mail_of_a_resolved_item_begins_with_the_decision() -> None:
    html = part(mailed(*CASES["resolved"]), "html")
    preheader = html[html.index('class="preheader"') :]

    assert "Anna Silva validated this" in preheader[:250]
    assert "Anna Silva validated this" in part(mailed(*CASES["resolved"]), "plain").split("\n\n")[1]


HOSTILE_URLS = [
    "http://app.getbill.example/todo/1",
    "javascript:alert(1)",
    "https://app.getbill.example/\r\nX: 1",
    'https://app.getbill.example/"><img src=x>',
    "//evil.example",
    "https://" + "a" * 3_000,
    "http://[::1",
    "",
]


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_link_that_is_not_plain_https_is_left_out(url: str) -> None:
    mail = mailed(make_notice(links=(Link("solution", url), DECIDE)))

    assert Page(part(mail, "html")).links() == [DECIDE.url]
    assert "Open in" not in part(mail, "plain")


def test_a_link_to_this_machine_may_use_http() -> None:
    mail = render(
        make_notice(links=(Link("solution", "http://127.0.0.1:8090/?todo=1"),)),
        STORY, say, SENDER, ADDRESS, "127.0.0.1",
    )  # fmt: skip

    assert Page(part(mail, "html")).links() == ["http://127.0.0.1:8090/?todo=1"]


def test_markup_in_any_text_is_escaped() -> None:
    evil = "</td><script>x()</script><img src=https://evil.example/p.png onerror=x()>"
    story = replace(
        STORY, headline=evil, question=evil, quote=evil, status=evil, problem=evil, footer=evil,
        facts=((evil, evil),), conversation=((evil, evil, evil),),
    )  # fmt: skip
    page = Page(part(mailed(make_notice(links=(Link("media", LINKS[1].url, evil),)), story), "html"))

    assert [tag for tag, _ in page.tags if tag in {"script", "img", "iframe", "object", "form", "link"}] == []
    assert [a for _, a in page.tags if any(name.startswith("on") for name in a)] == []


def test_a_mail_loads_nothing() -> None:
    html = part(mailed(*CASES["open_dispute"]), "html")

    assert re.findall(r"src=|url\(|@import|<link", html) == []


@pytest.mark.parametrize(
    "title",
    ["Dispute\r\nBcc: eve@evil.example", "Dispute\nX-Evil: 1", "Dispute\u2028Bcc: eve@evil.example", "a\x00b\ud800c"],
)
def test_a_hostile_title_never_adds_a_header(title: str) -> None:
    mail = mailed(make_notice(), replace(STORY, headline=title))

    assert set(mail.keys()) == set(mailed(make_notice()).keys())
    assert "\n" not in mail["Subject"]
    assert mail["To"] == ADDRESS


def test_a_mail_has_the_headers_of_an_automatic_mail_and_of_its_conversation() -> None:
    mail = mailed(make_notice())
    root = root_id(make_item(), ADDRESS, SENDER)

    assert mail["From"] == SENDER
    assert mail["To"] == ADDRESS
    assert mail["Date"].datetime == NOW
    assert mail["In-Reply-To"] == mail["References"] == root
    assert mail["Message-ID"] != root
    assert mail["Message-ID"].endswith("@creditor.example>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert mail["List-Id"] == "<disputes.casebell.example.com>"


def ids(*mails: EmailMessage) -> int:
    return len({mail["Message-ID"] for mail in mails})


def test_each_change_has_its_own_message_id_and_every_try_the_same() -> None:
    opened = mailed(make_notice())
    again = mailed(make_notice(make_item(version=2), now=NOW.replace(hour=11)))
    done = mailed(make_notice(resolved()), shown_state="open")
    reopened = mailed(make_notice(make_item(version=4)), shown_state="resolved")
    fresh_link = mailed(make_notice(occasion="t2"))
    other_item = mailed(make_notice(make_item(id="other")))

    assert ids(opened, again) == 1
    assert ids(opened, done, reopened, fresh_link, other_item) == 5
    assert len({mail["References"] for mail in (opened, again, done, reopened, fresh_link)}) == 1
    assert other_item["References"] != opened["References"]


def test_follow_ups_have_the_first_subject_with_re() -> None:
    translator = Translator()
    subjects = [
        mailed(notice, translator.story(notice), shown_state=shown)["Subject"]
        for notice, shown in (
            (make_notice(), None),
            (make_notice(resolved()), "open"),
            (make_notice(make_item(version=4, claimed_by="Anna", problem="Closed.")), "resolved"),
        )
    ]

    assert subjects[1:] == [f"Re: {subjects[0]}"] * 2


def test_message_ids_survive_a_very_long_sender_domain() -> None:
    sender = f"casebell@{'long.' * 30}example"
    raw = render(make_notice(), STORY, say, sender, ADDRESS, HOST).as_bytes().replace(b"\r\n ", b" ")

    assert f"References: {root_id(make_item(), ADDRESS, sender)}\r\n".encode() in raw


@pytest.mark.parametrize("filler", ["x", "&", "é", "🧾", "<\n"], ids=["ascii", "escaped", "accents", "emoji", "lines"])
def test_very_long_texts_keep_the_button_and_the_limit(filler: str) -> None:
    huge = filler * 100_000
    story = Story(
        huge, huge, huge, huge, ((huge, huge),) * 20, ((huge, huge, huge),) * 20, huge, huge, huge
    )  # fmt: skip
    html = part(mailed(make_notice(links=LINKS * 20), story), "html")

    assert len(html.encode()) <= MAX_HTML
    assert DECIDE.url in Page(html).links()


def test_a_usual_mail_is_far_below_gmails_limit() -> None:
    assert len(part(mailed(*CASES["chat"]), "html").encode()) < 30_000


def test_a_mail_supports_screen_readers_and_dark_mode() -> None:
    html = part(mailed(make_notice(route=Route("litiges", locale="fr"), links=LINKS)), "html")
    page = Page(html)

    assert page.named("html") == [{"lang": "fr"}]
    assert [a["class"] for a in page.named("table") if a.get("role") != "presentation"] == ["facts"]
    assert {a["scope"] for a in page.named("th")} == {"row"}
    assert "@media (prefers-color-scheme: dark)" in html
    assert len(page.named("h1")) == 1


def test_every_label_is_in_the_routes_language() -> None:
    mail = mailed(make_notice(route=Route("litiges", locale="fr"), links=LINKS), CHAT)
    labels = (
        "Review and decide",
        "Open in Getbill",
        "Conversation",
        "Recordings and files",
        "Blocking",
        "You get this",
    )

    for label in labels:
        assert label.upper() in part(mail, "plain").upper()
        assert re.search(rf"(?<!‹){label}", part(mail, "html")) is None


def _luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, as WCAG defines it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


CSS = (Path(__file__).parents[2] / "notifiers" / "email" / "templates" / "alert.css").read_text()


@pytest.mark.parametrize(
    ("css", "ground"),
    [(CSS.split("@media")[0], "#fdfdfd"), (CSS.split("dark) {")[1], "#1b2128")],
    ids=["light", "dark"],
)
def test_every_text_has_enough_contrast(css: str, ground: str) -> None:
    for selector, rules in re.findall(r"([^{}]+)\{([^{}]+)\}", css):
        colour = re.search(r"(?<!-)color: (#\w{6})", rules)
        own = re.search(r"background-color: (#\w{6})", rules)
        if selector.strip() == ".button a":
            own = re.search(r"\.button \{[^}]*background-color: (#\w{6})", css)
        if colour and "preheader" not in selector:
            assert contrast(colour[1], own[1] if own else ground) >= 4.5, selector


@settings(max_examples=times(20, 800))
@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_makes_a_mail(text: str) -> None:
    story = Story(text, text, text, text, ((text, text),), ((text, text, text),), text, text, text)
    mail = mailed(make_notice(links=(Link("media", LINKS[1].url, text), DECIDE)), story)

    assert DECIDE.url in part(mail, "plain")
    assert DECIDE.url in Page(part(mail, "html")).links()


@pytest.mark.parametrize("sender", ["", "Casebell", "a@b\r\nBcc: c@d"])
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="mail address"):
        render(make_notice(), STORY, say, sender, ADDRESS, HOST)
