"""The mail client and notifier against a real SMTP server: the error that each answer gives."""

import ssl
import subprocess
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from notifiers.email.client import SmtpClient
from notifiers.email.notifier import MailNotifier
from receiver.domain.item import Attempt, Item
from receiver.domain.notice import Link, Notice, Story
from receiver.errors import ConfigError, DeliveryError, PermanentError, RetryLaterError, UncertainError
from receiver.ports import Delivered
from tests.adapters.mail_server import HANG, HANG_UP, PASSWORD, SENDER, Mailbox, client, mail_server
from tests.factories import NOW, make_item, make_notice

pytestmark = pytest.mark.anyio

FROM, TO = "casebell@creditor.example", "ar@creditor.example"


@dataclass(frozen=True)
class Certificate:
    server: ssl.SSLContext
    trust: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder: Path = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return Certificate(server, ssl.create_default_context(cafile=str(cert)))


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, TO, "Dispute"
    message.set_content("A line.\n.\n.. and one that begins with dots\n")
    return message


async def error_of(mailbox: Mailbox, **more: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await client(mailbox, **more).send(mail(), FROM, TO)
    return raised.value


async def test_a_message_arrives_whole_at_its_one_recipient() -> None:
    async with mail_server(Mailbox()) as mailbox:
        await client(mailbox).send(mail(), FROM, TO)

    assert mailbox.recipients == [[TO]]
    assert mailbox.taken[0].get_content().splitlines() == ["A line.", ".", ".. and one that begins with dots"]


GONE = "recipient_refused"
REFUSALS: dict[str, tuple[str, str, type[DeliveryError], str, float | None]] = {
    "greylisted": ("RCPT", "450 4.2.0 Greylisted", RetryLaterError, "smtp_later", None),
    "mailbox busy": ("RCPT", "452 4.3.1 Full", RetryLaterError, "smtp_later", None),
    "no such mailbox": ("RCPT", "550 5.1.1 No such user", PermanentError, GONE, None),
    "no such mailbox, says Exchange": ("RCPT", "550 5.4.1 Recipient address rejected", PermanentError, GONE, None),
    "no such mailbox, in no code": ("RCPT", "550 No such user here", PermanentError, GONE, None),
    "no such mailbox, said late": ("DATA", "550 5.1.1 User unknown", PermanentError, GONE, None),
    "mailbox full": ("RCPT", "552 5.2.2 Over quota", RetryLaterError, "smtp_later", None),
    "mailbox full for good": ("RCPT", "550 5.2.2 Mailbox full", RetryLaterError, "smtp_later", None),
    "sender unknown to them": ("RCPT", "550 5.1.8 Sender address rejected", PermanentError, "not_by_policy", None),
    "relaying denied, in no code": ("RCPT", "550 relay not permitted", PermanentError, "not_by_policy", None),
    "misunderstood": ("RCPT", "503 5.5.1 Bad sequence of commands", PermanentError, "not_by_policy", None),
    "an old refusal of all": ("RCPT", "554 Transaction failed", PermanentError, "not_by_policy", None),
    "relaying denied": ("RCPT", "554 5.7.1 Relay access denied", PermanentError, "not_by_policy", None),
    "sender has to wait": ("MAIL", "451 4.7.1 Later", RetryLaterError, "smtp_later", None),
    "sender not allowed": ("MAIL", "553 5.7.1 Not owned", RetryLaterError, "sender_refused", 900),
    "login needed": ("MAIL", "530 5.7.0 Authentication required", RetryLaterError, "smtp_auth", 900),
    "message put off": ("DATA", "451 4.3.0 Try later", RetryLaterError, "smtp_later", None),
    "message refused": ("DATA", "554 5.6.0 Content rejected", PermanentError, "message_refused", None),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_each_refusal_gives_the_error_that_says_what_to_do(name: str) -> None:
    command, answer, class_, code, after_s = REFUSALS[name]

    async with mail_server(Mailbox({command: answer})) as mailbox:
        error = await error_of(mailbox)

    assert (type(error), error.code) == (class_, code)
    assert getattr(error, "after_s", None) == after_s
    assert answer[:3] in error.message
    assert mailbox.taken == []


@pytest.mark.parametrize("answer", [HANG, HANG_UP])
async def test_no_answer_after_the_message_is_uncertain(answer: str) -> None:
    async with mail_server(Mailbox({"DATA": answer})) as mailbox:
        error = await error_of(mailbox, total_s=0.5)

    assert (type(error), error.code) == (UncertainError, "smtp_no_answer")


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
async def test_no_answer_before_the_message_may_be_retried(command: str) -> None:
    async with mail_server(Mailbox({command: HANG})) as mailbox:
        error = await error_of(mailbox, total_s=0.5)

    assert (type(error), error.code) == (RetryLaterError, "smtp_unreachable")


async def test_a_message_is_sent_although_quit_gets_no_answer() -> None:
    async with mail_server(Mailbox({"QUIT": HANG})) as mailbox:
        await client(mailbox, total_s=0.5).send(mail(), FROM, TO)

    assert len(mailbox.taken) == 1


async def test_a_refused_connection_may_be_retried() -> None:
    async with mail_server(Mailbox()) as mailbox:
        pass

    assert (await error_of(mailbox)).code == "smtp_unreachable"


async def test_starttls_encrypts_before_login_and_message(certificate: Certificate) -> None:
    mailbox = Mailbox()
    options: dict[str, Any] = {
        "tls_context": certificate.server,
        "require_starttls": True,
        "authenticator": mailbox.log_in,
    }

    async with mail_server(mailbox, **options):
        url = f"smtp+starttls://casebell%40creditor.example@127.0.0.1:{mailbox.port}"
        await SmtpClient(url, PASSWORD, trust=certificate.trust).send(mail(), FROM, TO)

    assert mailbox.was_encrypted == [True]
    assert mailbox.logins == ["casebell@creditor.example"]


async def test_smtps_is_encrypted_from_the_first_byte(certificate: Certificate) -> None:
    async with mail_server(Mailbox(), tls=certificate.server) as mailbox:
        await SmtpClient(f"smtps://127.0.0.1:{mailbox.port}", None, trust=certificate.trust).send(mail(), FROM, TO)

    assert len(mailbox.taken) == 1


async def test_a_server_without_starttls_gets_nothing() -> None:
    async with mail_server(Mailbox()) as mailbox:
        with pytest.raises(RetryLaterError) as raised:
            await SmtpClient(f"smtp+starttls://127.0.0.1:{mailbox.port}", None).send(mail(), FROM, TO)

    assert (raised.value.code, raised.value.after_s) == ("smtp_tls", 900)
    assert mailbox.taken == []


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
async def test_a_server_with_an_untrusted_certificate_gets_nothing(scheme: str, certificate: Certificate) -> None:
    mailbox = Mailbox()
    options: dict[str, Any] = {"tls": certificate.server} if scheme == "smtps" else {"tls_context": certificate.server}

    async with mail_server(mailbox, **options):
        with pytest.raises(RetryLaterError) as raised:
            await SmtpClient(f"{scheme}://127.0.0.1:{mailbox.port}", None).send(mail(), FROM, TO)

    assert raised.value.code == "smtp_tls"
    assert "CERTIFICATE_VERIFY_FAILED" in raised.value.message
    assert mailbox.taken == []


async def test_a_refused_login_is_retried_after_fifteen_minutes() -> None:
    mailbox = Mailbox()

    async with mail_server(mailbox, authenticator=mailbox.log_in, auth_require_tls=False):
        with pytest.raises(RetryLaterError) as raised:
            await SmtpClient(f"smtp://casebell@127.0.0.1:{mailbox.port}", "wrong").send(mail(), FROM, TO)

    assert (raised.value.code, raised.value.after_s) == ("smtp_auth", 900)
    assert "535" in raised.value.message


class TokensOnly(Mailbox):
    async def auth_XOAUTH2(self, _server: SMTP, _words: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's own name
        return AuthResult(success=False)


@pytest.mark.parametrize("in_clear", [False, True])
async def test_a_server_without_a_supported_login_method_is_a_refused_login(in_clear: bool) -> None:
    excluded = ["LOGIN", "PLAIN"]
    async with mail_server(TokensOnly(), auth_require_tls=not in_clear, auth_exclude_mechanism=excluded) as mailbox:
        with pytest.raises(RetryLaterError) as raised:
            await SmtpClient(f"smtp://casebell@127.0.0.1:{mailbox.port}", PASSWORD).send(mail(), FROM, TO)

    assert raised.value.code == "smtp_auth"


@pytest.mark.parametrize("url", ["https://mail.test", "smtp:///", "mail.test"])
def test_an_unsupported_server_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError):
        SmtpClient(url, None)


class PlainTranslator:  # English, with the item's texts unchanged
    def story(self, notice: Notice) -> Story:
        snapshot, state = notice.item.snapshot, notice.item.state
        headline = f"{snapshot.title} · {snapshot.reference}"
        return Story(headline, f"{headline}.", snapshot.question, snapshot.quote, (), (), f"It is {state}.", None, "")

    def say(self, locale: str, message: str, **values: object) -> str:
        return message.format(locale=locale, **values)


def notifier(mailbox: Mailbox) -> MailNotifier:
    return MailNotifier(client(mailbox), PlainTranslator(), sender=SENDER, host="casebell.example.com")


def notifier_with_login(user: str, password: str, mailbox: Mailbox) -> MailNotifier:
    login = SmtpClient(f"smtp://{user}@127.0.0.1:{mailbox.port}", password)
    return MailNotifier(login, PlainTranslator(), sender=SENDER, host="casebell.example.com")


def resolved() -> Item:
    return make_item(state="resolved", version=3, resolved_at=NOW, outcome="validated", resolved_by="Anna")


async def test_an_item_is_mailed_when_it_opens_and_when_it_is_resolved() -> None:
    acting = make_item(state="acting", version=2, attempt=Attempt(1, "validate", "Anna", "mail", NOW))

    async with mail_server(Mailbox()) as mailbox:
        channel = notifier(mailbox)
        opened = await channel.deliver(make_notice(), TO, None, None)
        between = await channel.deliver(make_notice(acting), TO, opened.reference, "open")
        closed = await channel.deliver(make_notice(resolved()), TO, opened.reference, "acting")
        later = await channel.deliver(make_notice(resolved()), TO, opened.reference, "resolved")

    first, last = mailbox.taken
    assert opened == between == closed == later
    assert {first["References"], last["References"], first["In-Reply-To"]} == {opened.reference}
    assert first["Message-ID"] != last["Message-ID"]
    assert last["Subject"] == f"Re: {first['Subject']}"


async def test_an_item_that_is_resolved_before_its_first_mail_is_not_mailed() -> None:
    async with mail_server(Mailbox()) as mailbox:
        assert await notifier(mailbox).deliver(make_notice(resolved()), TO, None, None) == Delivered(None)

    assert mailbox.taken == []


async def test_a_retried_mail_has_the_same_message_id() -> None:
    changed = make_notice(make_item(version=2))

    async with mail_server(Mailbox({"DATA": HANG_UP})) as mailbox:
        with pytest.raises(UncertainError):
            await notifier(mailbox).deliver(make_notice(), TO, None, None)
        mailbox.answers.clear()
        await notifier(mailbox).deliver(changed, TO, None, None)
        await notifier(mailbox).deliver(make_notice(), TO, None, None)

    assert mailbox.taken[0]["Message-ID"] == mailbox.taken[1]["Message-ID"]


async def test_a_requested_fresh_link_is_a_mail_with_its_own_message_id() -> None:
    notice = make_notice(links=(Link("decide", "https://casebell.example.com/act/t2"),))

    async with mail_server(Mailbox()) as mailbox:
        await notifier(mailbox).deliver(notice, TO, None, None)
        await notifier(mailbox).deliver(replace(notice, occasion="t2"), TO, None, None)

    assert mailbox.taken[0]["Message-ID"] != mailbox.taken[1]["Message-ID"]
    assert mailbox.taken[0]["References"] == mailbox.taken[1]["References"]


@pytest.mark.parametrize(
    "address", ["", "ar", "a@x.example, b@x.example", "a@x.example\r\nBcc: e@x.example", "a b@x.example", "@x.example"]
)
async def test_only_exactly_one_address_is_mailed(address: str) -> None:
    async with mail_server(Mailbox()) as mailbox:
        with pytest.raises(PermanentError) as raised:
            await notifier(mailbox).deliver(make_notice(), address, None, None)

    assert raised.value.code == "bad_address"
    assert mailbox.recipients == []


async def test_health_describes_the_connection_or_the_cure() -> None:
    mailbox = Mailbox()

    async with mail_server(mailbox, authenticator=mailbox.log_in, auth_require_tls=False):
        good = await notifier_with_login("casebell", PASSWORD, mailbox).health()
        bad = await notifier_with_login("casebell", "wrong", mailbox).health()

    assert good[0].is_well
    assert good[0].detail == f"127.0.0.1:{mailbox.port}, in clear, as casebell"
    assert (bad[0].is_well, bad[0].cure) == (False, "Check the user in email.smtp_url and email.password.")


def test_a_sender_that_is_no_address_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="sender"):
        MailNotifier(SmtpClient("smtp://127.0.0.1", None), PlainTranslator(), sender="Casebell", host="c.example")
