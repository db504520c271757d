"""Every mail as its bytes are sent, checked with the RFCs and with a parser other than Python's."""

import random
import re
from dataclasses import replace
from decimal import Decimal
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from casebell_sandbox.mailbox import Mail, MailStand
from notifiers.email.client import SmtpClient
from notifiers.email.headers import POLICY
from notifiers.email.notifier import MailNotifier
from notifiers.email.render import root_id
from notifiers.i18n.formats import Formats
from notifiers.i18n.translator import Translator
from notifiers.story.context import StoryContext
from notifiers.story.digest_text import format_digest
from notifiers.story.headline import format_headline
from notifiers.text import one_line
from receiver.domain.admin_alert import SENTENCES
from receiver.domain.item import Item
from receiver.domain.money import Money
from receiver.domain.notice import Notice, Reminder
from receiver.samples.digest import sample_digest, sample_edition
from receiver.samples.items import ANNA, SAMPLES, sample_item
from receiver.samples.notice import sample_notice
from tests.checkers import parsed_by_mailparser, tools
from tests.factories import NOW

__all__ = ["tools"]  # a fixture

pytestmark = pytest.mark.anyio

LOCALES = ("en", "fr", "da", "de")
DOMAIN = f"{'mahnwesen.' * 9}creditor.example"  # with it a Message-ID is longer than a line
SENDER, NAME = f"Jørgensen & Søn · Créances <casebell@{DOMAIN}>", "Jørgensen & Søn · Créances"
TO, HOST = "Åse Öberg <ar@creditor.example>", "casebell.example.com"
UNSUBSCRIBE = f"https://{HOST}/unsubscribe/{'Zm9v.' * 40}end"
PHRASES = {"from", "to", "subject"}  # the headers in which RFC 2047 allows encoded words
HEAD = re.compile(rb"(?:[!-9;-~]+:(?: [ -~]*|)\r\n(?:[ \t]+[!-~][ -~]*\r\n)*)+")  # only fields (RFC 5322, 2.2)
HEADLINES = 10_000
PIECES = (
    "INV-2024-001", "№ 17/б", "·", "€1,500.00", "1 500,00 €", "Ménard", "Ærø", "Größe", "Łódź", "=?utf-8?q?=C2=B7?=",
    "=?", "?=", "=", "_", "a_b", "  ", "\u00a0", "\u202f", "🧾", "👩\u200d👧", "e\u0301", "שלום", "فاتورة", "請求書",
    "%20", "\\", '"', "<a@b>", "x" * 60, "é" * 45, "Dispute: 1,", "\r\nBcc: eve@evil.example", "\u2028",
)  # fmt: skip
Delivered = dict[str, tuple[str | None, Mail]]  # by name: the expected subject, if known, and the mail


def header_fields(raw: bytes) -> dict[str, str]:
    """The unfolded header fields by lower-case name; none may occur twice (RFC 5322, 2.2.3)."""
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii").replace("\r\n ", " ")
    found = [line.partition(": ") for line in head.split("\r\n")]
    assert len({name.lower() for name, _, _ in found}) == len(found)
    return {name.lower(): value for name, _, value in found}


def resolved(item: Item) -> Item:
    return replace(item, state="resolved", version=3, resolved_at=NOW, outcome="validated", resolved_by="Anna Krogh")


def accented(kind: str, locale: str) -> Notice:
    """A sample with a reference that Python's own policies fold wrongly."""
    item = sample_item(kind)
    snapshot = replace(item.snapshot, reference="№ 17/б", amount=Money(Decimal(1500), "EUR"))
    return replace(sample_notice(replace(item, snapshot=snapshot), locale), now=NOW)


def subject_of(notice: Notice) -> str:
    return Translator().story(notice).headline


class Post:
    """A notifier with a mail server; ``sent`` maps the name of each mail to its expected subject, or None."""

    def __init__(self, stand: MailStand) -> None:
        client = SmtpClient(f"smtp://127.0.0.1:{stand.port}", None)
        self.notifier = MailNotifier(client, Translator(), sender=SENDER, host=HOST)
        self.sent: dict[str, str | None] = {}

    async def send_alerts(self, locale: str) -> None:
        """The mails about the changes of one item, in one language."""
        notice = accented("portal_dispute", locale)
        subject, done = subject_of(notice), replace(notice, item=resolved(notice.item))
        again = replace(notice, item=replace(notice.item, version=4))
        for name, about, shown in (
            ("opened", notice, None), ("resolved", done, "open"), ("reopened", again, "resolved"),
        ):  # fmt: skip
            await self.notifier.deliver(about, TO, None, shown)
            self.sent[f"{name}.{locale}"] = subject if shown is None else f"Re: {subject}"
        await self.notifier.remind(notice, TO, "", Reminder("reminder", ANNA))
        self.sent[f"followup.{locale}"] = f"Re: {subject}"

    async def send_many(self, locale: str) -> None:
        """Every kind once, then all of them grouped in one mail, and the digest."""
        notices = [accented(kind, locale) for kind in SAMPLES]
        for kind, notice in zip(SAMPLES, notices, strict=True):
            await self.notifier.deliver(notice, TO, None, None)
            self.sent[f"{kind}.{locale}"] = subject_of(notice)
        await self.notifier.deliver_grouped(notices, TO)
        self.sent[f"grouped.{locale}"] = None
        digest = replace(sample_edition(sample_digest(locale, NOW)), unsubscribe_url=UNSUBSCRIBE)
        await self.notifier.deliver_digest(digest, TO)
        self.sent[f"digest.{locale}"] = format_digest(digest.digest).subject

    async def send_admin_mails(self) -> None:
        """Admin alerts and the login mail."""
        values = {"about": "Getbill (Søn)", "since": "2026-03-02", "reason": "401", "url": f"https://{HOST}/login/x"}
        for code, sentence in SENTENCES.items():
            text = Translator().say("en", sentence, **values)
            await self.notifier.send_admin_alert(TO, text, f"login {code}" if code == "login" else code, NOW)
            self.sent[code] = None


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def delivered() -> Delivered:
    """Each mail by name, with its expected subject, as the mail server received it."""
    stand = MailStand()
    await stand.start()
    post = Post(stand)
    for locale in LOCALES:
        await post.send_alerts(locale)
        await post.send_many(locale)
    await post.send_admin_mails()
    await stand.stop()
    assert len(post.sent) == len(stand.messages)
    return dict(zip(post.sent, zip(post.sent.values(), stand.messages, strict=True), strict=True))


async def test_every_header_is_ascii_in_lines_of_legal_length(delivered: Delivered) -> None:
    for name, (_, mail) in delivered.items():
        head = mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n"
        assert HEAD.fullmatch(head), name
        assert all(len(line) <= 76 for line in head.split(b"\r\n") if b"=?" in line), name
        assert all(len(line) <= 998 and line.isascii() for line in mail.raw.split(b"\r\n")), name


async def test_no_structured_header_is_encoded(delivered: Delivered) -> None:
    for name, (_, mail) in delivered.items():
        for field, value in header_fields(mail.raw).items():
            assert field in PHRASES or "=?" not in value, f"{name}: {field}"
        assert b"=?" not in mail.raw.partition(b"\r\n\r\n")[2], name  # the headers of its parts
        assert header_fields(mail.raw)["from"].endswith(f" <casebell@{DOMAIN}>")
        assert header_fields(mail.raw)["to"].endswith("<ar@creditor.example>")
        assert header_fields(mail.raw)["date"] == format_datetime(NOW)
        assert header_fields(mail.raw)["auto-submitted"] == "auto-generated"
        assert re.fullmatch(rf"<[0-9a-f]+@{DOMAIN}>", header_fields(mail.raw)["message-id"])


async def test_a_digest_has_the_headers_of_one_click_unsubscription(delivered: Delivered) -> None:
    for locale in LOCALES:
        head = header_fields(delivered[f"digest.{locale}"][1].raw)
        assert re.findall(r"<(https://[!-=?-~]+)>", head["list-unsubscribe"]) == [UNSUBSCRIBE]
        assert head["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"


async def test_another_parser_reads_every_mail_unchanged(delivered: Delivered, tools: Path) -> None:
    read = parsed_by_mailparser(tools, {name: mail.raw for name, (_, mail) in delivered.items()})

    assert read.keys() == delivered.keys()
    for name, (subject, mail) in delivered.items():
        parsed, head = read[name], header_fields(mail.raw)
        assert parsed["subject"] == (subject or str(mail.message["Subject"])), name
        assert parsed["from"] == [[NAME, f"casebell@{DOMAIN}"]], name
        assert parsed["to"] == [["" if "digest" in name else "Åse Öberg", "ar@creditor.example"]], name
        assert parsed["ids"] == [head[one] for one in ("message-id", "in-reply-to", "references") if one in head], name
        assert f"<{parsed['list']}>" == head["list-id"], name
        one_click = (UNSUBSCRIBE, "List-Unsubscribe=One-Click") if "digest" in name else (None, None)
        assert (parsed["unsubscribe"], parsed["oneClick"]) == one_click, name
        text = mail.message.get_body(("plain",))
        assert text is not None
        assert parsed["text"].strip() == text.get_content().replace("\r\n", "\n").strip(), name
        assert parsed["files"] == [], name


async def test_all_mails_about_an_item_refer_to_one_message_id(delivered: Delivered) -> None:
    root = root_id(sample_item("portal_dispute"), TO, SENDER)

    for name in ("opened.da", "resolved.da", "reopened.da", "followup.da"):
        head = header_fields(delivered[name][1].raw)
        assert (head["references"], head["in-reply-to"]) == (root, root)


def test_another_parser_reads_every_headline_unchanged(tools: Path) -> None:
    chance = random.Random(2047)
    expected, raw = {}, {}
    notices = [accented(kind, locale) for kind in SAMPLES for locale in LOCALES]
    for n in range(HEADLINES):
        notice = notices[n % len(notices)]
        texts = ["".join(chance.choices(PIECES, k=chance.randint(1, 5))) for _ in range(3)]
        money = Money(Decimal(chance.randint(-10, 10**9)) / 100, chance.choice(("EUR", "DKK", "RUB", "JPY", "XXX")))
        snapshot = replace(notice.item.snapshot, reference=texts[0], debtor=texts[1], title=texts[2], amount=money)
        about = replace(notice, item=replace(notice.item, snapshot=snapshot))
        formats = Formats(Translator(), notice.route.locale, ZoneInfo("Europe/Paris"), NOW)
        subject = one_line(format_headline(StoryContext(about, formats)))
        mail = EmailMessage(policy=POLICY)
        mail["Subject"] = subject if n % 2 else f"Re: {subject}"
        expected[str(n)], raw[str(n)] = subject if n % 2 else f"Re: {subject}", mail.as_bytes()

    read = parsed_by_mailparser(tools, raw)

    assert {name: one["subject"] for name, one in read.items() if one["subject"] != expected[name]} == {}
    assert len(read) == HEADLINES
