"""A login that the mail server refuses: all mail pauses, and the callback is called once."""

from email.message import EmailMessage

import pytest

from casebell_sandbox.mailbox import MailStand
from notifiers.email.client import SmtpClient
from receiver.errors import DeliveryError, RetryLaterError

pytestmark = pytest.mark.anyio

FROM, TO = "casebell@creditor.example", "ar@creditor.example"


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = FROM, TO, "Dispute"
    message.set_content("A line.\n")
    return message


def client_of(stand: MailStand, password: str, reported: list[DeliveryError | None], clock: list[float]) -> SmtpClient:
    url = f"smtp://casebell@127.0.0.1:{stand.port}"
    return SmtpClient(url, password, on_stop=reported.append, now_s=lambda: clock[0])


async def refusal_of(client: SmtpClient) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await client.send(mail(), FROM, TO)
    return raised.value


async def test_a_refused_login_pauses_all_mail_and_is_reported_once() -> None:
    reported: list[DeliveryError | None] = []
    clock = [1_000.0]
    stand = MailStand(auth=("casebell", "right"))
    await stand.start()
    client = client_of(stand, "wrong", reported, clock)

    first = await refusal_of(client)
    await stand.stop()  # a client that connects now would get another error
    others = [await refusal_of(client) for _ in range(3)]

    assert {error.code for error in (first, *others)} == {"smtp_auth"}
    assert all(isinstance(error, RetryLaterError) and error.after_s == 900 for error in others)
    assert [error and error.code for error in reported] == ["smtp_auth"]


async def test_after_the_pause_one_mail_tries_and_then_all_continue() -> None:
    reported: list[DeliveryError | None] = []
    clock = [1_000.0]
    stand = MailStand(auth=("casebell", "right"))
    await stand.start()
    client = client_of(stand, "right", reported, clock)
    stand.auth = ("casebell", "another")
    await refusal_of(client)

    stand.auth = ("casebell", "right")
    assert (await refusal_of(client)).code == "smtp_auth"
    clock[0] += 901
    await client.send(mail(), FROM, TO)
    await client.send(mail(), FROM, TO)
    await stand.stop()

    assert [error and error.code for error in reported] == ["smtp_auth", None]
    assert len(stand.messages) == 2
